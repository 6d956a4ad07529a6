package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"opsyard/agent/archive"
	"opsyard/agent/protocol"
	"opsyard/agent/source"
	"opsyard/agent/spool"
)

// marker is a file in a fetched tree that says what it is.
const marker = ".opsyard-source"

type gitCmd struct {
	URL      string `arg:"" name:"url" help:"Address of the repository."`
	Dest     string `arg:"" help:"Directory; it then holds the files of that revision and nothing else."`
	Revision string `help:"Branch, tag or commit." placeholder:"REVISION"`
	Private  string `help:"Take the credentials from this source in the private document, such as apps.hello.source." placeholder:"PATH"`
	ownership
}

func (c *gitCmd) step() string { return "git " + c.Dest }

// Run fetches the repository and swaps the directory when the commit is another.
func (c *gitCmd) Run(ctx context.Context, h *host) error {
	src, err := privateSource(c.Private)
	if err != nil {
		return err
	}
	src.Type, src.URL, src.Revision = "git", c.URL, c.Revision
	t := tree{dest: c.Dest, ownership: c.ownership, known: c.Revision}
	return t.bring(ctx, h, func(dest string) (string, error) { return fetcher(c.Dest).Fetch(ctx, src, dest, h.out) })
}

// fetcher fetches with the cache of this instance, and notes what it got for
// the command that the helper is part of.
func fetcher(what string) source.Fetcher {
	f := source.Fetcher{For: what, Data: os.Getenv("OPSYARD_DATA")}
	if command := os.Getenv("OPSYARD_COMMAND_ID"); f.Data != "" && command != "" {
		if dir := filepath.Join(f.Data, "commands", filepath.Base(command)); isDir(dir) {
			f.Notes = filepath.Join(dir, spool.SourcesFile)
		}
	}
	return f
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func privateSource(path string) (src protocol.Source, err error) {
	if path == "" {
		return src, nil
	}
	doc, err := private()
	if err != nil {
		return src, err
	}
	v, ok := lookup(doc, path)
	if !ok {
		return src, fmt.Errorf("there is no private value %s", path)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return src, err
	}
	return src, json.Unmarshal(data, &src)
}

type archiveCmd struct {
	Source  string `arg:"" help:"Path of the file, or its http:// or https:// address."`
	Dest    string `arg:"" help:"Directory; it then holds what the archive holds and nothing else."`
	SHA256  string `name:"sha256" help:"Refuse any other file than the one with this digest." placeholder:"HEX"`
	Private string `help:"Take user and password from this source in the private document." placeholder:"PATH"`
	ownership
}

func (c *archiveCmd) step() string { return "archive " + c.Dest }

// Run unpacks the archive and swaps the directory when it is another one.
func (c *archiveCmd) Run(ctx context.Context, h *host) error {
	t := tree{dest: c.Dest, ownership: c.ownership}
	if c.SHA256 != "" {
		t.known = "sha256:" + strings.ToLower(c.SHA256)
	}
	fetch := c.unpack(ctx, h)
	if strings.Contains(c.Source, "://") {
		src, err := privateSource(c.Private)
		if err != nil {
			return err
		}
		src.Type, src.URL = "archive", c.Source
		fetch = func(dest string) (string, error) { return fetcher(c.Dest).Fetch(ctx, src, dest, h.out) }
	}
	return t.bring(ctx, h, func(dest string) (string, error) {
		digest, err := fetch(dest)
		if err == nil && t.known != "" && digest != t.known {
			return "", fmt.Errorf("the archive's digest is %s and not %s", digest, t.known)
		}
		return digest, err
	})
}

func (c *archiveCmd) unpack(ctx context.Context, h *host) func(dest string) (string, error) {
	return func(dest string) (string, error) {
		path := inCookbook(c.Source, "files")
		digest, err := digestOf(path)
		if err != nil {
			return "", err
		}
		if err := os.Mkdir(dest, 0o755); err != nil {
			return "", err
		}
		return digest, archive.Unpack(ctx, path, dest, archive.DefaultLimits)
	}
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// tree is a directory that holds exactly what was fetched from somewhere.
type tree struct {
	dest string
	ownership
	known string // revision asked for; a tree that is already of it is not fetched
}

// bring fetches beside the directory and swaps the two if they differ.
func (t tree) bring(ctx context.Context, h *host, fetch func(dest string) (string, error)) error {
	dest := h.path(t.dest)
	old, err := readFile(filepath.Join(dest, marker))
	if err != nil {
		return err
	}
	has := string(old.content)
	if t.known != "" && has == t.known {
		h.ok(t.dest)
		return nil
	}
	if h.dryRun {
		return h.change(t.dest, "fetched", nil)
	}
	at, err := find(dest, walking{make: true})
	if err != nil {
		return err
	}
	defer at.close()
	next := filepath.Join(staging(at.dirPath()), "."+at.name+".opsyard-new")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(next) }()
	revision, err := fetch(next)
	if err != nil {
		return err
	}
	if revision == has {
		h.ok(t.dest)
		return nil
	}
	return h.change(t.dest, "brought to "+revision, func() error { return t.swap(h, next, at, revision) })
}

// staging is where a tree that is to lie in dir is made ready: in dir, or as far
// above as somebody else than us could put another thing in its place.
func staging(dir string) string {
	if os.Geteuid() != 0 {
		return dir // whoever could has no fewer rights than we
	}
	safe := "/"
	for end := 1; end <= len(dir); end++ {
		if end < len(dir) && dir[end] != '/' {
			continue
		}
		info, err := os.Lstat(dir[:end])
		if err != nil || !info.IsDir() || owned(info) != 0 || info.Mode()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			break
		}
		safe = dir[:end]
	}
	return safe
}

// swap finishes the tree and puts it in its place.
func (t tree) swap(h *host, next string, at *place, revision string) error {
	owner, err := t.resolve(h, 0o755, nil)
	if err != nil {
		return err
	}
	if err := t.finish(next, owner, revision); err != nil {
		return err
	}
	old, dir := next+"-old", int(at.dir.Fd())
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := unix.Renameat(dir, at.name, unix.AT_FDCWD, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take the old %s away: %w", t.dest, err)
	}
	if err := unix.Renameat(unix.AT_FDCWD, next, dir, at.name); err != nil {
		return fmt.Errorf("put the new %s in place: %w", t.dest, err)
	}
	return os.RemoveAll(old)
}

// finish marks the tree and gives it to its owner, itself last: until then
// nobody else can change anything in it.
func (t tree) finish(next string, owner *owner, revision string) error {
	root, err := os.OpenRoot(next)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.RemoveAll(marker); err != nil {
		return err
	}
	if err := root.WriteFile(marker, []byte(revision), 0o644); err != nil {
		return err
	}
	if err := owner.giveIn(root, "."); err != nil {
		return err
	}
	if err := owner.chown(next); err != nil {
		return err
	}
	return os.Chmod(next, owner.mode)
}
