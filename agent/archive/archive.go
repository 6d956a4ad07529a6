// Package archive unpacks tar, tar.gz, tar.bz2, tar.zst and zip files of unknown
// origin: nothing they hold can land, or later point, outside the destination.
package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Bytes int64
	Files int
}

// DefaultLimits fit any reasonable app or cookbook and stop an archive bomb.
var DefaultLimits = Limits{Bytes: 8 << 30, Files: 500_000}

// Errors that say what is wrong with an archive.
var (
	ErrFormat = errors.New("it is not a tar, tar.gz, tar.bz2, tar.zst or zip archive")
	ErrEscape = errors.New("it holds a path that leaves the archive")
	ErrTooBig = errors.New("it unpacks to more than is allowed")
)

// Unpack unpacks the archive file into dest, an existing directory. The format
// is told by the file's first bytes, not by its name.
func Unpack(ctx context.Context, file, dest string, limits Limits) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{ctx: ctx, root: root, left: limits}
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")) {
		return u.zip(f)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	plain, err := decompress(f, head)
	if err != nil {
		return err
	}
	return u.tar(plain)
}

func decompress(f io.Reader, head []byte) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return z, nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(bufio.NewReader(f)), nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return z.IOReadCloser(), nil
	case len(head) == 512 && (string(head[257:262]) == "ustar" || head[0] == 0):
		return bufio.NewReader(f), nil
	}
	return nil, ErrFormat
}

type unpacker struct {
	ctx  context.Context
	root *os.Root // refuses every path that leaves it, also through links
	left Limits
}

func (u *unpacker) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		mode := fs.FileMode(h.Mode).Perm()
		switch h.Typeflag {
		case tar.TypeReg:
			err = u.file(h.Name, mode, t)
		case tar.TypeDir:
			err = u.dir(h.Name, mode)
		case tar.TypeSymlink:
			err = u.symlink(h.Name, h.Linkname)
		case tar.TypeLink:
			err = u.link(h.Name, h.Linkname)
		case tar.TypeXGlobalHeader, tar.TypeXHeader:
		default:
			err = fmt.Errorf("it holds %q, which is neither file, directory nor link", h.Name)
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacker) zip(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for _, e := range z.File {
		if err := u.zipEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) zipEntry(e *zip.File) error {
	mode := e.Mode()
	if mode.IsDir() {
		return u.dir(e.Name, mode.Perm())
	}
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer r.Close()
	switch {
	case mode&fs.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(r, 4096))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return u.symlink(e.Name, string(target))
	case mode.IsRegular():
		return u.file(e.Name, mode.Perm(), r)
	}
	return fmt.Errorf("it holds %q, which is neither file, directory nor link", e.Name)
}

// place checks a name and makes the directories above it.
func (u *unpacker) place(name string) (string, error) {
	if err := u.ctx.Err(); err != nil {
		return "", context.Cause(u.ctx)
	}
	if u.left.Files--; u.left.Files < 0 {
		return "", fmt.Errorf("%w: too many files", ErrTooBig)
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return "", fmt.Errorf("%w: %q", ErrEscape, name)
	}
	if err := u.root.MkdirAll(path.Dir(clean), 0o755); err != nil {
		return "", fmt.Errorf("unpack %q: %w", name, err)
	}
	return clean, nil
}

func (u *unpacker) dir(name string, mode fs.FileMode) error {
	clean, err := u.place(name)
	if err != nil || clean == "." {
		return err
	}
	if err := u.root.MkdirAll(clean, 0o755); err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	return u.root.Chmod(clean, mode|0o700)
}

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	u.root.Remove(clean) // a later entry of the same name wins, as in tar
	f, err := u.root.OpenFile(clean, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	n, err := io.Copy(f, io.LimitReader(r, u.left.Bytes+1))
	err = errors.Join(err, f.Close())
	if err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	if u.left.Bytes -= n; u.left.Bytes < 0 {
		return fmt.Errorf("%w: too many bytes", ErrTooBig)
	}
	return nil
}

func (u *unpacker) symlink(name, target string) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	if !u.staysInside(clean, target) {
		return fmt.Errorf("%w: %q points to %q", ErrEscape, name, target)
	}
	u.root.Remove(clean)
	if err := u.root.Symlink(target, clean); err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	return nil
}

// staysInside compares paths as text, which is only true where no other link
// is on the way: none above the link itself, none that a ".." comes back from.
func (u *unpacker) staysInside(link, target string) bool {
	rest := strings.TrimLeft(target, "./")
	if path.IsAbs(target) || strings.Contains("/"+rest+"/", "/../") {
		return false
	}
	for dir := path.Dir(link); dir != "."; dir = path.Dir(dir) {
		if info, err := u.root.Lstat(dir); err != nil || !info.IsDir() {
			return false
		}
	}
	return !strings.HasPrefix(path.Join(path.Dir(link), target)+"/", "../")
}

func (u *unpacker) link(name, target string) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	to := path.Clean(target)
	if !fs.ValidPath(to) {
		return fmt.Errorf("%w: %q points to %q", ErrEscape, name, target)
	}
	u.root.Remove(clean)
	if err := u.root.Link(to, clean); err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	return nil
}
