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

	"golang.org/x/sys/unix"
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
	if file.exists && bytes.Equal(file.content, content) {
		return owner.apply(h, h.path(dest), dest)
	}
	if !w.Sensitive {
		showDiff(h.out, dest, file.content, content, hide)
	}
	done := "written"
	if !file.exists {
		done = "created"
	}
	return h.change(dest, done, func() error {
		if err := w.replace(ctx, h, file, content, owner); err != nil {
			return err
		}
		return w.notify(ctx, h, file)
	})
}

// replace verifies the new content beside the old one and swaps them.
func (w *writing) replace(ctx context.Context, h *host, file oldFile, content []byte, owner *owner) error {
	if err := os.MkdirAll(filepath.Dir(file.path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file.path), "."+filepath.Base(file.path)+".opsyard-*")
	if err != nil {
		return fmt.Errorf("write beside the old file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(owner.mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := owner.chown(tmp.Name()); err != nil {
		return err
	}
	if w.Verify != "" {
		line := strings.ReplaceAll(w.Verify, "{}", quoteShell(tmp.Name()))
		if err := h.shell(ctx, line); err != nil {
			return fmt.Errorf("the new file is not valid, the old one stays: %w", err)
		}
	}
	return swap(tmp.Name(), file.path, content)
}

// swap renames; a file that is a mount of its own can only be written into.
func swap(tmp, path string, content []byte) error {
	err := os.Rename(tmp, path)
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) {
		return err
	}
	return os.WriteFile(path, content, 0o644)
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
	if err := refuseForeignLinks(path); err != nil {
		return oldFile{}, err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return oldFile{path: path}, nil
	}
	if err != nil {
		return oldFile{}, err
	}
	if !info.Mode().IsRegular() {
		return oldFile{}, fmt.Errorf("%s is not a file", path)
	}
	content, err := os.ReadFile(path)
	return oldFile{path, true, info, content}, err
}

// refuseForeignLinks keeps users from having root write elsewhere: a link that a
// user laid on the way to a file may lead only to what is the same user's.
func refuseForeignLinks(path string) error {
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		link, err := os.Lstat(path[:end])
		if err != nil {
			return nil // what comes next tells, or makes it
		}
		if link.Mode()&fs.ModeSymlink == 0 || owned(link) == 0 || owned(link) == os.Geteuid() {
			continue
		}
		if target, err := os.Stat(path[:end]); err == nil && owned(target) != owned(link) {
			return fmt.Errorf("%s is a link of user %d to what is not theirs, it is not followed", path[:end], owned(link))
		}
	}
	return nil
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
		return os.Remove(f.path)
	}
	if err := os.WriteFile(f.path, f.content, f.info.Mode().Perm()); err != nil {
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
	before := h.changed
	if err := remove(h, c.Dest, false); err != nil || h.changed == before || h.dryRun {
		return err
	}
	return c.notify(ctx, h, file)
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
	path := h.path(dest)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		h.ok(dest)
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() && recursive {
		if filepath.Clean(dest) == "/" {
			return errors.New("the root directory stays")
		}
		return h.change(dest, "removed", func() error { return os.RemoveAll(path) })
	}
	return h.change(dest, "removed", func() error { return os.Remove(path) })
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
