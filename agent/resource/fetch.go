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
	has, err := os.ReadFile(filepath.Join(dest, marker))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if t.known != "" && string(has) == t.known {
		h.ok(t.dest)
		return nil
	}
	if h.dryRun {
		return h.change(t.dest, "fetched", nil)
	}
	next := filepath.Join(filepath.Dir(dest), "."+filepath.Base(dest)+".opsyard-new")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(next) }()
	revision, err := fetch(next)
	if err != nil {
		return err
	}
	if revision == string(has) {
		h.ok(t.dest)
		return nil
	}
	return h.change(t.dest, "brought to "+revision, func() error { return t.swap(h, next, dest, revision) })
}

func (t tree) swap(h *host, next, dest, revision string) error {
	if err := os.WriteFile(filepath.Join(next, marker), []byte(revision), 0o644); err != nil {
		return err
	}
	owner, err := t.resolve(h, 0o755, nil)
	if err != nil {
		return err
	}
	if err := owner.give(next); err != nil {
		return err
	}
	if err := os.Chmod(next, owner.mode); err != nil {
		return err
	}
	old := next + "-old"
	if err := os.Rename(dest, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(next, dest); err != nil {
		return err
	}
	return os.RemoveAll(old)
}
