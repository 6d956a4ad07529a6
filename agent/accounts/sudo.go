package accounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const sudoersDir = "/etc/sudoers.d"

// sudoersFile is the account's own. sudo reads no file whose name has a dot, and
// names of accounts have none.
func (h Host) sudoersFile(name string) string {
	return h.path(filepath.Join(sudoersDir, "opsyard-"+name))
}

func sudoers(name string) string { return ourMark + name + " ALL=(ALL:ALL) NOPASSWD: ALL\n" }

// allowSudo writes the account's file.
func (h Host) allowSudo(ctx context.Context, name string) error {
	file, text := h.sudoersFile(name), sudoers(name)
	is, err := os.ReadFile(file)
	switch {
	case err == nil && string(is) == text:
		return nil
	case err == nil && !strings.HasPrefix(string(is), ourMark):
		return fmt.Errorf("%s is there already and was not made by Opsyard", file)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: install sudo", sudoersDir)
	}
	return h.replaceSudoers(ctx, file, text)
}

// replaceSudoers puts a file there that sudo understands: one that it does not
// would take sudo from everybody.
func (h Host) replaceSudoers(ctx context.Context, file, text string) (err error) {
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o440) // sudo passes over names with a dot
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(0o440), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := h.run(ctx, "visudo", "-c", "-q", "-f", f.Name()); err != nil && !errors.Is(err, errNoProgram) {
		return err
	}
	return os.Rename(f.Name(), file)
}

// refuseSudo removes the account's file, if it is ours, and tells whether it was
// there.
func (h Host) refuseSudo(name string) (was bool, err error) {
	file := h.sudoersFile(name)
	is, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(string(is), ourMark) {
		return false, nil
	}
	if err == nil {
		err = os.Remove(file)
	}
	return true, err
}
