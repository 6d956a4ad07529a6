package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"opsyard/agent/archive"
)

// Limits bound one fetch.
type Limits struct {
	archive.Limits
	Time  time.Duration // of all of it
	Stall time.Duration // without a byte from an HTTP server
}

// DefaultLimits are generous to any app or cookbooks and hard on bombs. The
// agent's environment changes them: OPSYARD_SOURCE_MAX_BYTES, _MAX_FILES, and
// OPSYARD_SOURCE_TIMEOUT in seconds.
func DefaultLimits() Limits {
	l := Limits{archive.DefaultLimits, 30 * time.Minute, time.Minute}
	if n, ok := number("OPSYARD_SOURCE_MAX_BYTES"); ok {
		l.Bytes, l.FileBytes = n, min(l.FileBytes, n)
	}
	if n, ok := number("OPSYARD_SOURCE_MAX_FILES"); ok {
		l.Files = int(n)
	}
	if n, ok := number("OPSYARD_SOURCE_TIMEOUT"); ok {
		l.Time = time.Duration(n) * time.Second
	}
	return l
}

func number(name string) (int64, bool) {
	n, err := strconv.ParseInt(os.Getenv(name), 10, 64)
	return n, err == nil && n > 0 && n < 1<<40
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Limits = l.Or(d.Limits)
	if l.Time == 0 {
		l.Time = d.Time
	}
	if l.Stall == 0 {
		l.Stall = d.Stall
	}
	return l
}

// watch ends the context that it returns when a program fills dir beyond the
// limits: Git and Subversion know none. Twice as much is let through, for a
// repository lies beside its files; what is kept is measured exactly later.
func (j *job) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := j.limits.Limits
	over.Bytes, over.FileBytes, over.Files = 2*over.Bytes+64<<20, 0, over.Files+10_000
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pause := 250 * time.Millisecond
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			began := time.Now()
			if err := fill(j.tree, over); err != nil {
				cancel(fmt.Errorf("%s could not be fetched: %w", j.show, j.exactly(err)))
				return
			}
			pause = max(pause, 4*time.Since(began)) // watching a large tree must not slow its making
		}
	}()
	return ctx, func() { cancel(nil); <-ended }
}

// exactly names the limit that was set, not the one that was watched.
func (j *job) exactly(err error) error {
	if e, ok := errors.AsType[*overLimit](err); ok && e.files {
		return j.limits.TooManyFiles()
	}
	return j.limits.TooManyBytes()
}

type overLimit struct{ files bool }

func (e *overLimit) Error() string { return "over the limit" }

// fill adds up a tree that is changing meanwhile.
func fill(dir string, l archive.Limits) error {
	var bytes int64
	files := 0
	return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it was removed just now
		}
		if files++; files > l.Files {
			return &overLimit{files: true}
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		if bytes > l.Bytes {
			return &overLimit{}
		}
		return nil
	})
}
