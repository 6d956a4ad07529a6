package engine

import (
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestClone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		must(w.engine.UpdateStack(w.ctx, w.stack.ID, func(s *models.Stack) error {
			s.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://git.example/x", Username: "u", Password: "secret"}
			s.CustomJSON, s.HostnameTheme = `{"a":1}`, "Fruits"
			return nil
		}))(t)
		db := models.NewLayer(w.stack.ID, models.LayerDBMaster)
		db.Name, db.Attributes = "MySQL", map[string]string{"MysqlRootPassword": "hush"}
		source := must(w.engine.CreateLayer(w.ctx, db))(t)
		w.instance(w.web)
		if err := w.engine.SetLoadBasedAutoScaling(w.ctx, w.web.ID, func(l *models.LoadBasedAutoScaling) error { l.UpScaling.InstanceCount = 7; return nil }); err != nil {
			t.Fatal(err)
		}
		ben := must(w.engine.CreateUser(w.ctx, models.User{Name: "ben"}, ""))(t)
		if err := w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: ben.ID, Level: models.LevelDeploy}); err != nil {
			t.Fatal(err)
		}
		app := must(w.engine.CreateApp(w.ctx, models.App{
			StackID: w.stack.ID, Name: "shop", Type: models.AppPHP, AppSource: models.Source{Type: models.SourceGit, URL: "https://git.example/y", Password: "pw"},
			DataSources: []models.DataSource{{Type: "OpsworksMysqlInstance", Arn: source.Arn, DatabaseName: "shop"}},
			Environment: []models.EnvironmentVariable{{Key: "KEY", Value: "v", Secure: true}},
		}))(t)
		must(w.engine.CreateApp(w.ctx, models.App{StackID: w.stack.ID, Name: "left", Type: models.AppPHP}))(t)

		made := must(w.engine.CloneStack(w.ctx, CloneRequest{
			SourceID: w.stack.ID, ClonePermissions: true, AppIDs: []models.AppID{app.ID},
			Change: func(s *models.Stack) error { s.CustomCookbooksSource.Password = models.Filtered; return nil },
		}))(t)
		s := must(w.store.Stacks.Get(w.ctx, made.ID))(t)
		if s.Name != "Shop copy" || s.CustomCookbooksSource.Password != "secret" || s.CustomJSON != `{"a":1}` || s.HostnameTheme != "Fruits" || s.Provider != w.stack.Provider {
			t.Errorf("settings: %+v", s)
		}
		if s.ID == w.stack.ID || !strings.Contains(s.Arn, string(s.ID)) {
			t.Errorf("identity: %s %s", s.ID, s.Arn)
		}
		layers := must(w.store.Layers.InStack(w.ctx, s.ID))(t)
		if len(layers) != 3 || layers[2].Attributes["MysqlRootPassword"] != "hush" || !strings.HasSuffix(layers[2].Arn, string(layers[2].ID)) || len(layers[2].VolumeConfigurations) != 1 {
			t.Errorf("layers: %+v", layers)
		}
		if scaling := must(w.store.LoadBasedAutoScaling.Get(w.ctx, layers[1].ID))(t); scaling.UpScaling.InstanceCount != 7 || scaling.StackID != s.ID {
			t.Errorf("load-based scaling: %+v", scaling)
		}
		if n := len(must(w.store.Instances.InStack(w.ctx, s.ID))(t)); n != 0 {
			t.Errorf("%d instances were cloned", n)
		}
		apps := must(w.store.Apps.InStack(w.ctx, s.ID))(t)
		if len(apps) != 1 || apps[0].AppSource.Password != "pw" || apps[0].Environment[0].Value != "v" || apps[0].DataSources[0].Arn != layers[2].Arn {
			t.Errorf("apps: %+v", apps)
		}
		if p := must(w.store.Permissions.Get(w.ctx, s.ID, ben.ID))(t); p.Level != models.LevelDeploy {
			t.Errorf("permission: %+v", p)
		}
		again := must(w.engine.CloneStack(w.ctx, CloneRequest{SourceID: s.ID}))(t)
		if n := len(must(w.store.Permissions.OfStack(w.ctx, again.ID))(t)); n != 0 || again.Name != "Shop copy copy" {
			t.Errorf("%s with %d permissions", again.Name, n)
		}
	})
}

// A clone with permissions is not more open than its source: what groups have
// there comes along, a deny above all. Whoever may clone gets nothing by it.
func TestCloneCopiesWhatGroupsMay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		m := newTeam(t, st)
		ben, eve, kim := m.person("ben", ""), m.person("eve", models.LevelManage), m.person("kim", models.LevelShow)
		operators, banned := m.group("Operators", models.LevelDeploy, ben), m.group("Banned", models.LevelDeny, eve)
		ok(t, m.engine.SetGroupPermission(m.ctx, m.stack.ID, operators.ID, func(p *models.GroupPermission) error { p.AllowSSH, p.AllowSudo = true, true; return nil }))
		m.policy("Allow", "opsworks:CloneStack", "*", models.Principal{UserID: kim.ID})
		news := m.engine.hub.Subscribe("user:" + string(eve.ID))
		defer news.Close()
		made := must(m.engine.CloneStack(m.as(kim), CloneRequest{SourceID: m.stack.ID, ClonePermissions: true}))(t)
		m.want("a member deploys", m.can(ben, "CreateDeployment", made), true)
		m.want("a member does not manage", m.can(ben, "UpdateStack", made), false)
		m.want("who is denied in the source", m.can(eve, models.ActionShow, made), false)
		m.want("the asker sees", m.can(kim, models.ActionShow, made), true)
		m.want("the asker does no more", m.can(kim, "CreateDeployment", made), false)
		for g, want := range map[models.GroupID]models.GroupPermission{operators.ID: {Level: models.LevelDeploy, AllowSSH: true, AllowSudo: true}, banned.ID: {Level: models.LevelDeny}} {
			if got := must(m.store.Groups.Permission(m.ctx, made.ID, g))(t); got.Level != want.Level || got.AllowSSH != want.AllowSSH || got.AllowSudo != want.AllowSudo {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		select {
		case <-news.C:
		case <-time.After(10 * time.Second):
			t.Error("nobody is told")
		}
		bare := must(m.engine.CloneStack(m.as(kim), CloneRequest{SourceID: m.stack.ID}))(t)
		if n := len(must(m.store.Groups.PermissionsIn(m.ctx, bare.ID))(t)); n != 0 {
			t.Errorf("%d permissions of groups in a clone without", n)
		}
	})
}

func TestCloneRefuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		eleven := w.chef(models.Chef1110)
		_, err := w.engine.CloneStack(w.ctx, CloneRequest{SourceID: eleven.ID, Change: func(s *models.Stack) error {
			s.ConfigurationManager.Version, s.DefaultOs = models.Chef12, "Amazon Linux 2"
			return nil
		}})
		mustRefuse(t, "Chef 11 to 12", err, "cannot change from Chef 11.10 to Chef 12")
		_, err = w.engine.CloneStack(w.ctx, CloneRequest{SourceID: eleven.ID, AppIDs: []models.AppID{"none"}})
		if models.CodeOf(err) != models.CodeNotFound {
			t.Errorf("an app that is not there: %v", err)
		}
		_, err = w.engine.CloneStack(w.ctx, CloneRequest{SourceID: eleven.ID, Change: func(s *models.Stack) error {
			s.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://evil.example/x", Password: models.Filtered}
			return nil
		}})
		mustRefuse(t, "secrets for another server", err, "another server")
		if all := must(w.store.Stacks.List(w.ctx))(t); len(all) != 2 {
			t.Errorf("%d stacks: a refused clone left one", len(all))
		}
	})
}
