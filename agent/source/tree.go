package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"opsyard/agent/archive"
)

// size is how much a tree holds.
type size struct {
	bytes int64
	files int // and links
}

// scratch makes a directory for work that is not done yet, and clears away
// those whose makers have died: a living one holds a lock on its own.
func scratch(parent, prefix string) (dir string, done func(), err error) {
	dead, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, d := range dead {
		if f, err := lock(d); err == nil {
			_ = os.RemoveAll(d)
			_ = f.Close()
		}
	}
	if dir, err = os.MkdirTemp(parent, prefix+"*"); err != nil {
		return "", nil, err
	}
	f, err := lock(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() { _ = os.RemoveAll(dir); _ = f.Close() }, nil
}

func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// inspect measures a tree and refuses what must not be in one, wherever it
// came from: links that lead out of it, anything that is neither file,
// directory nor link, more than the limits. Setuid bits are taken away.
func inspect(dir string, l archive.Limits) (size, error) {
	var s size
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, err
	}
	defer root.Close()
	all := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if all++; all > l.Files {
			return l.TooManyFiles()
		}
		if !info.IsDir() {
			s.files++
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			return archive.CheckLink(root, name, target)
		case info.Mode().IsRegular():
			s.bytes += info.Size()
			if info.Size() > l.FileBytes {
				return l.TooBigFile(name)
			}
			if s.bytes > l.Bytes {
				return l.TooManyBytes()
			}
		case !info.IsDir():
			return archive.ErrKind(name)
		}
		if mode := info.Mode(); mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			return root.Chmod(name, mode.Perm())
		}
		return nil
	})
	return s, err
}

// pack writes a tree that inspect has passed as a tar archive.
func pack(dir string, out io.Writer) error {
	w := tar.NewWriter(out)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return packEntry(w, path, name, d)
	})
	return errors.Join(err, w.Close())
}

func packEntry(w *tar.Writer, path, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	// Only names, modes and contents: owners and times are not the source's.
	h := &tar.Header{Name: filepath.ToSlash(name), Mode: int64(info.Mode().Perm()), Linkname: target, Typeflag: tar.TypeReg, Size: info.Size()}
	switch {
	case info.IsDir():
		h.Typeflag, h.Size = tar.TypeDir, 0
	case target != "":
		h.Typeflag, h.Size = tar.TypeSymlink, 0
	}
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("pack %q: %w", name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}
