// Package archive unpacks tar, tar.gz, tar.bz2, tar.xz, tar.zst and zip files of
// unknown origin: nothing they hold can land, or later point, outside the
// destination.
package archive

import (
	"archive/tar"
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
	"github.com/therootcompany/xz"
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
	limits = limits.Or(DefaultLimits)
	u := &unpacker{ctx: ctx, root: root, limits: limits, bytes: limits.Bytes, files: limits.Files}
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

// maxWindow bounds the memory that a compressed file may ask for; the strongest
// settings of xz need as much, of zstd without --ultra half of it.
const maxWindow = 64 << 20

func decompress(f io.Reader, head []byte) (r io.Reader, err error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(bufio.NewReader(f))
	case bytes.HasPrefix(head, []byte("BZh")):
		r = bzip2.NewReader(bufio.NewReader(f))
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		// This one and not another library: it refuses a larger window in every
		// block, where others make what the file asks for, up to 4 GiB.
		r, err = xz.NewReader(bufio.NewReader(f), maxWindow)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		z, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(2*maxWindow))
		if err == nil {
			r = z.IOReadCloser()
		}
	case len(head) == 512 && (string(head[257:262]) == "ustar" || head[0] == 0):
		return bufio.NewReader(f), nil
	default:
		return nil, ErrFormat
	}
	if err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// damaged is an error of reading what claimed to be an archive.
func damaged(err error) error { return fmt.Errorf("%w: %w", ErrTruncated, err) }

type unpacker struct {
	ctx    context.Context
	root   *os.Root // refuses every path that leaves it, also through links
	limits Limits
	bytes  int64 // that may still come
	files  int
}

func (u *unpacker) tar(r io.Reader) error {
	// Also what is no file counts: headers can be a bomb of their own.
	counted := &bounded{r: r, left: u.limits.Bytes + int64(u.limits.Files)*2048}
	t := tar.NewReader(counted)
	for first := true; ; first = false {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if counted.left < 0 {
			return u.limits.TooManyBytes()
		}
		if err != nil {
			if first && errors.Is(err, tar.ErrHeader) {
				return fmt.Errorf("%w: %w", ErrFormat, err)
			}
			return damaged(err)
		}
		if err := u.tarEntry(h, t); err != nil {
			return err
		}
	}
}

func (u *unpacker) tarEntry(h *tar.Header, r io.Reader) error {
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeReg:
		if h.Size > u.limits.FileBytes {
			return u.limits.TooBigFile(h.Name)
		}
		return u.file(h.Name, mode, r)
	case tar.TypeDir:
		return u.dir(h.Name, mode)
	case tar.TypeSymlink:
		return u.symlink(h.Name, h.Linkname)
	case tar.TypeLink:
		return u.link(h.Name, h.Linkname)
	case tar.TypeXGlobalHeader, tar.TypeXHeader:
		return nil
	}
	return ErrKind(h.Name)
}

// bounded ends a stream that never does.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// place checks a name and makes the directories above it.
func (u *unpacker) place(name string) (string, error) {
	if err := u.ctx.Err(); err != nil {
		return "", context.Cause(u.ctx)
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || strings.ContainsRune(clean, 0) {
		return "", fmt.Errorf("%w: %s", ErrEscape, quote(name))
	}
	if len(clean) > u.limits.Path {
		return "", fmt.Errorf("%w: the path %s is longer than %d bytes", ErrTooBig, quote(name), u.limits.Path)
	}
	// The directories above count too: each may be as good as a file.
	if u.files--; u.files < 0 {
		return "", u.limits.TooManyFiles()
	}
	return clean, u.above(name, path.Dir(clean))
}

func (u *unpacker) above(name, dir string) error {
	if info, err := u.root.Lstat(dir); err == nil && info.IsDir() {
		return nil
	}
	if u.files -= strings.Count(dir, "/"); u.files < 0 {
		return u.limits.TooManyFiles()
	}
	return u.failed(name, u.root.MkdirAll(dir, 0o755))
}

// failed says which entry did; the path in the error is only a part of it.
func (u *unpacker) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("its entry %s cannot be made: %w", quote(name), err)
}

func (u *unpacker) dir(name string, mode fs.FileMode) error {
	clean, err := u.place(name)
	if err != nil || clean == "." {
		return err
	}
	if err := u.root.MkdirAll(clean, 0o755); err != nil {
		return u.failed(name, err)
	}
	return u.failed(name, u.root.Chmod(clean, mode|0o700))
}

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	u.root.Remove(clean) // a later entry of the same name wins, as in tar
	f, err := u.root.OpenFile(clean, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return u.failed(name, err)
	}
	w := &guarded{ctx: u.ctx, w: f}
	n, err := io.Copy(w, io.LimitReader(r, min(u.bytes, u.limits.FileBytes)+1))
	if cerr := f.Close(); w.err == nil {
		w.err = cerr
	}
	switch {
	case u.ctx.Err() != nil:
		return context.Cause(u.ctx)
	case w.err != nil:
		return u.failed(name, w.err)
	case n > u.limits.FileBytes:
		return u.limits.TooBigFile(name)
	case n > u.bytes:
		return u.limits.TooManyBytes()
	case err != nil:
		return damaged(err)
	}
	u.bytes -= n
	return nil
}

// guarded tells errors of the disk from those of the archive, and ends with its
// context.
type guarded struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (g *guarded) Write(p []byte) (n int, err error) {
	if g.err = g.ctx.Err(); g.err == nil {
		n, g.err = g.w.Write(p)
	}
	return n, g.err
}

func (u *unpacker) symlink(name, target string) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	if len(target) > u.limits.Path {
		return fmt.Errorf("%w: the link %s is longer than %d bytes", ErrTooBig, quote(name), u.limits.Path)
	}
	if err := CheckLink(u.root, clean, target); err != nil {
		return err
	}
	u.root.Remove(clean)
	return u.failed(name, u.root.Symlink(target, clean))
}

// CheckLink refuses a symbolic link, at a clean path in root, whose target is
// not in root. It compares paths as text, which is only true where no other
// link is on the way: none above the link itself, none that a ".." comes back
// from.
func CheckLink(root *os.Root, link, target string) error {
	escapes := fmt.Errorf("%w: %s points to %s", ErrEscape, quote(link), quote(target))
	rest := strings.TrimLeft(target, "./")
	if target == "" || path.IsAbs(target) || strings.ContainsRune(target, 0) || strings.Contains("/"+rest+"/", "/../") {
		return escapes
	}
	for dir := path.Dir(link); dir != "."; dir = path.Dir(dir) {
		if info, err := root.Lstat(dir); err != nil || !info.IsDir() {
			return escapes
		}
	}
	if strings.HasPrefix(path.Join(path.Dir(link), target)+"/", "../") {
		return escapes
	}
	return nil
}

func (u *unpacker) link(name, target string) error {
	clean, err := u.place(name)
	if err != nil {
		return err
	}
	to := path.Clean(target)
	if !fs.ValidPath(to) {
		return fmt.Errorf("%w: %s points to %s", ErrEscape, quote(name), quote(target))
	}
	// A second name for a symbolic link would have it point elsewhere.
	if info, err := u.root.Lstat(to); err != nil {
		return u.failed(name, err)
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is a hard link to %s, which is no file", ErrEscape, quote(name), quote(target))
	}
	if to == clean {
		return nil
	}
	u.root.Remove(clean)
	return u.failed(name, u.root.Link(to, clean))
}
