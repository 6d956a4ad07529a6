package resource

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
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

// take gives an open file, or one that is only looked at, its owner and mode.
func (o *owner) take(f *os.File) error {
	if o.uid >= 0 || o.gid >= 0 {
		if err := os.Chown(inode(f), o.uid, o.gid); err != nil {
			return err
		}
	}
	return os.Chmod(inode(f), o.mode) // after chown, which clears set-id bits
}

// apply brings what exists at path to the ownership and records it under name.
func (o *owner) apply(h *host, path, name string) error {
	if o.note != "" {
		h.say("%s: %s", name, o.note)
	}
	at, err := find(path, walking{follow: true})
	if err != nil {
		return err
	}
	defer at.close()
	if !at.exists() {
		return fmt.Errorf("%s is there no more", name)
	}
	if o.has(at) {
		h.ok(name)
		return nil
	}
	return h.change(name, "given other permissions", func() error { return o.take(at.it) })
}

// has tells whether the place has the owner and the mode already.
func (o *owner) has(at *place) bool {
	return fileMode(uint64(at.stat.Mode&0o7777)) == o.mode &&
		(o.uid < 0 || int(at.stat.Uid) == o.uid) && (o.gid < 0 || int(at.stat.Gid) == o.gid)
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
