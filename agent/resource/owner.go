package resource

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is an ownership with numbers; -1 leaves one as it is.
type owner struct {
	uid, gid int
	mode     fs.FileMode
	note     string // what cannot be done here
}

// resolve looks names up. What is not asked for stays as in old, the file that
// is there; a new file gets the given mode.
func (o *ownership) resolve(h *host, mode fs.FileMode, old fs.FileInfo) (*owner, error) {
	r := &owner{uid: -1, gid: -1, mode: mode}
	if old != nil {
		r.mode = old.Mode().Perm() | old.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)
		if stat, ok := old.Sys().(*syscall.Stat_t); ok && h.owned() {
			r.uid, r.gid = int(stat.Uid), int(stat.Gid)
		}
	}
	if o.Mode != "" {
		bits, err := strconv.ParseUint(o.Mode, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("mode %q is not octal", o.Mode)
		}
		r.mode = fileMode(bits)
	}
	if !h.owned() {
		if o.Owner != "" || o.Group != "" {
			r.note = "owner stays, it can be set only by root on a machine of its own"
		}
		return r, nil
	}
	err := o.lookup(r)
	if err != nil && h.dryRun { // an earlier step would have made the user
		r.note, err = err.Error(), nil
	}
	return r, err
}

func (o *ownership) lookup(r *owner) (err error) {
	if o.Owner != "" {
		if r.uid, err = userID(o.Owner); err != nil {
			return err
		}
	}
	if o.Group != "" {
		r.gid, err = groupID(o.Group)
	}
	return err
}

// fileMode turns the number that people write into Go's.
func fileMode(bits uint64) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func (o *owner) chown(path string) error {
	if o.uid < 0 && o.gid < 0 {
		return nil
	}
	return os.Lchown(path, o.uid, o.gid)
}

// apply brings what exists at path to the ownership and records it under name.
func (o *owner) apply(h *host, path, name string) error {
	if o.note != "" {
		h.say("%s: %s", name, o.note)
	}
	same, err := o.matches(path)
	if err != nil {
		return err
	}
	if same {
		h.ok(name)
		return nil
	}
	return h.change(name, "given other permissions", func() error {
		if err := o.chown(path); err != nil {
			return err
		}
		return os.Chmod(path, o.mode) // after chown, which clears set-id bits
	})
}

func (o *owner) matches(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != o.mode {
		return false, nil
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (o.uid < 0 || int(stat.Uid) == o.uid) && (o.gid < 0 || int(stat.Gid) == o.gid), nil
}

// give gives a whole tree to the owner, links themselves and not what they name.
func (o *owner) give(tree string) error {
	return filepath.WalkDir(tree, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return o.chown(path)
	})
}

func userID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return -1, fmt.Errorf("there is no user %s", name)
	}
	return strconv.Atoi(u.Uid)
}

func groupID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, fmt.Errorf("there is no group %s", name)
	}
	return strconv.Atoi(g.Gid)
}
