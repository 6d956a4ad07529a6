package process

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
	"opsyard/engine/compute/internal/proc"
)

// record is what is known of a machine, on disk as state.json.
type record struct {
	ID      string    `json:"id"`
	Process proc.ID   `json:"process"`
	BootID  string    `json:"boot_id,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Reason  string    `json:"reason,omitempty"` // why it does not run
	Volumes []string  `json:"volumes,omitempty"`
}

// machine is one instance. Whoever has its turn may change it.
type machine struct {
	turn chan struct{} // one slot

	mu       sync.Mutex
	rec      record
	run      *run // nil when it does not run
	starting bool
}

// run is one life of an agent.
type run struct {
	process  *proc.Process
	expected atomic.Bool
	done     chan struct{}
}

const (
	rebootGrace    = 10 * time.Second
	reasonStopped  = "stopped"
	reasonKilled   = "killed"
	reasonEnded    = "its agent ended"
	consoleMaximum = 1 << 20
)

func (m *machine) view() compute.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := compute.Machine{ID: m.rec.ID}
	switch {
	case m.run != nil:
		v.State, v.BootID, v.Started = compute.Running, m.rec.BootID, m.rec.Started
	case m.starting:
		v.State = compute.Pending
	default:
		v.State, v.Reason = compute.Stopped, m.rec.Reason
	}
	return v
}

func (m *machine) current() *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run
}

// Start starts the agent, in the directory it had before if there is one.
func (p *Provider) Start(ctx context.Context, spec compute.Spec) (compute.Machine, error) {
	if err := check(spec); err != nil {
		return compute.Machine{}, err
	}
	if err := compute.CheckVolumes(spec.Volumes); err != nil {
		return compute.Machine{}, err
	}
	end, err := p.begin()
	if err != nil {
		return compute.Machine{}, err
	}
	defer end()
	m, release, err := p.acquire(ctx, spec.ID, true)
	if err != nil {
		return compute.Machine{}, err
	}
	defer release()
	if m.current() == nil {
		err = p.prepare(spec)
		if err == nil {
			err = p.attach(m, spec.Volumes)
		}
		if err == nil {
			err = p.save(record{ID: spec.ID, Reason: reasonStopped, Volumes: idsOf(spec.Volumes)}) // known from here on, whatever happens
		}
		if err == nil {
			err = p.boot(m)
		}
		m.mu.Lock()
		m.starting = false
		if err != nil {
			m.rec.Reason = "could not start: " + err.Error()
		}
		m.mu.Unlock()
	}
	if err != nil {
		return compute.Machine{}, fmt.Errorf("start machine %s: %w", spec.ID, err)
	}
	return m.view(), nil
}

// prepare makes the machine's directory and tells the agent where to go.
func (p *Provider) prepare(spec compute.Spec) error {
	dir := p.dirOf(spec.ID)
	for _, d := range []string{"home", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	c := enroll.Config{Server: spec.Enroll.ServerURL, Token: spec.Enroll.Token, Data: filepath.Join(dir, "data")}
	return os.WriteFile(filepath.Join(dir, "agent.json"), c.JSON(), 0o600)
}

// boot runs the agent in a session of its own, so that it outlives the server.
func (p *Provider) boot(m *machine) error {
	m.mu.Lock()
	rec := m.rec
	m.mu.Unlock()
	dir := p.dirOf(rec.ID)
	console, err := openConsole(filepath.Join(dir, "console.log"))
	if err != nil {
		return err
	}
	defer console.Close()
	cmd := exec.Command(p.agent[0], append(p.agent[1:len(p.agent):len(p.agent)], "--config", filepath.Join(dir, "agent.json"))...)
	cmd.Dir, cmd.Env = filepath.Join(dir, "home"), environment(dir)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Process.Release() // follow waits for it
	fail := func(err error) error {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
		return err
	}
	id, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		return fail(err)
	}
	process, err := id.Open()
	if err != nil {
		return fail(err)
	}
	rec.Process, rec.BootID, rec.Started, rec.Reason = id, rand.Text(), p.cfg.Now(), ""
	if err := p.save(rec); err != nil {
		process.Close()
		return fail(err)
	}
	p.follow(m, rec, process)
	return nil
}

// openConsole starts anew once it has grown large.
func openConsole(path string) (*os.File, error) {
	mode := os.O_CREATE | os.O_APPEND | os.O_WRONLY
	if fi, err := os.Stat(path); err == nil && fi.Size() > consoleMaximum {
		mode |= os.O_TRUNC
	}
	return os.OpenFile(path, mode, 0o600)
}

func (p *Provider) save(rec record) error {
	b, err := json.MarshalIndent(rec, "", "  ")
	file := filepath.Join(p.dirOf(rec.ID), "state.json")
	if err == nil {
		err = os.WriteFile(file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("note the state of machine %s: %w", rec.ID, err)
	}
	return nil
}

// follow makes the machine a running one and waits for its end in the background.
func (p *Provider) follow(m *machine, rec record, process *proc.Process) {
	r := &run{process: process, done: make(chan struct{})}
	m.mu.Lock()
	m.rec, m.run = rec, r
	m.mu.Unlock()
	p.loops.Go(func() {
		defer process.Close()
		if process.Wait(p.ctx) == nil {
			p.ended(m, r)
		}
	})
}

// ended ends what the agent left running, as a machine's end would, and tells
// whoever did not ask for it.
func (p *Provider) ended(m *machine, r *run) {
	id := m.view().ID
	killStrays(func(dir string) bool { return dir == p.dirOf(id) })
	reason := reasonEnded
	if ws, ok := r.process.Reap(); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
		reason = reasonKilled
	}
	m.mu.Lock()
	m.run, m.rec.Process, m.rec.Reason = nil, proc.ID{}, reason
	rec := m.rec
	m.mu.Unlock()
	if err := p.save(rec); err != nil {
		p.log.Error("process machine", slog.String("instance_id", id), slog.Any("error", err))
	}
	close(r.done)
	if !r.expected.Load() {
		p.log.Info("process machine ended by itself", slog.String("instance_id", id), slog.String("reason", reason))
		p.hub.Publish(compute.Event{ID: id, State: compute.Stopped, Reason: reason, At: p.cfg.Now()})
	}
}

// Stop ends the agent and all it started; its directory is kept.
func (p *Provider) Stop(ctx context.Context, id string, grace time.Duration) error {
	return p.change(ctx, "stop", id, func(ctx context.Context, m *machine) error { return p.stop(ctx, m, grace) })
}

// Reboot starts the agent again.
func (p *Provider) Reboot(ctx context.Context, id string, hard bool) error {
	grace := rebootGrace
	if hard {
		grace = 0
	}
	err := compute.ErrNotFound
	cerr := p.change(ctx, "reboot", id, func(ctx context.Context, m *machine) error {
		if err = nil; m.current() == nil {
			return errors.New("it is not running")
		}
		if err := p.stop(ctx, m, grace); err != nil {
			return err
		}
		return p.boot(m)
	})
	if cerr == nil && err != nil {
		return fmt.Errorf("reboot machine %s: %w", id, err)
	}
	return cerr
}

// Terminate ends the agent and deletes its directory.
func (p *Provider) Terminate(ctx context.Context, id string) error {
	return p.change(ctx, "terminate", id, p.terminate)
}

// Kill ends the agent and all it started at once; watchers hear of it.
func (p *Provider) Kill(ctx context.Context, id string) error {
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	p.mu.Lock()
	m := p.machines[id]
	p.mu.Unlock()
	if m == nil {
		return fmt.Errorf("kill machine %s: %w", id, compute.ErrNotFound)
	}
	if r := m.current(); r != nil {
		return r.end(ctx, 0)
	}
	return nil
}

func (p *Provider) stop(ctx context.Context, m *machine, grace time.Duration) error {
	if r := m.current(); r != nil {
		r.expected.Store(true)
		if err := r.end(ctx, grace); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.rec.Reason = reasonStopped
	rec := m.rec
	m.mu.Unlock()
	return p.save(rec)
}

func (p *Provider) terminate(ctx context.Context, m *machine) error {
	if r := m.current(); r != nil {
		r.expected.Store(true)
		if err := r.end(ctx, 0); err != nil {
			return err
		}
	}
	id := m.view().ID
	if err := os.RemoveAll(p.dirOf(id)); err != nil {
		return fmt.Errorf("delete its directory: %w", err)
	}
	p.mu.Lock()
	delete(p.machines, id)
	p.mu.Unlock()
	return nil
}

// end asks the agent to end, and after grace kills its process group.
func (r *run) end(ctx context.Context, grace time.Duration) error {
	if grace > 0 {
		_ = r.process.Signal(syscall.SIGTERM) // if it is gone already, done says so
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-r.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
	if r.process.ID.Alive() {
		_ = syscall.Kill(-r.process.ID.Pid, syscall.SIGKILL)
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// change runs do on a known machine in its turn; an unknown one is left alone.
func (p *Provider) change(ctx context.Context, what, id string, do func(context.Context, *machine) error) error {
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	m, release, err := p.acquire(ctx, id, false)
	if err == nil && m != nil {
		err = do(ctx, m)
		release()
	}
	if err != nil {
		return fmt.Errorf("%s machine %s: %w", what, id, err)
	}
	return nil
}

// acquire waits for the machine's turn. Without create an unknown machine is nil.
func (p *Provider) acquire(ctx context.Context, id string, create bool) (*machine, func(), error) {
	for {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		p.mu.Lock()
		m := p.machines[id]
		if m == nil && create {
			m = &machine{turn: make(chan struct{}, 1), rec: record{ID: id}, starting: true}
			m.turn <- struct{}{} // ours from birth
			p.machines[id] = m
			p.mu.Unlock()
			return m, func() { <-m.turn }, nil
		}
		p.mu.Unlock()
		if m == nil {
			return nil, func() {}, nil
		}
		select {
		case m.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		p.mu.Lock()
		same := p.machines[id] == m
		p.mu.Unlock()
		if same {
			return m, func() { <-m.turn }, nil
		}
		<-m.turn // terminated while we waited
	}
}
