// Package process makes machines that are none: each is the agent itself, a
// child process in a process group and a directory of its own.
//
// Nothing is isolated. Recipes run as the server's user on the server's host,
// so only such as install no packages and start no services make sense. It
// serves where neither root nor a container engine is to be had, and tests.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
	"opsyard/engine/compute/internal/watch"
)

// Config says how a Provider works. Dir and AgentCommand are needed.
type Config struct {
	Dir          string   // holds a directory for each machine
	AgentCommand []string // starts the agent; "--config FILE" is added
	Ephemeral    bool     // Close terminates all machines
	Log          *slog.Logger
	Now          func() time.Time
}

// Provider implements compute.Provider and compute.Killer.
type Provider struct {
	cfg   Config
	log   *slog.Logger
	agent []string
	hub   watch.Hub

	ctx    context.Context // ends when Close lets go of the machines
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup // one follower per running machine

	opening sync.Mutex
	opened  bool

	mu       sync.Mutex
	machines map[string]*machine
	closed   bool
	ops      sync.WaitGroup
}

var (
	_ compute.Provider = (*Provider)(nil)
	_ compute.Killer   = (*Provider)(nil)

	_ compute.VolumeKeeper = (*Provider)(nil)
	_ compute.Sizer        = (*Provider)(nil)

	errClosed = errors.New("the process provider is closed")
)

// New returns a provider over cfg.Dir; it starts nothing.
func New(cfg Config) (*Provider, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Dir == "" || len(cfg.AgentCommand) == 0 {
		return nil, errors.New("process machines need a directory and an agent to run")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the directory of the machines: %w", err)
	}
	cfg.Dir = dir
	program, err := exec.LookPath(cfg.AgentCommand[0])
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return nil, fmt.Errorf("find the agent for process machines: %w", err)
	}
	p := &Provider{cfg: cfg, log: cfg.Log, agent: append([]string{program}, cfg.AgentCommand[1:]...), machines: map[string]*machine{}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p, nil
}

// Name is "process".
func (p *Provider) Name() string { return name }

const name = "process"

// Sizes are names only: all machines have what this process has.
func (p *Provider) Sizes() []string { return compute.AnySizes() }

// HasSize tells whether a name means a size.
func (p *Provider) HasSize(size string) bool { return compute.HasAnySize(name, size) }

// Caps are few: no address, no disk, no services of its own.
func (p *Provider) Caps() compute.Caps { return compute.Caps{Reboot: true, Console: true} }

// Check tells what to expect, and whether the directory can be used.
func (p *Provider) Check(context.Context) []compute.Finding {
	parent := p.cfg.Dir
	for {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	dir := compute.Finding{Name: "directory", OK: true, Needed: true, Detail: p.cfg.Dir}
	probe, err := os.MkdirTemp(parent, ".opsyard-check-")
	if err != nil {
		dir.OK, dir.Detail = false, fmt.Sprintf("%v; choose a data directory that can be written", err)
	}
	_ = os.Remove(probe)
	return []compute.Finding{dir, {Name: "isolation", OK: true,
		Detail: "none: recipes run on this host, as this user; no packages, services or addresses of their own"}}
}

// begin opens an operation: refused after Close, which waits for its end.
func (p *Provider) begin() (end func(), err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	p.ops.Add(1)
	p.mu.Unlock()
	if err := p.open(); err != nil {
		p.ops.Done()
		return nil, err
	}
	return p.ops.Done, nil
}

// open reads, once, what an earlier server left, and adopts what still runs.
func (p *Provider) open() error {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.opened {
		return nil
	}
	if err := os.MkdirAll(p.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the machines: %w", err)
	}
	dirs, err := os.ReadDir(p.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list machines: %w", err)
	}
	for _, d := range dirs {
		var rec record
		b, err := os.ReadFile(filepath.Join(p.dirOf(d.Name()), "state.json"))
		if err == nil && json.Unmarshal(b, &rec) == nil && rec.ID == d.Name() {
			p.adopt(rec)
		}
	}
	p.opened = true
	return nil
}

func (p *Provider) adopt(rec record) {
	m := &machine{turn: make(chan struct{}, 1), rec: rec}
	p.machines[rec.ID] = m // only open is here yet
	if process, err := rec.Process.Open(); err == nil {
		p.follow(m, rec, process)
	} else if rec.Process.Pid != 0 {
		m.rec.Process.Pid, m.rec.Reason = 0, "ended while the server was away"
	}
}

// Describe tells the state of the given machines, or of all.
func (p *Provider) Describe(_ context.Context, ids ...string) ([]compute.Machine, error) {
	end, err := p.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(p.machines))
	}
	out := make([]compute.Machine, len(ids))
	for i, id := range ids {
		out[i] = compute.Machine{ID: id, State: compute.Terminated}
		if m := p.machines[id]; m != nil {
			out[i] = m.view()
		}
	}
	return out, nil
}

// Watch reports machines whose agent ends by itself.
func (p *Provider) Watch(ctx context.Context) (<-chan compute.Event, error) {
	end, err := p.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	return p.hub.Watch(ctx), nil
}

// Console is what the agent printed.
func (p *Provider) Console(_ context.Context, id string) (io.ReadCloser, error) {
	if !idPattern.MatchString(id) {
		return nil, compute.ErrNotFound
	}
	f, err := os.Open(filepath.Join(p.dirOf(id), "console.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, compute.ErrNotFound
	}
	return f, err
}

// Reconcile adopts what runs, and ends and deletes what belongs to no known instance.
func (p *Provider) Reconcile(ctx context.Context, known []string) error {
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	var errs []error
	running := map[string]bool{}
	for _, m := range p.all() {
		id := m.view().ID
		if !slices.Contains(known, id) {
			errs = append(errs, p.change(ctx, "remove", id, p.terminate))
		} else if m.current() != nil {
			running[p.dirOf(id)] = true
			p.log.InfoContext(ctx, "adopted a running process machine", slog.String("instance_id", id))
		}
	}
	killStrays(func(dir string) bool { // of a server killed before it could note them
		return filepath.Dir(dir) == p.cfg.Dir && !running[dir]
	})
	return errors.Join(errs...)
}

// Close lets go of the machines, or terminates them if the provider is ephemeral.
func (p *Provider) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.ops.Wait()
	var errs []error
	if first && p.cfg.Ephemeral {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, m := range p.all() {
			errs = append(errs, p.terminate(ctx, m))
		}
		errs = append(errs, os.RemoveAll(p.volumeDir("")))
	}
	p.cancel(errClosed)
	p.loops.Wait()
	p.hub.Close()
	return errors.Join(errs...)
}

func (p *Provider) all() []*machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.machines))
}

func (p *Provider) dirOf(id string) string { return filepath.Join(p.cfg.Dir, id) }

var (
	idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)
)

func check(spec compute.Spec) error {
	if !idPattern.MatchString(spec.ID) {
		return fmt.Errorf("%w: %q is no instance id", compute.ErrBadSpec, spec.ID)
	}
	if !compute.HasAnySize(name, spec.Size) { // a process has no size
		return fmt.Errorf("%w: there is no size %q", compute.ErrBadSpec, spec.Size)
	}
	return enroll.Validate(spec.Enroll)
}

// environment is what an agent may inherit: not the server's secrets.
func environment(dir string) []string {
	env := []string{"HOME=" + filepath.Join(dir, "home"), instanceVar + "=" + dir}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		lower := strings.ToLower(name)
		if slices.Contains([]string{"PATH", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"}, name) ||
			strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "SSL_CERT_") || strings.HasSuffix(lower, "_proxy") ||
			strings.HasSuffix(name, "CA_BUNDLE") || strings.HasSuffix(name, "CAINFO") {
			env = append(env, v)
		}
	}
	return env
}

// instanceVar tells a recipe where it may write, and this provider whose
// process it is.
const instanceVar = "OPSYARD_INSTANCE_DIR"
