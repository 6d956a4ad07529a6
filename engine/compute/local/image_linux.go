package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
)

// images finds or builds the root file systems below machines' disks.
type images struct {
	dir string
	log *slog.Logger
	ctx context.Context // ends builds when the provider closes

	mu     sync.Mutex
	builds map[string]*build // by image name; a failed one is not tried again by this server
	loops  sync.WaitGroup
}

// build is one image in the making, or made.
type build struct {
	done chan struct{}
	err  error
}

// resolve returns the layers of the image that want names, topmost first. It may
// take a minute if the image has to be built.
func (i *images) resolve(ctx context.Context, want string) ([]string, error) {
	kind, rest, _ := strings.Cut(want, ":")
	switch kind {
	case "host":
		return i.host()
	case "dir":
		if err := hasSystemd(rest); err != nil || !filepath.IsAbs(rest) {
			return nil, fmt.Errorf("%w: the image %s: %w", compute.ErrBadSpec, want, errors.Join(err, absError(rest)))
		}
		return []string{filepath.Clean(rest)}, nil
	case "debootstrap":
		return i.bootstrapped(ctx, rest)
	case "auto":
		return i.auto(ctx)
	}
	return nil, fmt.Errorf("%w: there is no image %q; choose auto, host, debootstrap:SUITE or dir:PATH", compute.ErrBadSpec, want)
}

func absError(path string) error {
	if filepath.IsAbs(path) {
		return nil
	}
	return fmt.Errorf("%q is not an absolute path", path)
}

func (i *images) host() ([]string, error) {
	if err := hasSystemd("/"); err != nil {
		return nil, fmt.Errorf("the host's own root cannot be the image of machines: %w", err)
	}
	return []string{"/"}, nil
}

func (i *images) auto(ctx context.Context) ([]string, error) {
	lower, err := i.bootstrapped(ctx, "")
	if err == nil || ctx.Err() != nil {
		return lower, err
	}
	lower, herr := i.host()
	if herr != nil {
		return nil, fmt.Errorf("no root file system for local machines (install mmdebstrap): %w", errors.Join(err, herr))
	}
	i.log.Warn("local machines use the host's own root file system, its known secrets hidden", slog.String("because", err.Error()))
	return lower, nil
}

// bootstrapped is the image of a suite, "" being the host's own or else Debian
// stable's; from the cache or newly built.
func (i *images) bootstrapped(ctx context.Context, suite string) ([]string, error) {
	r := newBootstrap(suite)
	path := filepath.Join(i.dir, r.name())
	if hasSystemd(path) == nil {
		return []string{path}, nil
	}
	b := i.building(r, path)
	select {
	case <-b.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if b.err != nil {
		return nil, fmt.Errorf("build the image %s: %w", r.name(), b.err)
	}
	return []string{path}, nil
}

// building joins or begins the build; it does not depend on who asked first.
func (i *images) building(r *bootstrap, path string) *build {
	i.mu.Lock()
	defer i.mu.Unlock()
	if b := i.builds[path]; b != nil {
		return b
	}
	if i.builds == nil {
		i.builds = map[string]*build{}
	}
	b := &build{done: make(chan struct{})}
	i.builds[path] = b
	i.loops.Go(func() {
		defer close(b.done)
		b.err = i.build(r, path)
	})
	return b
}

func (i *images) wait() { i.loops.Wait() }

// build makes the image beside its place and renames it: others see a whole one
// or none. Servers share the directory, so a file lock lets one build at a time.
func (i *images) build(r *bootstrap, path string) error {
	if err := os.MkdirAll(i.dir, 0o755); err != nil {
		return err
	}
	release, err := lockFile(i.ctx, path+".lock")
	if err != nil {
		return err
	}
	defer release()
	if hasSystemd(path) == nil {
		return nil // another server was faster
	}
	tmp := path + ".new"
	if err := os.RemoveAll(tmp); err != nil { // of a build that was killed
		return err
	}
	began := time.Now()
	i.log.Info("building the image of local machines; this is done once", slog.String("image", r.name()), slog.String("tool", r.tool))
	if err := r.run(i.ctx, tmp, i.log); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	i.log.Info("built the image of local machines", slog.String("image", r.name()), slog.Duration("took", time.Since(began).Round(time.Second)))
	return nil
}

// lockFile waits for an exclusive lock until the context ends.
func lockFile(ctx context.Context, path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		}
	}
	return func() { f.Close() }, nil
}

// hasSystemd tells whether a tree can boot as a machine.
func hasSystemd(root string) error {
	for _, p := range systemdPaths {
		if fi, err := os.Stat(filepath.Join(root, p)); err == nil && fi.Mode().IsRegular() {
			return nil
		}
	}
	return fmt.Errorf("%s holds no systemd", root)
}

// toolPath finds a program of the administrator's: a service's PATH may lack
// the directories that hold them. "" if there is none.
func toolPath(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// runTool runs a bootstrap tool in a mount namespace of its own, so that a
// killed one leaves nothing mounted, and logs its progress.
func runTool(ctx context.Context, log *slog.Logger, env []string, argv ...string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `umask 022; exec "$@"`, "sh"}, argv...)...)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		"HOME=/root", "DEBIAN_FRONTEND=noninteractive"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Unshareflags: unix.CLONE_NEWNS}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	var last []string
	var reader sync.WaitGroup
	reader.Go(func() {
		var logged time.Time
		for s := bufio.NewScanner(r); s.Scan(); {
			line := s.Text()
			last = append(last, line)[max(0, len(last)-9):]
			// debootstrap has several lines for each package
			if text, ok := strings.CutPrefix(line, "I: "); ok && time.Since(logged) > time.Second {
				log.Info("image: " + text)
				logged = time.Now()
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not block the tool
	})
	err := cmd.Run()
	_ = w.Close()
	reader.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, strings.Join(last, "; "))
	}
	return nil
}
