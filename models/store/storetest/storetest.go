// Package storetest gives tests a real database of their own: a SQLite file, or
// a database in a PostgreSQL server that the test process starts for itself.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
)

// Option changes how a store is opened, for instance its clock.
type Option func(*store.Config)

// Secrets is the box of all test stores.
func Secrets() store.SecretBox {
	box, err := store.NewSecretBox([]byte("a key for tests, 32 bytes long.."))
	if err != nil {
		panic(err)
	}
	return box
}

// SQLiteURL is the address of a new SQLite file.
func SQLiteURL(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "opsyard.db")
}

// Open is a store in a new SQLite file. It is closed when the test ends.
func Open(t testing.TB, options ...Option) *store.Store {
	t.Helper()
	return OpenURL(t, SQLiteURL(t), options...)
}

// OpenPostgres is a store in a new database of PostgreSQL. The test is skipped
// where PostgreSQL is not installed.
func OpenPostgres(t testing.TB, options ...Option) *store.Store {
	t.Helper()
	return OpenURL(t, PostgresURL(t), options...)
}

// OpenURL is one more store on an address, for tests of several replicas.
func OpenURL(t testing.TB, url string, options ...Option) *store.Store {
	t.Helper()
	config := store.Config{URL: url, Secrets: Secrets(), Log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&config)
	}
	st, err := store.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// Each runs a test once per dialect, each on a new database.
func Each(t *testing.T, f func(t *testing.T, st *store.Store), options ...Option) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { f(t, OpenURL(t, url, options...)) })
}

// EachURL runs a test once per dialect with the address of a new database.
// Short runs are those with the race detector, which slows SQLite, itself a
// part of the program, many times: they are content with PostgreSQL where it is.
func EachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	t.Run(store.SQLite, func(t *testing.T) {
		t.Parallel()
		if testing.Short() && HavePostgres() {
			t.Skip("a short run is content with PostgreSQL")
		}
		f(t, SQLiteURL(t))
	})
	t.Run(store.Postgres, func(t *testing.T) {
		t.Parallel()
		f(t, PostgresURL(t))
	})
}

var serial atomic.Int64

func unique(prefix string) string { return fmt.Sprintf("%s%d", prefix, serial.Add(1)) }

// Stack stores a stack; options change it before.
func Stack(t testing.TB, st *store.Store, options ...func(*models.Stack)) *models.Stack {
	t.Helper()
	s := &models.Stack{ID: models.NewID[models.StackID](), Name: unique("stack"), Provider: "sim"}
	apply(s, options)
	s.Normalize()
	check(t, s.Validate(), st.Stacks.Create(t.Context(), s))
	return s
}

// Layer stores a custom layer, in a new stack unless an option names one.
func Layer(t testing.TB, st *store.Store, options ...func(*models.Layer)) *models.Layer {
	t.Helper()
	l := models.NewLayer("", models.LayerCustom)
	l.ID, l.Name = models.NewID[models.LayerID](), unique("layer")
	apply(&l, options)
	if l.StackID == "" {
		l.StackID = Stack(t, st).ID
	}
	if l.Shortname == "" {
		l.Shortname = l.Name
	}
	l.Normalize()
	check(t, l.Validate(), st.Layers.Create(t.Context(), &l))
	return &l
}

// Instance stores an instance, in a new layer unless an option names one.
func Instance(t testing.TB, st *store.Store, options ...func(*models.Instance)) *models.Instance {
	t.Helper()
	i := &models.Instance{ID: models.NewID[models.InstanceID](), Hostname: unique("host")}
	apply(i, options)
	if len(i.LayerIDs) == 0 && !i.Registered() {
		l := Layer(t, st, func(l *models.Layer) { l.StackID = i.StackID })
		i.StackID, i.LayerIDs = l.StackID, []models.LayerID{l.ID}
	}
	i.Normalize()
	check(t, i.Validate(), st.Instances.Create(t.Context(), i))
	return i
}

// App stores an app, in a new stack unless an option names one.
func App(t testing.TB, st *store.Store, options ...func(*models.App)) *models.App {
	t.Helper()
	a := &models.App{ID: models.NewID[models.AppID](), Name: unique("app"), Type: models.AppOther}
	apply(a, options)
	if a.StackID == "" {
		a.StackID = Stack(t, st).ID
	}
	a.Normalize()
	check(t, a.Validate(), st.Apps.Create(t.Context(), a))
	return a
}

// User stores a user without a password.
func User(t testing.TB, st *store.Store, options ...func(*models.User)) *models.User {
	t.Helper()
	u := &models.User{ID: models.NewID[models.UserID](), Name: unique("user")}
	apply(u, options)
	if u.IamUserArn == "" {
		u.IamUserArn = "arn:aws:iam::000000000000:user/" + u.Name
	}
	check(t, u.Validate(), st.Users.Create(t.Context(), u))
	return u
}

// Deployment stores a running deployment without commands, in a new stack
// unless an option names one.
func Deployment(t testing.TB, st *store.Store, options ...func(*models.Deployment)) *models.Deployment {
	t.Helper()
	d := &models.Deployment{
		ID: models.NewID[models.DeploymentID](), Status: models.DeploymentRunning,
		Command: models.DeploymentCommand{Name: models.CommandConfigure},
	}
	apply(d, options)
	if d.StackID == "" {
		d.StackID = Stack(t, st).ID
	}
	check(t, st.Deployments.Create(t.Context(), d))
	return d
}

// Commands stores pending commands of a deployment, one for each instance.
func Commands(t testing.TB, st *store.Store, d *models.Deployment, instances ...models.InstanceID) []models.Command {
	t.Helper()
	list := make([]models.Command, len(instances))
	for n, id := range instances {
		list[n] = models.Command{
			ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: d.StackID, InstanceID: id,
			Type: d.Command.Name, Status: models.CommandPending, TimeoutSeconds: 600,
		}
	}
	check(t, st.Commands.Create(t.Context(), list))
	return list
}

func apply[T any](row *T, options []func(*T)) {
	for _, o := range options {
		o(row)
	}
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
