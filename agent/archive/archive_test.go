package archive_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"opsyard/agent/archive"
)

type entry struct {
	name, link, text string
	kind             byte
}

func TestUnpackHostileArchives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []entry
		want    error
	}{
		"OK":                  {[]entry{{name: "d/", kind: tar.TypeDir}, {name: "d/f", text: "x"}, {name: "d/l", link: "f", kind: tar.TypeSymlink}, {name: "h", link: "d/f", kind: tar.TypeLink}}, nil},
		"OKUpInside":          {[]entry{{name: "a/b/l", link: "../../c", kind: tar.TypeSymlink}, {name: "c", text: "x"}}, nil},
		"ErrUp":               {[]entry{{name: "../f", text: "x"}}, archive.ErrEscape},
		"ErrUpInside":         {[]entry{{name: "a/../../f", text: "x"}}, archive.ErrEscape},
		"ErrAbsolute":         {[]entry{{name: "/etc/f", text: "x"}}, archive.ErrEscape},
		"ErrAbsoluteSymlink":  {[]entry{{name: "l", link: "/etc", kind: tar.TypeSymlink}}, archive.ErrEscape},
		"ErrSymlinkUp":        {[]entry{{name: "a/l", link: "../..", kind: tar.TypeSymlink}}, archive.ErrEscape},
		"ErrHardlinkUp":       {[]entry{{name: "l", link: "../x", kind: tar.TypeLink}}, archive.ErrEscape},
		"ErrThroughSymlinks":  {[]entry{{name: "a/b/", kind: tar.TypeDir}, {name: "l", link: "a/b", kind: tar.TypeSymlink}, {name: "m", link: "l/../..", kind: tar.TypeSymlink}, {name: "m/f", text: "x"}}, errAny},
		"ErrUpAfterLink":      {[]entry{{name: "a/b/s", link: "../..", kind: tar.TypeSymlink}, {name: "m", link: "a/b/s/../x", kind: tar.TypeSymlink}}, archive.ErrEscape},
		"ErrLinkBelowLink":    {[]entry{{name: "a/b/s", link: "../..", kind: tar.TypeSymlink}, {name: "a/b/s/l", link: "../../../x", kind: tar.TypeSymlink}}, archive.ErrEscape},
		"ErrDevice":           {[]entry{{name: "d", kind: tar.TypeBlock}}, errAny},
		"ErrTooManyBytes":     {[]entry{{name: "f", text: string(make([]byte, 2000))}}, archive.ErrTooBig},
		"ErrTooManyFiles":     {[]entry{{name: "1"}, {name: "2"}, {name: "3"}, {name: "4"}, {name: "5"}, {name: "6"}}, archive.ErrTooBig},
		"OKLastOfTheNameWins": {[]entry{{name: "f", text: "1"}, {name: "f", text: "2"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			above := t.TempDir()
			dest := filepath.Join(above, "dest")
			os.Mkdir(dest, 0o755)
			err := archive.Unpack(t.Context(), pack(t, c.entries), dest, archive.Limits{Bytes: 1000, Files: 5})
			if (err == nil) != (c.want == nil) || c.want != nil && !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if entries, _ := os.ReadDir(above); len(entries) != 1 {
				t.Errorf("something was written outside: %v", entries)
			}
		})
	}
}

// Every format gives the same files.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip"} {
		dest := t.TempDir()
		if err := archive.Unpack(t.Context(), "testdata/app."+format, dest, archive.DefaultLimits); err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if text, err := os.ReadFile(filepath.Join(dest, "app/link")); err != nil || string(text) != "hello\n" {
			t.Errorf("%s: %q %v", format, text, err)
		}
		if info, err := os.Stat(filepath.Join(dest, "app/bin/run")); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v %v", format, info, err)
		}
	}
	// A window of 256 MiB is memory that an archive may not ask for.
	if err := archive.Unpack(t.Context(), "testdata/window.tar.xz", t.TempDir(), archive.DefaultLimits); !errors.Is(err, archive.ErrTruncated) {
		t.Errorf("a large window: %v", err)
	}
}

// The list of a zip's files is in memory before the first one is looked at: how
// long it may be is judged while it is read.
func TestLongListsOfZips(t *testing.T) { // not parallel: it measures memory
	limits := archive.Limits{Files: 1000}
	for name, c := range map[string]struct {
		entries, extra int
		count          uint64 // said in the end of 64 bits, 0 for no such end
	}{
		"ManyEntries": {entries: 300_000},
		"LongEntries": {entries: 900, extra: 60_000},
		"ManyClaimed": {entries: 1, count: 400_000},
	} {
		t.Run(name, func(t *testing.T) {
			file := listOnly(t, c.entries, c.extra, c.count)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := archive.Unpack(t.Context(), file, t.TempDir(), limits)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, archive.ErrTooBig) {
				t.Errorf("got %v", err)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 2 {
				t.Errorf("it took %d MiB", n)
			}
		})
	}
}

// listOnly is a zip that holds nothing but the list of its files.
func listOnly(t *testing.T, entries, extra int, count uint64) string {
	t.Helper()
	entry := make([]byte, 46, 46+1+extra)
	copy(entry, "PK\x01\x02")
	binary.LittleEndian.PutUint16(entry[28:], 1)
	binary.LittleEndian.PutUint16(entry[30:], uint16(extra))
	entry = append(entry, 'a')
	entry = append(entry, make([]byte, extra)...)
	b := bytes.NewBufferString("PK\x03\x04")
	b.Write(make([]byte, 26))
	list := bytes.Repeat(entry, entries)
	b.Write(list)
	if count > 0 {
		b.Write(make([]byte, 30*count)) // a file that could hold as many
		end64 := make([]byte, 56+20)
		copy(end64, "PK\x06\x06")
		binary.LittleEndian.PutUint64(end64[4:], 44)
		binary.LittleEndian.PutUint64(end64[24:], count)
		binary.LittleEndian.PutUint64(end64[32:], count)
		binary.LittleEndian.PutUint64(end64[40:], uint64(len(list)))
		binary.LittleEndian.PutUint64(end64[48:], 30)
		copy(end64[56:], "PK\x06\x07")
		binary.LittleEndian.PutUint64(end64[64:], uint64(b.Len()))
		binary.LittleEndian.PutUint32(end64[72:], 1)
		b.Write(end64)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(entries))
	binary.LittleEndian.PutUint16(end[10:], uint16(entries))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(list)))
	binary.LittleEndian.PutUint32(end[16:], 30)
	if count > 0 {
		for n := 8; n < 20; n++ {
			end[n] = 0xff
		}
	}
	b.Write(end)
	file := filepath.Join(t.TempDir(), "list.zip")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// FuzzUnpack: no input may panic or write outside. By itself Go minimizes each
// input that it finds interesting for up to a minute, in which it seems to stand
// still: give -fuzzminimizetime, as make fuzz does.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Add(make([]byte, 1024))
	seeds, err := filepath.Glob("testdata/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("the seeds are missing")
	}
	for _, seed := range seeds {
		if data, err := os.ReadFile(seed); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		above := t.TempDir()
		dest, file := filepath.Join(above, "dest"), filepath.Join(above, "file")
		os.Mkdir(dest, 0o755)
		os.WriteFile(file, data, 0o600)
		archive.Unpack(t.Context(), file, dest, archive.Limits{Bytes: 1 << 20, Files: 50})
		if entries, _ := os.ReadDir(above); len(entries) != 2 {
			t.Errorf("something was written outside: %v", entries)
		}
	})
}

var errAny = errors.New("any error")

func pack(t *testing.T, entries []entry) string {
	t.Helper()
	b := new(bytes.Buffer)
	w := tar.NewWriter(b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.text)
	}
	w.Close()
	file := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
