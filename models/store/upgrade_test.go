package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/migrations"
	"opsyard/models/store/storetest"

	"gorm.io/gorm"
)

// rows are those of all tables, by table; schema's own are not among them.
type rows map[string][]map[string]any

// A database that an older Opsyard has filled is upgraded with all that is in it,
// from whichever version that was.
func TestUpgradesKeepEverything(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		st := storetest.OpenURL(t, url)
		want := fill(t, st)
		all, fresh := dump(t, st), schema(t, st)
		for n, version := range migrations.IDs() {
			if n%4 != 0 { // the first, and some of the later ones: each takes its time
				continue
			}
			empty(t, st)
			must(t, migrations.RunTo(st.Gorm(), version))
			old := columns(t, st)
			put(t, st, all, old)
			again, err := store.Open(context.Background(), store.Config{URL: url, Secrets: storetest.Secrets()})
			if err != nil {
				t.Fatalf("from %s: %v", version, err)
			}
			equal(t, schema(t, again), fresh)
			same(t, version, old, all, dump(t, again))
			read(t, again, want)
			must(t, again.Close())
		}
	})
}

// filled is what has been stored, by its kinds.
type filled struct {
	stack      *models.Stack
	layer      *models.Layer
	instance   *models.Instance
	app        *models.App
	deployment *models.Deployment
	commands   []models.Command
	user       *models.User
}

// fill stores something of each kind that the first version had.
func fill(t *testing.T, st *store.Store) filled {
	t.Helper()
	ctx := t.Context()
	f := filled{stack: storetest.Stack(t, st, func(s *models.Stack) {
		s.CustomJSON, s.Attributes = `{"a": "ü'\"", "n": 1.50}`, map[string]string{"Color": "rgb(45, 114, 184)"}
		s.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://git.example.com/c.git", Password: "a secret"}
	})}
	f.layer = storetest.Layer(t, st, func(l *models.Layer) { l.StackID, l.CustomRecipes.Deploy = f.stack.ID, []string{"shop::deploy"} })
	f.instance = storetest.Instance(t, st, func(i *models.Instance) {
		i.StackID, i.LayerIDs, i.PrivateIP = f.stack.ID, []models.LayerID{f.layer.ID}, "10.0.0.4"
	})
	f.app = storetest.App(t, st, func(a *models.App) {
		a.StackID, a.Environment = f.stack.ID, []models.EnvironmentVariable{{Key: "TOKEN", Value: "another secret", Secure: true}}
	})
	f.user = storetest.User(t, st)
	f.deployment = storetest.Deployment(t, st, func(d *models.Deployment) {
		d.StackID, d.AppID, d.CustomJSON, d.Comment = f.stack.ID, f.app.ID, `{"b": 2}`, "the first"
		d.Command = models.DeploymentCommand{Name: models.CommandDeploy, Args: map[string][]string{"migrate": {"true"}}}
	})
	f.commands = storetest.Commands(t, st, f.deployment, f.instance.ID)
	must(t, st.Commands.Move(ctx, f.commands[0].ID, pending, models.CommandSent, store.CommandChange{At: noon}))
	must(t, st.Permissions.Set(ctx, models.Permission{StackID: f.stack.ID, UserID: f.user.ID, Level: models.LevelDeploy}))
	must(t, st.Contents.Put(ctx, &models.Content{Digest: "sha256:00", Data: []byte{0, 1, 255}, CreatedAt: noon}))
	must(t, st.Events.Append(ctx, eventOf(f.stack.ID, "the first")))
	return f
}

// read reads all that was filled by the store, as it is to be after an upgrade.
func read(t *testing.T, st *store.Store, f filled) {
	t.Helper()
	ctx := t.Context()
	s, err := st.Stacks.Get(ctx, f.stack.ID)
	must(t, err)
	equal(t, s.CustomJSON, f.stack.CustomJSON)
	equal(t, s.CustomCookbooksSource, f.stack.CustomCookbooksSource)
	l, err := st.Layers.Get(ctx, f.layer.ID)
	must(t, err)
	equal(t, l.CustomRecipes, f.layer.CustomRecipes)
	i, err := st.Instances.Get(ctx, f.instance.ID)
	must(t, err)
	equal(t, i.LayerIDs, f.instance.LayerIDs)
	equal(t, i.PrivateIP, f.instance.PrivateIP)
	a, err := st.Apps.Get(ctx, f.app.ID)
	must(t, err)
	equal(t, a.Environment, f.app.Environment)
	d, err := st.Deployments.Get(ctx, f.deployment.ID)
	must(t, err)
	equal(t, d.Command, f.deployment.Command)
	equal(t, d.CustomJSON, f.deployment.CustomJSON)
	commands, err := st.Commands.OfDeployment(ctx, f.deployment.ID)
	must(t, err)
	equal(t, len(commands), 1)
	equal(t, commands[0].Status, models.CommandSent)
	// And it goes on from there.
	must(t, st.Commands.Move(ctx, commands[0].ID, sent, models.CommandRunning, store.CommandChange{At: noon}))
	must(t, st.Deployments.Finish(ctx, d.ID, models.DeploymentSuccessful, noon))
	next := storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID = f.stack.ID })
	equal(t, next.Number, f.deployment.Number+1)
}

// columns are those of each table now.
func columns(t *testing.T, st *store.Store) map[string][]string {
	t.Helper()
	tables, err := st.Gorm().Migrator().GetTables()
	must(t, err)
	all := map[string][]string{}
	for _, table := range tables {
		if table == "schema_migrations" || strings.HasPrefix(table, "sqlite_") {
			continue
		}
		types, err := st.Gorm().Migrator().ColumnTypes(table)
		must(t, err)
		for _, c := range types {
			all[table] = append(all[table], c.Name())
		}
	}
	return all
}

func dump(t *testing.T, st *store.Store) rows {
	t.Helper()
	all := rows{}
	for table := range columns(t, st) {
		var some []map[string]any
		must(t, st.Gorm().Table(table).Find(&some).Error)
		all[table] = some
	}
	return all
}

// put stores rows in a database that has only some of their tables and columns.
func put(t *testing.T, st *store.Store, all rows, old map[string][]string) {
	t.Helper()
	must(t, st.Gorm().Transaction(func(tx *gorm.DB) error {
		for table, list := range all {
			for _, row := range list {
				some := map[string]any{}
				for _, c := range old[table] {
					if value, ok := row[c]; ok {
						some[c] = value
					}
				}
				if len(some) == 0 {
					continue
				}
				if err := tx.Table(table).Create(some).Error; err != nil {
					return fmt.Errorf("%s: %w", table, err)
				}
			}
		}
		return nil
	}))
}

// same finds every row again, as far as the old version knew it.
func same(t *testing.T, version string, old map[string][]string, before, after rows) {
	t.Helper()
	for table, known := range old {
		if len(before[table]) != len(after[table]) {
			t.Errorf("from %s: %s had %d rows and has %d", version, table, len(before[table]), len(after[table]))
		}
		texts := func(list []map[string]any) (lines []string) {
			for _, row := range list {
				line := ""
				for _, c := range known {
					if value, kept := row[c]; kept {
						line += fmt.Sprintf("%s=%v ", c, plain(value))
					}
				}
				lines = append(lines, line)
			}
			slices.Sort(lines)
			return lines
		}
		equal(t, texts(after[table]), texts(before[table]))
	}
}

// plain makes values of both dialects comparable as text.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return string(v)
	}
	return v
}
