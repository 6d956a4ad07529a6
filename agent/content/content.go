// Package content keeps what the server publishes by digest, attribute
// documents and cookbooks, on the agent's disk: nothing is fetched twice.
package content

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"opsyard/agent/archive"
)

// Bounds of the cache and of one thing in it.
const (
	MaxCache = 512 << 20
	MaxItem  = 256 << 20
)

// Errors of Add, beside those of the disk.
var (
	ErrDigest = errors.New("the content does not have the digest it was asked by")
	ErrTooBig = errors.New("the content is too big")
)

var validDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Store is the directory.
type Store struct{ dir string }

// Open makes the directory if needed.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	return &Store{dir: dir}, nil
}

// Has tells whether the content is there, and marks it as used.
func (s *Store) Has(digest string) bool {
	now := time.Now()
	return validDigest.MatchString(digest) && os.Chtimes(s.Path(digest), now, now) == nil
}

// Path is the file of a digest.
func (s *Store) Path(digest string) string {
	return filepath.Join(s.dir, strings.TrimPrefix(digest, "sha256:"))
}

// Add stores what r holds if it has the digest.
func (s *Store) Add(digest string, r io.Reader) error {
	if !validDigest.MatchString(digest) {
		return fmt.Errorf("store content: %q is not a digest", digest)
	}
	f, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return fmt.Errorf("store content: %w", err)
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, MaxItem+1))
	// What Has finds must be whole, also after a power cut.
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store content: %w", err)
	}
	if n > MaxItem {
		return ErrTooBig
	}
	if hex.EncodeToString(sum.Sum(nil)) != strings.TrimPrefix(digest, "sha256:") {
		return ErrDigest
	}
	if err := os.Rename(f.Name(), s.Path(digest)); err != nil {
		return fmt.Errorf("store content: %w", err)
	}
	return nil
}

// Unpacked returns a directory with the files of an archive that is there.
func (s *Store) Unpacked(ctx context.Context, digest string) (string, error) {
	dir := s.Path(digest) + ".d"
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(s.dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("unpack cookbooks: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := archive.Unpack(ctx, s.Path(digest), tmp, archive.DefaultLimits); err != nil {
		return "", fmt.Errorf("unpack cookbooks: %w", err)
	}
	if err := syncTree(tmp); err != nil {
		return "", fmt.Errorf("unpack cookbooks: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("unpack cookbooks: %w", err)
	}
	return dir, nil
}

// syncTree brings files to the disk before the tree gets its name: after a
// power cut an empty recipe would pass for one that had nothing to do.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// Prune removes what was not used for the longest time until the cache fits,
// and what a crash left half-made. Nothing else may use the store meanwhile.
func (s *Store) Prune(keep []string) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("prune content: %w", err)
	}
	var files []fs.FileInfo
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".new-") {
			errs = append(errs, os.RemoveAll(filepath.Join(s.dir, e.Name())))
		} else if info, err := e.Info(); err == nil && !e.IsDir() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) })
	var total int64
	for _, f := range files {
		if total += f.Size(); total <= MaxCache || slices.Contains(keep, "sha256:"+f.Name()) {
			continue
		}
		path := filepath.Join(s.dir, f.Name())
		errs = append(errs, os.Remove(path), os.RemoveAll(path+".d"))
	}
	return errors.Join(errs...)
}
