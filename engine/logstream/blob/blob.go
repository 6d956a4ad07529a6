// Package blob keeps finished logs as whole objects under a key.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Store keeps objects. An object appears whole or not at all, and never
// changes: new content gets a new key. Reading or deleting what is not there
// answers with an error that wraps fs.ErrNotExist.
type Store interface {
	// Put stores what write writes; putting the same key again replaces it.
	Put(ctx context.Context, key string, write func(io.Writer) error) error
	// Read gives n bytes from offset on.
	Read(ctx context.Context, key string, offset int64, n int) ([]byte, error)
	Delete(ctx context.Context, key string) error
}

// Dir is a Store in a directory of this host.
type Dir struct{ root string }

// OpenDir uses the directory, and makes it if it is not there.
func OpenDir(root string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	return &Dir{root: root}, nil
}

// Put writes beside, syncs and renames, so that a crash leaves the old object
// or the new one.
func (d *Dir) Put(_ context.Context, key string, write func(io.Writer) error) (err error) {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync log directory: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Read reads a part of an object.
func (d *Dir) Read(_ context.Context, key string, offset int64, n int) ([]byte, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer f.Close()
	p := make([]byte, n)
	if _, err := f.ReadAt(p, offset); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return p, nil
}

// Delete removes an object.
func (d *Dir) Delete(_ context.Context, key string) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// path keeps keys inside the directory.
func (d *Dir) path(key string) (string, error) {
	if !fs.ValidPath(key) || key == "." || strings.Contains(key, `\`) {
		return "", fmt.Errorf("%q is no key of a blob", key)
	}
	return filepath.Join(d.root, filepath.FromSlash(key)), nil
}
