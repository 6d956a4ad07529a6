package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

const treasure = "treasure-X7q"

func bury(t testing.TB, st *store.Store) *models.App {
	t.Helper()
	ctx := t.Context()
	app := storetest.App(t, st, func(a *models.App) {
		a.Name, a.EnableSsl = "shop", true
		a.AppSource = models.Source{Type: models.SourceGit, URL: "https://example.org/x.git", Password: treasure, SSHKey: treasure}
		a.SslConfiguration = models.SslConfiguration{Certificate: inPEM("CERTIFICATE"), PrivateKey: inPEM("PRIVATE KEY")}
		a.Environment = []models.EnvironmentVariable{{Key: "TOKEN", Value: treasure, Secure: true}}
	})
	storetest.Layer(t, st, func(l *models.Layer) {
		l.StackID, l.Type, l.Attributes = app.StackID, models.LayerDBMaster, map[string]string{"MysqlRootPassword": treasure}
	})
	storetest.Stack(t, st, func(s *models.Stack) {
		s.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://example.org/x.git", Password: treasure}
	})
	must(t, st.AccessKeys.Create(ctx, &models.AccessKey{ID: "AK", UserID: "u", Secret: treasure}))
	must(t, st.Contents.Put(ctx, &models.Content{Digest: "sha256:1", Data: []byte(treasure)}))
	return app
}

// inPEM is something in PEM form that holds the treasure.
func inPEM(kind string) string {
	return "-----BEGIN " + kind + "-----\nNote: " + treasure + "\n\nAAAA\n-----END " + kind + "-----\n"
}

// all reads every column of the tables with secrets as the database has it.
func all(t testing.TB, st *store.Store) string {
	t.Helper()
	var text strings.Builder
	for _, table := range []string{"stacks", "layers", "apps", "access_keys", "contents"} {
		rows, err := st.SQL().QueryContext(t.Context(), "SELECT * FROM "+table)
		must(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for n := range values {
				values[n] = new([]byte)
			}
			must(t, rows.Scan(values...))
			for _, v := range values {
				text.Write(*v.(*[]byte))
				text.WriteByte('\n')
			}
		}
		must(t, rows.Err())
	}
	return text.String()
}

func TestSecretsAreNotReadable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		app := bury(t, st)
		stored := all(t, st)
		holds(t, stored, "shop")
		for _, form := range []string{treasure, base64.StdEncoding.EncodeToString([]byte(treasure))[:12]} {
			lacks(t, stored, form)
		}
		got, err := st.Apps.Get(t.Context(), app.ID)
		must(t, err)
		equal(t, *got, *app)
		got.Environment[0].Value = "other"
		must(t, st.Apps.Save(t.Context(), got))
		list, err := st.Apps.InStack(t.Context(), app.StackID)
		must(t, err)
		equal(t, list[0].Environment, got.Environment)
	})
}

func TestSecretsAreNotInTheFiles(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t)
	st := storetest.OpenURL(t, url)
	bury(t, st)
	path := strings.TrimPrefix(url, "sqlite:")
	must(t, st.Backup(t.Context(), path+".backup"))
	files, err := filepath.Glob(path + "*")
	must(t, err)
	if len(files) < 3 { // with the journal, which still holds the rows
		t.Fatalf("found only %v", files)
	}
	found := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		if bytes.Contains(data, []byte(treasure)) {
			t.Errorf("%s holds the secret", file)
		}
		found = found || bytes.Contains(data, []byte("shop"))
		info, err := os.Stat(file)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", file, info.Mode().Perm())
		}
	}
	if !found {
		t.Error("the files do not even hold the app's name: the test looks in the wrong place")
	}
}

func TestSecretsStayInTheirColumn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		app := bury(t, st)
		change(t, st, "UPDATE apps SET app_source = ssl_configuration")
		_, err := st.Apps.Get(t.Context(), app.ID)
		refused(t, err, models.CodeInternal, "")
		holds(t, err.Error(), "apps.app_source: the value is damaged")
		lacks(t, err.Error(), treasure)
	})
}

func TestAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		storetest.OpenURL(t, url)
		dir := t.TempDir()
		other, err := store.LoadSecretBox(filepath.Join(dir, "secret.key"))
		must(t, err)
		_, err = store.Open(context.Background(), store.Config{URL: url, Secrets: other})
		if err == nil {
			t.Fatal("the database was opened with another key")
		}
		holds(t, err.Error(), "the key in "+filepath.Join(dir, "secret.key")+" does not belong to this database")
		_, err = store.Open(context.Background(), store.Config{URL: url})
		if err == nil {
			t.Fatal("the database was opened without a key")
		}
	})
}

// Stores with different keys live side by side in one process.
func TestKeysBelongToStores(t *testing.T) {
	t.Parallel()
	box, err := store.NewSecretBox(bytes.Repeat([]byte{7}, 32))
	must(t, err)
	one, two := storetest.Open(t), storetest.Open(t, func(c *store.Config) { c.Secrets = box })
	together(4, func(n int) {
		st := []*store.Store{one, two}[n%2]
		for range 20 {
			app := storetest.App(t, st, func(a *models.App) { a.Environment = []models.EnvironmentVariable{{Key: "K", Value: treasure}} })
			got, err := st.Apps.Get(t.Context(), app.ID)
			if err != nil || got.Environment[0].Value != treasure {
				t.Error(got, err)
			}
		}
	})
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	together(8, func(int) { // servers that start at the same time make one key
		if _, err := store.LoadSecretBox(path); err != nil {
			t.Error(err)
		}
	})
	info, err := os.Stat(path)
	must(t, err)
	equal(t, info.Mode().Perm(), os.FileMode(0o600))
	left, err := os.ReadDir(dir)
	must(t, err)
	equal(t, len(left), 1)

	must(t, os.Chmod(path, 0o640))
	_, err = store.LoadSecretBox(path)
	holds(t, err.Error(), "can be read by others")
	must(t, os.WriteFile(path, []byte("not a key"), 0o600))
	must(t, os.Chmod(path, 0o600))
	_, err = store.LoadSecretBox(path)
	holds(t, err.Error(), "is not base64 of 32 bytes")
	_, err = store.LoadSecretBox(filepath.Join(dir, "no", "such", "dir"))
	holds(t, err.Error(), "secret key file")
}

func TestKeyFromTheEnvironment(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))
	path := filepath.Join(t.TempDir(), "secret.key")
	t.Setenv(store.SecretKeyEnv, key)
	box, err := store.LoadSecretBox(path)
	must(t, err)
	if _, err := os.Stat(path); err == nil {
		t.Error("a key file was made although the environment has a key")
	}
	url := storetest.SQLiteURL(t)
	storetest.OpenURL(t, url, func(c *store.Config) { c.Secrets = box })
	t.Setenv(store.SecretKeyEnv, "rubbish")
	_, err = store.LoadSecretBox(path)
	holds(t, err.Error(), "key in "+store.SecretKeyEnv)
	lacks(t, err.Error(), "rubbish")
}
