package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/watch"
)

// Provider makes machines on this host. It implements compute.Provider and
// compute.Killer.
type Provider struct {
	cfg     Config
	log     *slog.Logger
	tag     string // tells this provider's links, cgroups and rules from others'
	agent   agentCommand
	cgroups cgroups
	net     *network
	images  *images
	hub     watch.Hub

	ctx    context.Context // ends when Close lets go of the machines
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup // followers of machines and the memory view

	closing context.Context // ends when Close begins
	refuse  context.CancelCauseFunc

	opening sync.Mutex // around open
	opened  bool
	unlock  func() // nil before it is opened

	mu       sync.Mutex
	machines map[string]*machine
	ops      sync.WaitGroup
	closed   bool
}

var errClosed = errors.New("the local provider is closed")

// New returns a provider over cfg.Dir. It changes nothing on the host before
// the first machine or Reconcile.
func New(cfg Config) (*Provider, error) {
	cfg = cfg.withDefaults()
	for _, dir := range []*string{&cfg.Dir, &cfg.ImageDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil || *dir == "" {
			return nil, fmt.Errorf("local machines need a directory: %q", *dir)
		}
		if strings.ContainsAny(abs, `,:\"`) {
			return nil, fmt.Errorf("the directory %s cannot hold machines: its path must be free of commas, colons, quotes and backslashes", abs)
		}
		*dir = abs
	}
	agent, err := findAgent(cfg.AgentCommand)
	if err != nil {
		return nil, err
	}
	p := &Provider{cfg: cfg, log: cfg.Log, agent: agent, tag: tagOf(cfg.Dir), machines: map[string]*machine{}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.closing, p.refuse = context.WithCancelCause(context.Background())
	p.cgroups = findCgroups("opsyard-" + p.tag)
	p.net = &network{tag: p.tag, file: filepath.Join(cfg.Dir, "network.json"), want: cfg.Subnet, log: cfg.Log}
	p.images = &images{dir: cfg.ImageDir, log: cfg.Log, ctx: p.closing}
	return p, nil
}

func tagOf(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("%x", sum[:3])
}

// agentCommand is the agent's program on the host and as machines see it.
type agentCommand struct {
	host string
	args []string
}

// inside is the agent's command line in a machine.
func (a agentCommand) inside() []string {
	return append(append([]string{a.target()}, a.args...), "--config", agentConfigPath)
}

func (a agentCommand) target() string { return "/opt/opsyard/" + filepath.Base(a.host) }

func findAgent(argv []string) (agentCommand, error) {
	if len(argv) == 0 {
		return agentCommand{}, errors.New("local machines need an agent to run")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return agentCommand{}, fmt.Errorf("find the agent for local machines: %w", err)
	}
	if path, err = filepath.Abs(path); err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return agentCommand{}, fmt.Errorf("find the agent for local machines: %w", err)
	}
	return agentCommand{host: path, args: argv[1:]}, nil
}

// Name is "local".
func (p *Provider) Name() string { return "local" }

// Caps tells what these machines can do: all that is asked of one.
func (p *Provider) Caps() compute.Caps { return caps }

// Prepare brings up the network and the default image, so that the first Start
// need not wait for them. Calling it is optional.
func (p *Provider) Prepare(ctx context.Context) error {
	ctx, end, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := p.net.up(); err != nil {
		return err
	}
	_, err = p.images.resolve(ctx, p.cfg.Image)
	return err
}

// begin opens an operation: it fails after Close, and Close waits for its end
// but cancels its context.
func (p *Provider) begin(ctx context.Context) (context.Context, func(), error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nil, errClosed
	}
	p.ops.Add(1)
	p.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(p.closing, func() { cancel(errClosed) })
	end := func() { unhook(); cancel(nil); p.ops.Done() }
	if err := p.open(); err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

// Describe tells the state of the given machines, or of all.
func (p *Provider) Describe(ctx context.Context, ids ...string) ([]compute.Machine, error) {
	_, end, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ids) == 0 {
		ids = sortedKeys(p.machines)
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

// Watch reports machines that end, or reboot, by themselves.
func (p *Provider) Watch(ctx context.Context) (<-chan compute.Event, error) {
	_, end, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return p.hub.Watch(ctx), nil
}

// Console is what PID 1 and the kernel's stand-in wrote since the machine's first boot.
func (p *Provider) Console(_ context.Context, id string) (io.ReadCloser, error) {
	if !validID(id) {
		return nil, compute.ErrNotFound
	}
	f, err := os.Open(filepath.Join(p.dirOf(id), "console.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, compute.ErrNotFound
	}
	return f, err
}

// Close lets go of the machines, or terminates them if the provider is
// ephemeral. If none is left running, the bridge and the rules go too.
func (p *Provider) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.refuse(errClosed)
	p.ops.Wait()
	if !first {
		p.loops.Wait()
		return nil
	}
	var errs []error
	if p.cfg.Ephemeral {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		errs = append(errs, p.terminateAll(ctx), os.RemoveAll(p.volumeDir("")))
		cancel()
	}
	p.cancel(errClosed)
	p.loops.Wait()
	p.hub.Close()
	p.images.wait()
	p.net.closeForwards()
	if p.unlock != nil {
		if !p.anyRunning() {
			errs = append(errs, p.net.down())
			p.cgroups.removeTop()
			_ = os.Remove(p.ownerFile())
		}
		p.unlock()
	}
	return errors.Join(errs...)
}

func (p *Provider) anyRunning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.machines {
		if m.current() != nil {
			return true
		}
	}
	return false
}
