package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	st := storetest.Open(t)
	app := bury(t, st)
	backup := filepath.Join(dir, "backup ?%20.db")
	must(t, st.Tx(ctx, func(tx *store.Store) error { // a writer at work does not hold it up, nor get into it
		storetest.Stack(t, tx)
		return st.Backup(ctx, backup)
	}))
	err := st.Backup(ctx, backup)
	holds(t, err.Error(), "is there already")

	url := "sqlite:" + filepath.Join(dir, "restored.db")
	must(t, store.Restore(ctx, backup, url))
	restored := storetest.OpenURL(t, url)
	got, err := restored.Apps.Get(ctx, app.ID)
	must(t, err)
	equal(t, *got, *app)
	stacks, err := restored.Stacks.List(ctx)
	must(t, err)
	equal(t, len(stacks), 2)

	err = store.Restore(ctx, backup, url)
	holds(t, err.Error(), "move it away first")
	left, err := filepath.Glob(filepath.Join(dir, "*.part-*"))
	must(t, err)
	equal(t, len(left), 0)
}

func TestRestoreRefusesWhatIsNoBackup(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	st := storetest.Open(t)
	for range 50 {
		storetest.Stack(t, st)
	}
	good := filepath.Join(dir, "good.db")
	must(t, st.Backup(ctx, good))
	data, err := os.ReadFile(good)
	must(t, err)
	for name, content := range map[string]string{
		"empty": "", "text": strings.Repeat("this is no database\n", 300), "short": string(data[:len(data)/2]),
		"damaged": string(data[:8192]) + strings.Repeat("\xff", 8192) + string(data[16384:]),
	} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		if err := store.Restore(ctx, path, "sqlite:"+filepath.Join(dir, "x.db")); err == nil {
			t.Errorf("%s was restored", name)
		} else {
			holds(t, err.Error(), "restore the database: ")
		}
	}
	if err := store.Restore(ctx, filepath.Join(dir, "missing"), "sqlite:x"); err == nil {
		t.Error("nothing was restored")
	}
	holds(t, store.Restore(ctx, good, "postgres://x").Error(), "pg_restore")
}

func TestPostgresIsBackedUpByItsOwnTools(t *testing.T) {
	t.Parallel()
	st := storetest.OpenPostgres(t)
	holds(t, st.Backup(t.Context(), filepath.Join(t.TempDir(), "x")).Error(), "pg_dump")
}
