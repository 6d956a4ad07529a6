package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockFile is held by the supervisor that runs recipes: those of the server's
// commands and those that somebody on the host starts must not meet.
const lockFile = "run.lock"

// alone goes through the phases when no other supervisor of this data
// directory does. The process's end unlocks too.
func (r *run) alone(ctx context.Context) error {
	f, err := os.OpenFile(filepath.Join(r.data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return r.phases(ctx) // a full disk: the run says so better
	}
	defer f.Close()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for waits := false; ; waits = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return r.phases(ctx)
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("wait for other runs on this host: %w", err)
		}
		if !waits {
			_, _ = fmt.Fprintln(r.out, "Another run is under way on this host; this one begins when it has ended.")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// cachedCookbooks takes the copy that the last refresh left: a run that somebody
// on the host starts has no credentials for another. Where there is none, the
// runner names the recipes that are missing.
func (r *run) cachedCookbooks() error {
	root := filepath.Join(r.data, "cookbooks")
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the custom cookbooks: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.Contains(e.Name(), ".") {
			r.job.Cookbooks = append(r.job.Cookbooks, filepath.Join(root, e.Name()))
			return nil
		}
	}
	return nil
}
