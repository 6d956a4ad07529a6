package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/proc"
)

// powerOff is SIGRTMIN+4, on which systemd starts poweroff.target.
const powerOff = syscall.Signal(34 + 4)

// rebootGrace is how long a soft reboot waits for services to end.
const rebootGrace = 30 * time.Second

// Stop shuts the machine down; its disk and address are kept.
func (p *Provider) Stop(ctx context.Context, id string, grace time.Duration) error {
	return p.change(ctx, "stop", id, func(ctx context.Context, m *machine) error {
		return p.stop(ctx, m, grace)
	})
}

// Reboot stops and boots the machine; hard pulls the plug instead of stopping.
func (p *Provider) Reboot(ctx context.Context, id string, hard bool) error {
	grace := rebootGrace
	if hard {
		grace = 0
	}
	found := false
	err := p.change(ctx, "reboot", id, func(ctx context.Context, m *machine) error {
		found = true
		if m.current() == nil {
			return errors.New("it is not running")
		}
		if err := p.stop(ctx, m, grace); err != nil {
			return err
		}
		m.mu.Lock()
		rec := m.rec
		m.mu.Unlock()
		return p.boot(ctx, m, &rec)
	})
	if err == nil && !found {
		return fmt.Errorf("reboot machine %s: %w", id, compute.ErrNotFound)
	}
	return err
}

// Terminate ends the machine and deletes its disk.
func (p *Provider) Terminate(ctx context.Context, id string) error {
	return p.change(ctx, "terminate", id, p.terminate)
}

// Kill pulls the plug: one SIGKILL to PID 1 ends everything in the machine.
// Watchers hear of it.
func (p *Provider) Kill(ctx context.Context, id string) error {
	ctx, end, err := p.begin(ctx)
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
		if err := r.kill(ctx); err != nil {
			return fmt.Errorf("kill machine %s: %w", id, err)
		}
	}
	return nil
}

// change runs do on a known machine in its turn; an unknown one is left alone.
func (p *Provider) change(ctx context.Context, what, id string, do func(context.Context, *machine) error) error {
	ctx, end, err := p.begin(ctx)
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

func (p *Provider) stop(ctx context.Context, m *machine, grace time.Duration) error {
	r := m.current()
	if r != nil {
		r.expected.Store(true)
		if !r.shutDown(ctx, grace) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := r.kill(ctx); err != nil {
				return err
			}
		}
	}
	m.mu.Lock()
	m.rec.Reason = reasonStopped
	rec := m.rec
	m.mu.Unlock()
	return p.save(rec)
}

// shutDown asks PID 1 until it ends; false if it has not within grace. Asking
// again matters: a systemd that has only just started drops the signal.
func (r *run) shutDown(ctx context.Context, grace time.Duration) bool {
	if grace <= 0 {
		return false
	}
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		if err := r.process.Signal(powerOff); err != nil && !errors.Is(err, proc.ErrGone) {
			return false
		}
		select {
		case <-r.done:
			return true
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		case <-again.C:
		}
	}
}

func (r *run) kill(ctx context.Context) error {
	if err := r.process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, proc.ErrGone) && !errors.Is(err, os.ErrClosed) {
		return err
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *Provider) terminate(ctx context.Context, m *machine) error {
	if r := m.current(); r != nil {
		r.expected.Store(true)
		if err := r.kill(ctx); err != nil {
			return err
		}
	}
	id := m.view().ID
	// Renamed first: a server killed half-way finds rubbish, not half a machine.
	trash := filepath.Join(p.cfg.Dir, "trash", id)
	if err := os.RemoveAll(trash); err != nil {
		return fmt.Errorf("delete its disk: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(trash), 0o700); err != nil {
		return err
	}
	if err := os.Rename(p.dirOf(id), trash); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete its disk: %w", err)
	}
	if err := os.RemoveAll(trash); err != nil {
		return fmt.Errorf("delete its disk: %w", err)
	}
	p.forget(id) // last: a start that waits for its turn makes a new one
	return nil
}

// terminateAll ends all machines at once: one after the other would take a
// third of a second each. It runs while Close refuses new operations.
func (p *Provider) terminateAll(ctx context.Context) error {
	var wg sync.WaitGroup
	all := p.all()
	errs := make([]error, len(all))
	for i, m := range all {
		wg.Go(func() { errs[i] = p.terminate(ctx, m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
