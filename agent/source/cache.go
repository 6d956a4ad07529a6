package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxCache bounds what is kept; OPSYARD_SOURCE_CACHE_BYTES changes it.
	maxCache = 1 << 30
	// spare is the room that the cache leaves on the disk for everybody else.
	spare = 1 << 30
)

// cache keeps the last archive of each source on the instance: what was
// downloaded, or a tar of the tree. An entry is a directory that appears whole
// by a rename and whose data is checked before it is used, so neither a crash
// nor a full disk leaves anything that could be taken for the source.
type cache struct{ dir string }

// entry is what is known about the data of a key.
type entry struct {
	Got          string `json:"got"`
	Digest       string `json:"digest"` // of the data
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	data         string // path
}

// openCache returns nil, which keeps nothing, where there is no place for it.
func openCache(data string) *cache {
	if data == "" {
		return nil
	}
	dir := filepath.Join(data, "sources")
	if os.MkdirAll(dir, 0o700) != nil {
		return nil
	}
	return &cache{dir}
}

// key names a source with everything that decides what it gives, credentials
// too: whoever changes them is asked for again by the server.
func (j *job) key() string {
	s := j.src
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Type, s.URL, s.Revision, s.Username, s.Password, s.SSHKey}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// find returns what is kept for a key. The data is not checked yet.
func (c *cache) find(key string) (entry, bool) {
	var e entry
	if c == nil {
		return e, false
	}
	dir := filepath.Join(c.dir, key)
	raw, err := os.ReadFile(filepath.Join(dir, "entry.json"))
	if err != nil || json.Unmarshal(raw, &e) != nil {
		return e, false
	}
	e.data = filepath.Join(dir, "data")
	return e, true
}

// sound tells whether the data is what was kept, and marks it as used. What is
// not is removed.
func (c *cache) sound(e entry) bool {
	digest, err := digestOf(e.data)
	dir := filepath.Dir(e.data)
	if err != nil || digest != e.Digest {
		_ = os.RemoveAll(dir)
		return false
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
	return true
}

func digestOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}

// keep takes what write makes as the data of a key. It may fail, the next fetch
// is then a whole one.
func (c *cache) keep(key string, e entry, bytes int64, write func(file string) error) error {
	if c == nil || bytes > c.max()/2 || !c.room(bytes) {
		return nil
	}
	tmp, done, err := scratch(c.dir, ".new-")
	if err != nil {
		return err
	}
	defer done()
	fresh := filepath.Join(tmp, "entry")
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := write(filepath.Join(fresh, "data")); err != nil {
		return err
	}
	if e.Digest, err = digestOf(filepath.Join(fresh, "data")); err != nil {
		return err
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, "entry.json"), raw, 0o600); err != nil {
		return err
	}
	dir := filepath.Join(c.dir, key)
	if err := errors.Join(os.RemoveAll(dir), os.Rename(fresh, dir)); err != nil {
		return err
	}
	return c.prune(key)
}

func (c *cache) max() int64 {
	if n, ok := number("OPSYARD_SOURCE_CACHE_BYTES"); ok {
		return n
	}
	return maxCache
}

func (c *cache) room(bytes int64) bool {
	var s unix.Statfs_t
	return unix.Statfs(c.dir, &s) == nil && int64(s.Bavail)*s.Bsize > bytes+spare //nolint:gosec // a disk has fewer bytes
}

// prune removes what was not used for the longest time until the rest fits.
func (c *cache) prune(but string) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	type kept struct {
		name  string
		used  time.Time
		bytes int64
	}
	var all []kept
	for _, d := range entries {
		info, err := d.Info()
		data, derr := os.Stat(filepath.Join(c.dir, d.Name(), "data"))
		if err == nil && derr == nil {
			all = append(all, kept{d.Name(), info.ModTime(), data.Size()})
		} else if !strings.HasPrefix(d.Name(), ".") && !errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(filepath.Join(c.dir, d.Name())) // half removed
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(b.used.UnixNano(), a.used.UnixNano()) })
	var total int64
	var errs []error
	for _, k := range all {
		if total += k.bytes; total > c.max() && k.name != but {
			errs = append(errs, os.RemoveAll(filepath.Join(c.dir, k.name)))
			total -= k.bytes
		}
	}
	return errors.Join(errs...)
}
