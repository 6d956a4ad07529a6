package accounts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"opsyard/agent/protocol"
)

// What lies in a home belongs to its user, who may have put anything there: a
// link to another's file, a pipe that nobody fills. All of it is done below an
// os.Root, which no link leads out of, and through open files.

const (
	homes = "/home"
	// ourMark begins the files that we write.
	ourMark  = "# Made by Opsyard. Changes are overwritten.\n"
	sshDir   = ".ssh"
	keysFile = "authorized_keys"
	// otherKeys is read by sshd as well.
	otherKeys = "authorized_keys2"
	// keysLimit is the longest file that can be ours.
	keysLimit = 1 << 20
)

func homeOf(name string) string { return filepath.Join(homes, name) }

// homeFits is why a directory that is there cannot be the account's home.
func (h Host) homeFits(a protocol.Account) error {
	fi, err := os.Lstat(h.path(homeOf(a.Name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s is no directory", homeOf(a.Name))
	}
	if owner := ownerOf(fi); owner != a.UID {
		return fmt.Errorf("%s is there already and belongs to user id %d: move it away, or give it to %d", homeOf(a.Name), owner, a.UID)
	}
	return nil
}

func ownerOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// openHome opens the account's own home directory; a missing one is made.
func (h Host) openHome(a protocol.Account, gid int, create bool) (*os.Root, error) {
	all, err := os.OpenRoot(h.path(homes))
	if err != nil {
		return nil, err
	}
	defer all.Close()
	if _, err := all.Lstat(a.Name); create && errors.Is(err, fs.ErrNotExist) {
		if err := h.makeDir(all, a.Name, a.UID, gid); err != nil {
			return nil, err
		}
	}
	if err := h.homeFits(a); err != nil {
		return nil, err
	}
	return all.OpenRoot(a.Name)
}

// makeDir makes a directory of the user's own.
func (h Host) makeDir(in *os.Root, name string, uid, gid int) error {
	if err := in.Mkdir(name, 0o700); err != nil {
		return err
	}
	d, err := in.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(h.chown(d, uid, gid), d.Close())
}

// keys is what authorized_keys is to hold.
func keys(a protocol.Account) string {
	var b strings.Builder
	b.WriteString(ourMark)
	for _, key := range a.Keys {
		b.WriteString(key + "\n")
	}
	return b.String()
}

// writeKeys makes authorized_keys the only file of keys and what it is to be,
// and tells whether it was not. If it cannot be, it goes: a key that was
// replaced must not go on working because the disk is full.
func (h Host) writeKeys(a protocol.Account, gid int) (changed bool, err error) {
	home, err := h.openHome(a, gid, true)
	if err != nil {
		return false, err
	}
	defer home.Close()
	dir, err := h.openSSH(home, a, gid)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	err = dir.RemoveAll(otherKeys)
	want := keys(a)
	if isKeys(dir, a.UID, want) {
		return false, err
	}
	if werr := h.replaceKeys(dir, a.UID, gid, want); werr != nil {
		return false, errors.Join(err, werr, removeIfThere(dir, keysFile))
	}
	return true, err
}

// openSSH opens .ssh, which is made and given to the user as need be.
func (h Host) openSSH(home *os.Root, a protocol.Account, gid int) (*os.Root, error) {
	dir, err := openDir(home, sshDir)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := h.makeDir(home, sshDir, a.UID, gid); err != nil {
		return nil, err
	}
	return openDir(home, sshDir)
}

// openDir opens a directory in the home of an account that is ours. Anything
// else of that name goes, and is as if it never was: sshd would follow a link to
// keys that we never see.
func openDir(home *os.Root, name string) (*os.Root, error) {
	fi, err := home.Lstat(name)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return home.OpenRoot(name)
	}
	if err := home.Remove(name); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s was no directory: %w", name, fs.ErrNotExist)
}

// isKeys tells whether the file is as it is to be already.
func isKeys(dir *os.Root, uid int, want string) bool {
	f, err := dir.OpenFile(keysFile, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Mode().Perm() != 0o600 || ownerOf(fi) != uid || fi.Size() != int64(len(want)) {
		return false
	}
	is, err := io.ReadAll(io.LimitReader(f, keysLimit))
	return err == nil && string(is) == want
}

func (h Host) replaceKeys(dir *os.Root, uid, gid int, text string) error {
	const fresh = ".opsyard-new"
	if err := removeIfThere(dir, fresh); err != nil {
		return err
	}
	f, err := dir.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, h.chown(f, uid, gid), f.Sync(), f.Close()); err == nil {
		err = dir.Rename(fresh, keysFile)
	}
	if err != nil {
		_ = removeIfThere(dir, fresh)
	}
	return err
}

// removeKeys takes every key away that opens the account.
func (h Host) removeKeys(a protocol.Account) error {
	home, err := h.openHome(a, -1, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer home.Close()
	dir, err := openDir(home, sshDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return errors.Join(removeIfThere(dir, keysFile), removeIfThere(dir, otherKeys))
}

// withdrawKeys takes the key away that we wrote, from an account that has
// become another's: a file that somebody else has written since stays.
func (h Host) withdrawKeys(a protocol.Account) error {
	home, err := os.OpenRoot(h.path(homeOf(a.Name)))
	if err != nil {
		return nil // then there is none of ours
	}
	defer home.Close()
	path := filepath.Join(sshDir, keysFile)
	f, err := home.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	begin := make([]byte, len(ourMark))
	if _, err := io.ReadFull(f, begin); err != nil || string(begin) != ourMark {
		return nil
	}
	return removeIfThere(home, path)
}

func removeIfThere(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
