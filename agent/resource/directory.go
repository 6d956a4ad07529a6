package resource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type directoryCmd struct {
	Path  string `arg:"" help:"Path of the directory; missing parents are made too."`
	State string `enum:"present,absent" default:"present" help:"present or absent (with all that is in it)."`
	ownership
}

func (c *directoryCmd) step() string { return "directory " + c.Path }

// Run makes or removes the directory.
func (c *directoryCmd) Run(h *host) error {
	if c.State == "absent" {
		return remove(h, c.Path, true)
	}
	return c.make(h)
}

func (c *directoryCmd) make(h *host) error {
	path := h.path(c.Path)
	has, err := directoryAt(path)
	if err != nil {
		return err
	}
	owner, err := c.resolve(h, 0o755, has)
	if err != nil {
		return err
	}
	if has != nil {
		return owner.apply(h, path, c.Path)
	}
	return h.change(c.Path, "created", func() error { return owner.mkdir(path) })
}

// directoryAt is the directory at a path, nil for nothing.
func directoryAt(path string) (fs.FileInfo, error) {
	at, err := find(path, walking{follow: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer at.close()
	if !at.exists() {
		return nil, nil
	}
	info, err := at.it.Stat()
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is there and not a directory", path)
	}
	return info, err
}

// mkdir makes a directory and those above it.
func (o *owner) mkdir(path string) error {
	at, err := find(path, walking{follow: true, make: true})
	if err != nil {
		return err
	}
	defer at.close()
	if err := at.enter(); err != nil {
		return err
	}
	if at.isLink() {
		return fmt.Errorf("%s is there and not a directory", path)
	}
	return o.take(at.it)
}

type linkCmd struct {
	Target string `arg:"" help:"What the link names; taken as it is."`
	Path   string `arg:"" help:"Path of the link."`
	State  string `enum:"present,absent" default:"present" help:"present or absent."`
}

func (c *linkCmd) step() string { return "link " + c.Path }

// Run makes or removes the link.
func (c *linkCmd) Run(h *host) error {
	if c.State == "absent" {
		return remove(h, c.Path, false)
	}
	target := c.Target
	if filepath.IsAbs(target) {
		target = h.path(target)
	}
	path := h.path(c.Path)
	if old, err := os.Readlink(path); err == nil && old == target {
		h.ok(c.Path)
		return nil
	}
	return h.change(c.Path, "linked to "+c.Target, func() error { return relink(target, path) })
}

// relink makes a link or points it elsewhere in one step, so that there is no
// moment without one.
func relink(target, path string) error {
	at, err := find(path, walking{})
	if err != nil {
		return err
	}
	defer at.close()
	if at.exists() && !at.isLink() {
		return fmt.Errorf("%s is there and not a link", path)
	}
	root, err := at.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	next := at.name + ".opsyard-new"
	if err := root.RemoveAll(next); err != nil {
		return err
	}
	if err := root.Symlink(target, next); err != nil {
		return err
	}
	return root.Rename(next, at.name)
}

type lineCmd struct {
	Path   string `arg:"" help:"Path of the file; it is made if it is missing."`
	Line   string `arg:"" help:"The line."`
	Match  string `help:"Regular expression: the last line that matches is replaced instead of adding one." placeholder:"REGEXP"`
	State  string `enum:"present,absent" default:"present" help:"present or absent; absent removes the line and all that match."`
	Verify string `help:"Command that must succeed before the file is replaced; {} is the new file." placeholder:"COMMAND"`
	Notify string `help:"Command to run when the file has changed." placeholder:"COMMAND"`
}

func (c *lineCmd) step() string { return "line " + c.Path }

// Run edits the file.
func (c *lineCmd) Run(ctx context.Context, h *host) error {
	old, err := readFile(h.path(c.Path))
	if err != nil {
		return err
	}
	matches := func(line string) bool { return line == c.Line }
	if c.Match != "" {
		re, err := regexp.Compile(c.Match)
		if err != nil {
			return err
		}
		matches = func(line string) bool { return line == c.Line || re.MatchString(line) }
	}
	if !old.exists && c.State == "absent" {
		h.ok(c.Path)
		return nil
	}
	w := writing{Verify: c.Verify, Notify: c.Notify}
	return w.write(ctx, h, c.Path, c.edit(string(old.content), matches), nil)
}

func (c *lineCmd) edit(text string, matches func(string) bool) []byte {
	var lines []string
	if text != "" {
		lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	switch last := lastIndex(lines, matches); {
	case c.State == "absent":
		lines = slices.DeleteFunc(lines, matches)
	case slices.Contains(lines, c.Line):
	case last >= 0:
		lines[last] = c.Line
	default:
		lines = append(lines, c.Line)
	}
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func lastIndex(lines []string, matches func(string) bool) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if matches(lines[i]) {
			return i
		}
	}
	return -1
}
