package archive

import (
	"archive/zip"
	"cmp"
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
	z, err := zip.NewReader(f, info.Size())
	if err != nil && z == nil { // with one, the error is an insecure path, which we judge by ourselves
		return damaged(err)
	}
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
