package resource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ownership is who may do what with a file.
type ownership struct {
	Owner string `help:"User that owns it." placeholder:"USER"`
	Group string `help:"Group that owns it." placeholder:"GROUP"`
	Mode  string `help:"Permissions, octal." placeholder:"0644"`
}

// writing are the flags of everything that writes a file.
type writing struct {
	ownership
	Block     string `help:"Write only a part of the file, between lines that mark it with this name." placeholder:"NAME"`
	Verify    string `help:"Command that must succeed before the file is replaced; {} is the new file." placeholder:"COMMAND"`
	Notify    string `help:"Command to run when the file has changed; if it fails, the old file comes back." placeholder:"COMMAND"`
	Sensitive bool   `help:"Do not show what changes."`
}

// write brings the file at dest to the content. hide are values not to be shown.
func (w *writing) write(ctx context.Context, h *host, dest string, content []byte, hide []string) error {
	file, err := readFile(h.path(dest))
	if err != nil {
		return err
	}
	if w.Block != "" {
		content = replaceBlock(file.content, content, w.Block)
	}
	owner, err := w.resolve(h, 0o644, file.info)
	if err != nil {
		return err
	}
	owed := w.pending(h, dest)
	if file.exists && bytes.Equal(file.content, content) {
		if err := owner.apply(h, h.path(dest), dest); err != nil {
			return err
		}
		return owed.catchUp(ctx, h, dest, w.Notify)
	}
	if !w.Sensitive {
		showDiff(h.out, dest, file.content, content, hide)
	}
	done := "written"
	if !file.exists {
		done = "created"
	}
	return h.change(dest, done, func() error {
		return owed.during(dest, func() error {
			if err := w.replace(ctx, h, file.path, content, owner); err != nil {
				return err
			}
			return w.notify(ctx, h, file)
		})
	})
}

// pending is the note that the file, or this block of it, is to be made known.
func (w *writing) pending(h *host, dest string) pending {
	return h.pending("file "+h.path(dest)+"\x00"+w.Block, w.Notify)
}

// replace verifies the new content beside the old one and swaps them.
func (w *writing) replace(ctx context.Context, h *host, path string, content []byte, owner *owner) error {
	return put(path, content, owner, func(next string) error {
		if w.Verify == "" {
			return nil
		}
		return h.shell(ctx, strings.ReplaceAll(w.Verify, "{}", quoteShell(next)))
	})
}

// notify runs the command that makes the change known. When it fails the old
// file comes back: the next run would otherwise find nothing to change and
// never try again.
func (w *writing) notify(ctx context.Context, h *host, file oldFile) error {
	if w.Notify == "" {
		return nil
	}
	err := h.shell(ctx, w.Notify)
	if err != nil {
		err = errors.Join(fmt.Errorf("notify: %w", err), file.restore())
	}
	return err
}

// oldFile is what was there before.
type oldFile struct {
	path    string
	exists  bool
	info    fs.FileInfo
	content []byte
}

// readFile follows links: the file behind one is what is read and written.
func readFile(path string) (oldFile, error) {
	at, err := find(path, walking{follow: true})
	if errors.Is(err, fs.ErrNotExist) {
		return oldFile{path: path}, nil
	}
	if err != nil {
		return oldFile{}, err
	}
	defer at.close()
	if !at.exists() {
		return oldFile{path: path}, nil
	}
	info, err := at.it.Stat()
	if err != nil {
		return oldFile{}, err
	}
	if !info.Mode().IsRegular() {
		return oldFile{}, fmt.Errorf("%s is not a file", path)
	}
	content, err := os.ReadFile(inode(at.it))
	if err != nil {
		err = fmt.Errorf("read %s: %w", path, reason(err))
	}
	return oldFile{path, true, info, content}, err
}

// reason is why, without the path that only we know.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// owned is the number of the user that a file belongs to.
func owned(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return 0
}

func (f oldFile) restore() error {
	if !f.exists {
		return unlink(f.path, walking{follow: true}, false)
	}
	owner := &owner{uid: -1, gid: -1, mode: f.info.Mode()}
	if stat, ok := f.info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		owner.uid, owner.gid = int(stat.Uid), int(stat.Gid)
	}
	if err := put(f.path, f.content, owner, valid); err != nil {
		return fmt.Errorf("put the old file back: %w", err)
	}
	return nil
}

// replaceBlock puts content between its markers, at the end if there are none.
func replaceBlock(old, content []byte, name string) []byte {
	begin, end := "# BEGIN "+name+"\n", "# END "+name+"\n"
	text := string(old)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	body := string(content)
	if body != "" && !strings.HasSuffix(body, "\n") {
		body += "\n"
	}
	block := begin + body + end
	from := strings.Index(text, begin)
	if from < 0 {
		return []byte(text + block)
	}
	length := strings.Index(text[from:], end)
	if length < 0 {
		return []byte(text[:from] + block) // somebody cut the end off
	}
	return []byte(text[:from] + block + text[from+length+len(end):])
}

type fileCmd struct {
	Dest    string  `arg:"" help:"Path of the file."`
	Content *string `xor:"from" help:"What it holds; a line end is added." placeholder:"TEXT"`
	Source  string  `xor:"from" help:"Copy this file; a relative path is looked up in the cookbook's files/." placeholder:"FILE"`
	Stdin   bool    `xor:"from" help:"Read the content from standard input."`
	Private string  `xor:"from" help:"Take a value of the private document, such as apps.hello.private_key." placeholder:"PATH"`
	State   string  `enum:"present,absent" default:"present" help:"present or absent."`
	writing
}

func (c *fileCmd) step() string { return "file " + c.Dest }

// Run writes or removes the file. Without any content it makes sure that there
// is a file, with the wanted permissions.
func (c *fileCmd) Run(ctx context.Context, h *host) error {
	if c.State == "absent" {
		return c.absent(ctx, h)
	}
	content, err := c.content(h)
	if err != nil {
		return err
	}
	if content == nil && c.Block == "" {
		old, err := readFile(h.path(c.Dest))
		if err != nil {
			return err
		}
		content = old.content
	}
	c.Sensitive = c.Sensitive || c.Private != ""
	return c.write(ctx, h, c.Dest, content, nil)
}

func (c *fileCmd) absent(ctx context.Context, h *host) error {
	file, err := readFile(h.path(c.Dest))
	if err != nil {
		return err
	}
	owed := c.pending(h, c.Dest)
	if !file.exists || h.dryRun {
		if err := remove(h, c.Dest, false); err != nil {
			return err
		}
		return owed.catchUp(ctx, h, c.Dest, c.Notify)
	}
	return owed.during(c.Dest, func() error {
		if err := remove(h, c.Dest, false); err != nil {
			return err
		}
		return c.notify(ctx, h, file)
	})
}

func (c *fileCmd) content(h *host) ([]byte, error) {
	switch {
	case c.Content != nil:
		return []byte(strings.TrimSuffix(*c.Content, "\n") + "\n"), nil
	case c.Source != "":
		return os.ReadFile(inCookbook(c.Source, "files"))
	case c.Stdin:
		return io.ReadAll(os.Stdin)
	case c.Private != "":
		return c.secret()
	}
	return nil, nil
}

func (c *fileCmd) secret() ([]byte, error) {
	doc, err := private()
	if err != nil {
		return nil, err
	}
	v, ok := lookup(doc, c.Private)
	if !ok {
		return nil, fmt.Errorf("there is no private value %s", c.Private)
	}
	return []byte(strings.TrimSuffix(text(v), "\n") + "\n"), nil
}

// inCookbook finds a file of the cookbook, whose directory is the current one.
func inCookbook(name, dir string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if _, err := os.Stat(name); err == nil {
		return name
	}
	return filepath.Join(dir, name)
}

// remove removes a file or link, with recursive also a directory.
func remove(h *host, dest string, recursive bool) error {
	if recursive && filepath.Clean(dest) == "/" {
		return errors.New("the root directory stays")
	}
	at, err := find(h.path(dest), walking{})
	if err == nil {
		at.close()
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !at.exists() {
		h.ok(dest)
		return nil
	}
	if err != nil {
		return err
	}
	return h.change(dest, "removed", func() error { return unlink(h.path(dest), walking{}, recursive) })
}

// unlink removes what is at a path, in the directory that it was found in.
func unlink(path string, how walking, recursive bool) error {
	at, err := find(path, how)
	if err != nil {
		return err
	}
	defer at.close()
	root, err := at.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if recursive {
		return root.RemoveAll(at.name)
	}
	return root.Remove(at.name)
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
