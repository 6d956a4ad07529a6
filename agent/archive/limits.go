package archive

import (
	"errors"
	"fmt"
	"strconv"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Bytes     int64 // of all files
	FileBytes int64 // of one file
	Files     int   // files, directories and links
	Path      int   // bytes of one path
}

// DefaultLimits fit any reasonable app or cookbook and stop an archive bomb.
var DefaultLimits = Limits{Bytes: 8 << 30, FileBytes: 4 << 30, Files: 500_000, Path: 2048}

// Errors that say what is wrong with an archive.
var (
	ErrFormat    = errors.New("it is not a tar, tar.gz, tar.bz2, tar.xz, tar.zst or zip archive")
	ErrTruncated = errors.New("it is damaged or not complete")
	ErrEscape    = errors.New("it holds a path that leaves the archive")
	ErrTooBig    = errors.New("it is more than is allowed")
)

// Or replaces the limits that are not set.
func (l Limits) Or(d Limits) Limits {
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.FileBytes == 0 {
		l.FileBytes = d.FileBytes
	}
	if l.Files == 0 {
		l.Files = d.Files
	}
	if l.Path == 0 {
		l.Path = d.Path
	}
	return l
}

// TooManyBytes is the error of more bytes than are allowed.
func (l Limits) TooManyBytes() error {
	return fmt.Errorf("%w: the limit is %s", ErrTooBig, size(l.Bytes))
}

// TooManyFiles is the error of more files than are allowed.
func (l Limits) TooManyFiles() error {
	return fmt.Errorf("%w: the limit is %d files and directories", ErrTooBig, l.Files)
}

// TooBigFile is the error of a file that alone is too big.
func (l Limits) TooBigFile(name string) error {
	return fmt.Errorf("%w: the file %s is larger than the limit of %s", ErrTooBig, quote(name), size(l.FileBytes))
}

// ErrKind is the error of a device, a socket or a pipe.
func ErrKind(name string) error {
	return fmt.Errorf("it holds %s, which is neither file, directory nor link", quote(name))
}

// quote shows a name of unknown origin: no control characters, not too long.
func quote(name string) string {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.Quote(name)
}

func size(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
