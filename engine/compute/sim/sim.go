// Package sim makes machines that exist only in this process: each is a
// simulated agent, which enrols and connects like any other and plays a script.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
	"opsyard/engine/compute/internal/watch"
)

// Config says how a Provider works. Dir is needed.
type Config struct {
	Dir    string // keeps the machines' identities over a restart of the server
	Script simulated.Script
	// Received is called with every command that comes for the first time.
	Received func(protocol.Run)
	// Ephemeral terminates the machines at Close.
	Ephemeral bool
	Log       *slog.Logger
	Now       func() time.Time
}

// Provider is the sim provider. Its machines end with this process; Reconcile
// brings back those that ran, with the identities and boot ids they had.
type Provider struct {
	cfg Config
	hub watch.Hub

	mu       sync.Mutex
	machines map[string]*machine
	closed   bool
}

var (
	_ compute.Provider = (*Provider)(nil)
	_ compute.Killer   = (*Provider)(nil)

	_ compute.VolumeKeeper = (*Provider)(nil)
	_ compute.Sizer        = (*Provider)(nil)
)

var errClosed = errors.New("the sim provider is closed")

const (
	reasonStopped = "stopped"
	reasonKilled  = "killed"
)

// New opens the provider over its directory.
func New(cfg Config) (*Provider, error) {
	if cfg.Dir == "" {
		return nil, errors.New("simulated machines need a directory")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open simulated machines: %w", err)
	}
	machines, err := load(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open simulated machines: %w", err)
	}
	return &Provider{cfg: cfg, machines: machines}, nil
}

// Name is "sim".
func (p *Provider) Name() string { return name }

const name = "sim"

// Sizes are names only: all machines have what this process has.
func (p *Provider) Sizes() []string { return compute.AnySizes() }

// HasSize tells whether a name means a size.
func (p *Provider) HasSize(size string) bool { return compute.HasAnySize(name, size) }

// Caps are everything that can be pretended.
func (p *Provider) Caps() compute.Caps {
	return compute.Caps{OwnIP: true, OwnDisk: true, Services: true, Reboot: true, Simulated: true}
}

// Check has nothing to look for.
func (p *Provider) Check(context.Context) []compute.Finding {
	return []compute.Finding{{Name: "simulation", OK: true,
		Detail: "machines are simulated in this process: nothing is installed and no recipe is run"}}
}

var (
	idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
)

func check(spec compute.Spec) error {
	if !idPattern.MatchString(spec.ID) {
		return fmt.Errorf("%w: %q is no instance id", compute.ErrBadSpec, spec.ID)
	}
	if !compute.HasAnySize(name, spec.Size) {
		return fmt.Errorf("%w: there is no size %q", compute.ErrBadSpec, spec.Size)
	}
	return enroll.Validate(spec.Enroll)
}

// lock opens an operation unless it is too late for one.
func (p *Provider) lock(ctx context.Context) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	return p.mu.Unlock, nil
}

// Start starts the machine's agent with the identity it had, if any.
func (p *Provider) Start(ctx context.Context, spec compute.Spec) (compute.Machine, error) {
	if err := check(spec); err != nil {
		return compute.Machine{}, err
	}
	if err := compute.CheckVolumes(spec.Volumes); err != nil {
		return compute.Machine{}, err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return compute.Machine{}, err
	}
	defer unlock()
	m := p.machines[spec.ID]
	if m == nil {
		m = &machine{rec: record{ID: spec.ID, IP: p.freeAddress()}}
	}
	if m.rec.Running {
		return m.view(), nil
	}
	m.rec.Volumes = spec.Volumes
	m.rec.Hostname, m.rec.Server, m.rec.Token = spec.Hostname, spec.Enroll.ServerURL, spec.Enroll.Token
	if err := p.boot(m); err != nil {
		return compute.Machine{}, fmt.Errorf("start machine %s: %w", spec.ID, err)
	}
	p.machines[spec.ID] = m
	return m.view(), nil
}

// Stop ends the agent; nothing in it needs the grace.
func (p *Provider) Stop(ctx context.Context, id string, _ time.Duration) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if m := p.machines[id]; m != nil {
		if err := p.halt(m, reasonStopped); err != nil {
			return fmt.Errorf("stop machine %s: %w", id, err)
		}
	}
	return nil
}

// Reboot starts the agent again, as after a boot.
func (p *Provider) Reboot(ctx context.Context, id string, _ bool) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m := p.machines[id]
	if m == nil {
		return fmt.Errorf("reboot machine %s: %w", id, compute.ErrNotFound)
	}
	if !m.rec.Running {
		return fmt.Errorf("reboot machine %s: it is not running", id)
	}
	m.end()
	if err := p.boot(m); err != nil {
		return fmt.Errorf("reboot machine %s: %w", id, err)
	}
	return nil
}

// Terminate ends the agent and forgets its identity.
func (p *Provider) Terminate(ctx context.Context, id string) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return p.terminate(id)
}

// Kill pulls the plug; watchers hear of it.
func (p *Provider) Kill(ctx context.Context, id string) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m := p.machines[id]
	if m == nil {
		return fmt.Errorf("kill machine %s: %w", id, compute.ErrNotFound)
	}
	if !m.rec.Running {
		return nil
	}
	if err := p.halt(m, reasonKilled); err != nil {
		return fmt.Errorf("kill machine %s: %w", id, err)
	}
	p.hub.Publish(compute.Event{ID: id, State: compute.Stopped, Reason: reasonKilled, At: p.cfg.Now()})
	return nil
}

// Describe tells what is pretended.
func (p *Provider) Describe(ctx context.Context, ids ...string) ([]compute.Machine, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
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

// Watch reports machines that were killed.
func (p *Provider) Watch(ctx context.Context) (<-chan compute.Event, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return p.hub.Watch(ctx), nil
}

// Console is not pretended.
func (p *Provider) Console(context.Context, string) (io.ReadCloser, error) {
	return nil, compute.ErrUnsupported
}

// Reconcile brings back the machines that ran and removes the unknown ones.
func (p *Provider) Reconcile(ctx context.Context, known []string) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var errs []error
	for id, m := range p.machines {
		switch {
		case !slices.Contains(known, id):
			errs = append(errs, p.terminate(id))
		case m.rec.Running && m.cancel == nil:
			p.play(m, 0)
			p.cfg.Log.DebugContext(ctx, "a simulated machine runs again", slog.String("instance_id", id))
		}
	}
	return errors.Join(errs...)
}

// Close ends the agents. It is safe twice.
func (p *Provider) Close() error {
	p.mu.Lock()
	var errs []error
	if !p.closed {
		p.closed = true
		for _, m := range p.machines {
			m.quit()
		}
		for id, m := range p.machines {
			m.end()
			if p.cfg.Ephemeral {
				errs = append(errs, p.terminate(id))
			}
		}
	}
	p.mu.Unlock()
	p.hub.Close()
	return errors.Join(errs...)
}

// freeAddress finds the next address in a range that nobody routes.
func (p *Provider) freeAddress() string {
	used := map[string]bool{}
	for _, m := range p.machines {
		used[m.rec.IP] = true
	}
	for n := len(p.machines) + 1; ; n++ {
		ip := fmt.Sprintf("198.18.%d.%d", n>>8&0xff, n&0xff)
		if !used[ip] && !strings.HasSuffix(ip, ".0") && !strings.HasSuffix(ip, ".255") {
			return ip
		}
	}
}
