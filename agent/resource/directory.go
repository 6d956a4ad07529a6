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
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is there and not a directory", c.Path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	owner, rerr := c.resolve(h, 0o755, info)
	if rerr != nil {
		return rerr
	}
	if err == nil {
		return owner.apply(h, path, c.Path)
	}
	return h.change(c.Path, "created", func() error {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := owner.chown(path); err != nil {
			return err
		}
		return os.Chmod(path, owner.mode)
	})
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
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is there and not a link", path)
	}
	tmp := path + ".opsyard-new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
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
