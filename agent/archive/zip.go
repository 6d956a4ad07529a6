package archive

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
)

func (u *unpacker) zip(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	d := &directory{r: f, limits: u.limits}
	z, err := zip.NewReader(d, info.Size())
	if d.err != nil {
		return d.err
	}
	if err != nil && z == nil { // with one, the error is an insecure path, which we judge by ourselves
		return damaged(err)
	}
	d.read = true
	if len(z.File) > u.limits.Files {
		return u.limits.TooManyFiles()
	}
	if err := distinct(z.File); err != nil {
		return err
	}
	for _, e := range z.File {
		if err := u.zipEntry(e); err != nil {
			return err
		}
	}
	return nil
}

// directory bounds the list of files at the end of a zip, which is read as a
// whole before anything else: it may be as long as the file, and costs several
// times its length in memory.
type directory struct {
	r      io.ReaderAt
	limits Limits
	read   bool // the list, so that all else is the files themselves
	bytes  int64
	files  int
	last   []byte // the end of what was read before
	next   int64  // where that ended
	err    error
}

// Of a zip's records: the first bytes of a file's entry, and of the end in 64
// bits with, at an offset, how many entries there are said to be.
var (
	entryMark = []byte("PK\x01\x02")
	end64Mark = []byte("PK\x06\x06")
)

const end64Count = 32

// entryBytes is more than the entry of a file needs on average, with its name.
const entryBytes = 256

// ReadAt refuses to go on when more has been read than a list of so many files
// can need. What only looks like an entry, in a name, counts too: no program
// makes such names.
func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	n, err := d.r.ReadAt(p, at)
	if d.read {
		return n, err
	}
	if d.err == nil {
		d.err = d.judge(p[:n], at)
	}
	if d.err != nil {
		return 0, d.err
	}
	return n, err
}

func (d *directory) judge(part []byte, at int64) error {
	if bytes.HasPrefix(part, end64Mark) && len(part) >= end64Count+8 &&
		binary.LittleEndian.Uint64(part[end64Count:]) > uint64(d.limits.Files) { //nolint:gosec // a limit is positive
		return d.limits.TooManyFiles()
	}
	if at != d.next { // the end is searched from behind, the list then read in one go
		d.last, d.files = nil, 0
	}
	d.files += bytes.Count(append(d.last, part...), entryMark)
	d.last, d.next = bytes.Clone(part[max(0, len(part)-len(entryMark)+1):]), at+int64(len(part))
	if d.files > d.limits.Files {
		return d.limits.TooManyFiles()
	}
	if d.bytes += int64(len(part)); d.bytes > int64(d.limits.Files)*entryBytes+endSearch {
		return fmt.Errorf("%w: the list of its files is longer than %d bytes", ErrTooBig, int64(d.limits.Files)*entryBytes)
	}
	return nil
}

// endSearch is what is read of a zip to find its list.
const endSearch = 128 << 10

// distinct refuses entries that share their bytes or their name: no program
// makes those, they are made to unpack to more than they hold, or to something
// else than a scanner saw.
func distinct(entries []*zip.File) error {
	type span struct{ from, to int64 }
	spans := make([]span, 0, len(entries))
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		from, err := e.DataOffset()
		if err != nil {
			return damaged(err)
		}
		if e.CompressedSize64 > 1<<50 {
			return damaged(zip.ErrFormat)
		}
		if e.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(e.CompressedSize64)}) //nolint:gosec // bounded above
		}
		clean := path.Clean(e.Name)
		if names[clean] && !e.Mode().IsDir() {
			return fmt.Errorf("it holds %s twice", quote(e.Name))
		}
		names[clean] = true
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for n := 1; n < len(spans); n++ {
		if spans[n].from < spans[n-1].to {
			return fmt.Errorf("%w: its files lie one over the other", ErrTooBig)
		}
	}
	return nil
}

func (u *unpacker) zipEntry(e *zip.File) error {
	mode := e.Mode()
	if mode.IsDir() {
		return u.dir(e.Name, mode.Perm())
	}
	if mode.IsRegular() && e.UncompressedSize64 > uint64(u.limits.FileBytes) { //nolint:gosec // a limit is positive
		return u.limits.TooBigFile(e.Name)
	}
	if e.Flags&1 != 0 {
		return fmt.Errorf("its entry %s is encrypted", quote(e.Name))
	}
	r, err := e.Open()
	if err != nil {
		return damaged(err)
	}
	defer r.Close()
	switch {
	case mode&fs.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(r, int64(u.limits.Path)+1))
		if err != nil {
			return damaged(err)
		}
		return u.symlink(e.Name, string(target))
	case mode.IsRegular():
		return u.file(e.Name, mode.Perm(), r)
	}
	return ErrKind(e.Name)
}
