package resource

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// place is a name in a directory, which is held open together with what the
// name stands for. Root works in directories of apps' users, who may put a link
// in the place of anything there at any moment: what was looked at is therefore
// what is changed, whatever lies at its path by then.
type place struct {
	path string // as it was asked for
	spot
	opened []*os.File
}

// spot is a name in a directory and what it stands for, nil for nothing.
type spot struct {
	dir  *os.File
	name string
	it   *os.File
	stat unix.Stat_t // of it
}

// walking says how to go to a place.
type walking struct {
	follow bool // a link at the end too
	make   bool // missing directories above
}

// maxLinks is how many links may be on the way, as for the kernel.
const maxLinks = 40

// find goes to a path step by step. A link of some user is followed only to
// what is that user's: users must not have root write elsewhere.
func find(path string, how walking) (*place, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	w := &walker{place: &place{path: path}, how: how}
	top, err := w.look(nil, "/")
	if err == nil {
		w.spot, err = w.walk(top, abs, true)
	}
	if err == nil {
		err = w.refuseSecondName()
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w.place, nil
}

func (p *place) close() {
	for _, f := range p.opened {
		_ = f.Close()
	}
	p.opened = nil
}

// exists tells whether the name stands for something.
func (p *place) exists() bool { return p.it != nil }

func (p *place) isLink() bool { return p.exists() && p.stat.Mode&unix.S_IFMT == unix.S_IFLNK }

// refuseSecondName keeps users from having root read or give away a file by
// another name of it in their directory.
func (p *place) refuseSecondName() error {
	if !p.exists() || p.stat.Mode&unix.S_IFMT != unix.S_IFREG || p.stat.Nlink < 2 {
		return nil
	}
	var dir unix.Stat_t
	if err := unix.Fstat(int(p.dir.Fd()), &dir); err != nil {
		return &fs.PathError{Op: "stat", Path: filepath.Dir(p.path), Err: err}
	}
	if !isForeign(dir.Uid) || dir.Uid == p.stat.Uid {
		return nil
	}
	return fmt.Errorf("%s is another name of a file of user %d in a directory of user %d, it is left alone", p.path, p.stat.Uid, dir.Uid)
}

// isForeign tells whether a user is neither root nor who we are.
func isForeign(uid uint32) bool { return uid != 0 && int(uid) != os.Geteuid() }

// root is the directory of the place, for changing what is in it.
func (p *place) root() (*os.Root, error) { return os.OpenRoot(inode(p.dir)) }

// dirPath is where the directory lies now, for programs and people.
func (p *place) dirPath() string {
	path, err := os.Readlink(inode(p.dir))
	if err != nil {
		return filepath.Dir(p.path)
	}
	return path
}

// inode is a path to an open file itself, by whatever name it goes by now.
func inode(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// enter makes the directory that the place stands for, unless it is there.
func (p *place) enter() error {
	if !p.exists() {
		if err := unix.Mkdirat(int(p.dir.Fd()), p.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return &fs.PathError{Op: "mkdir", Path: p.path, Err: err}
		}
		var err error
		if p.spot, err = (&walker{place: p}).look(p.dir, p.name); err != nil {
			return err
		}
	}
	if !p.isLink() && p.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s is there and not a directory", p.path)
	}
	return nil
}

type walker struct {
	*place
	how    walking
	links  int
	behind int // that many links
}

// look opens a name, a link itself, without any right to what is in it.
func (w *walker) look(dir *os.File, name string) (s spot, err error) {
	at := unix.AT_FDCWD
	if dir != nil {
		at = int(dir.Fd())
	}
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return s, &fs.PathError{Op: "open", Path: w.path, Err: err}
	}
	s = spot{dir: dir, name: name, it: os.NewFile(uintptr(fd), name)}
	w.opened = append(w.opened, s.it)
	if err := unix.Fstat(fd, &s.stat); err != nil {
		return s, &fs.PathError{Op: "stat", Path: w.path, Err: err}
	}
	return s, nil
}

// walk goes from a directory along a path; end tells whether its last name is
// the one that was asked for.
func (w *walker) walk(at spot, path string, end bool) (spot, error) {
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	var err error
	for n, name := range names {
		if at, err = w.step(at.it, name, end && n == len(names)-1); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (w *walker) step(dir *os.File, name string, end bool) (spot, error) {
	at, err := w.look(dir, name)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && end:
		return spot{dir: dir, name: name}, nil
	case missing && w.how.make && w.behind == 0: // what is behind a link is not ours to make
		if err := unix.Mkdirat(int(dir.Fd()), name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return at, &fs.PathError{Op: "mkdir", Path: w.path, Err: err}
		}
		at, err = w.look(dir, name)
	}
	if err != nil || at.stat.Mode&unix.S_IFMT != unix.S_IFLNK || end && !w.how.follow {
		return at, err
	}
	return w.through(at, end)
}

// through follows a link. One that leads nowhere is itself the place.
func (w *walker) through(link spot, end bool) (spot, error) {
	if w.links++; w.links > maxLinks {
		return link, &fs.PathError{Op: "open", Path: w.path, Err: unix.ELOOP}
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(link.it.Fd()), "", target)
	if err != nil {
		return link, &fs.PathError{Op: "readlink", Path: w.path, Err: err}
	}
	from := spot{it: link.dir}
	if n > 0 && target[0] == '/' {
		if from, err = w.look(nil, "/"); err != nil {
			return link, err
		}
	}
	w.behind++
	at, err := w.walk(from, string(target[:n]), end)
	w.behind--
	if end && (errors.Is(err, fs.ErrNotExist) || err == nil && at.it == nil) {
		return spot{dir: link.dir, name: link.name}, nil
	}
	if err == nil && isForeign(link.stat.Uid) && at.stat.Uid != link.stat.Uid {
		err = fmt.Errorf("%s leads over a link of user %d to what is not theirs, it is not followed", w.path, link.stat.Uid)
	}
	return at, err
}

// put replaces the file at path in one step, or makes it. The new one is
// verified, by its path, while it is still beside the old one.
func put(path string, content []byte, owner *owner, verify func(path string) error) error {
	at, err := find(path, walking{follow: true, make: true})
	if err != nil {
		return err
	}
	defer at.close()
	root, err := at.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	next := beside(at.name)
	f, err := root.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write beside the old file: %w", err)
	}
	defer func() { _ = root.Remove(next) }()
	_, err = f.Write(content)
	if err = errors.Join(err, owner.take(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := verify(filepath.Join(at.dirPath(), next)); err != nil {
		return fmt.Errorf("the new file is not valid, the old one stays: %w", err)
	}
	err = root.Rename(next, at.name)
	if at.exists() && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV)) {
		return os.WriteFile(inode(at.it), content, 0o644) // a mount of its own can only be written into
	}
	return err
}

func beside(name string) string { return "." + name + ".opsyard-" + rand.Text()[:10] }

// valid is for what nobody wants to be verified.
func valid(string) error { return nil }
