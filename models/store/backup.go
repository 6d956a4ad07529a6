package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Backup writes a copy of the database, as of one moment, while the server
// works on. Secrets in it stay encrypted: the key file has to be kept as well,
// and elsewhere. PostgreSQL has tools of its own for this.
func (s *Store) Backup(ctx context.Context, dest string) (err error) {
	if s.h.dialect != SQLite {
		return errors.New("back up the database: it is in PostgreSQL, use pg_dump (and pg_restore)")
	}
	part, err := newFile(dest)
	if err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	defer os.Remove(part)
	// A connection of its own, so that writers need not wait.
	db, err := sql.Open("sqlite", sqliteDSN(s.h.path, "_txlock=deferred"))
	if err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	if err := putInPlace(part, dest); err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	return nil
}

// Restore makes the database of a sqlite: address from a backup. It replaces
// nothing: the file must not be there yet.
func Restore(ctx context.Context, backup, address string) error {
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok {
		return errors.New("restore the database: it is in PostgreSQL, use pg_restore")
	}
	if err := checkBackup(ctx, backup); err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restore the database: %s is there already, stop the server and move it away first", file)
		}
	}
	part, err := newFile(path)
	if err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	defer os.Remove(part)
	if err := copyFile(backup, part); err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	if err := putInPlace(part, path); err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	return nil
}

// checkBackup refuses files that are damaged or not of Opsyard.
func checkBackup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+escapePath(path)+"?mode=ro&immutable=1")
	if err != nil {
		return err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("%s is not a backup: %w", path, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", path, verdict)
	}
	var one int
	if err := db.QueryRowContext(ctx, "SELECT 1 FROM settings WHERE name = ?", secretCheckName).Scan(&one); err != nil {
		return fmt.Errorf("%s is not a backup of Opsyard: %w", path, err)
	}
	return nil
}

// newFile makes an empty file beside dest, for its owner only. dest must not be
// there yet.
func newFile(dest string) (string, error) {
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is there already", dest)
	}
	file, err := os.CreateTemp(filepath.Dir(dest), filepath.Base(dest)+".part-*")
	if err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// putInPlace gives a finished file its name once it is on disk; it never
// replaces another.
func putInPlace(part, dest string) error {
	file, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(part, dest); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dest))
}
