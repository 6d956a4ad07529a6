package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"opsyard/engine/compute/internal/proc"
)

// open takes the directory for this server, reads what is known of its machines
// and adopts those that run. It does so once, before the first operation.
func (p *Provider) open() error {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.opened {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("local machines need root: run the server as root, or choose the process provider")
	}
	if err := os.MkdirAll(filepath.Join(p.cfg.Dir, "instances"), 0o700); err != nil {
		return fmt.Errorf("make the directory of the machines: %w", err)
	}
	// A server that was killed may have a child that still holds its lock for
	// the moment between clone and exec.
	ctx, cancel := context.WithTimeout(p.closing, 3*time.Second)
	defer cancel()
	lock, err := lockFile(ctx, filepath.Join(p.cfg.Dir, "lock"))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the machines in %s belong to another server that is running", p.cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("lock the directory of the machines: %w", err)
	}
	p.unlock = lock
	if err := errors.Join(p.announce(), p.load()); err != nil {
		p.unlock()
		p.unlock = nil
		return err
	}
	p.removeAbandoned()
	p.loops.Go(p.refreshMemory)
	p.opened = true
	return nil
}

func (p *Provider) load() error {
	dirs, err := os.ReadDir(filepath.Join(p.cfg.Dir, "instances"))
	if err != nil {
		return fmt.Errorf("list machines: %w", err)
	}
	for _, d := range dirs {
		var rec record
		b, err := os.ReadFile(filepath.Join(p.dirOf(d.Name()), "state.json"))
		if err == nil {
			err = json.Unmarshal(b, &rec)
		}
		if err != nil || rec.ID != d.Name() {
			p.log.Warn("a directory holds no machine", slog.String("dir", p.dirOf(d.Name())), slog.Any("error", err))
			continue
		}
		p.adopt(rec)
	}
	return nil
}

// adopt makes a machine of an earlier server ours, running or not.
func (p *Provider) adopt(rec record) {
	m := &machine{turn: make(chan struct{}, 1), rec: rec}
	p.mu.Lock()
	p.machines[rec.ID] = m
	p.mu.Unlock()
	process, err := rec.Process.Open()
	if err == nil {
		p.follow(m, rec, process)
		return
	}
	if rec.Process != (proc.ID{}) {
		m.rec.Process, m.rec.Reason = proc.ID{}, "ended while the server was away"
	}
}

// Reconcile adopts the machines of an earlier server process and removes what
// belongs to none of the known instances: machines, cgroups with all their
// processes, links. Mounts need no care: they ended with their machine.
func (p *Provider) Reconcile(ctx context.Context, known []string) error {
	ctx, end, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var errs []error
	alive, links := map[string]bool{}, map[string]bool{}
	for _, m := range p.all() {
		v := m.view()
		if !slices.Contains(known, v.ID) {
			p.log.InfoContext(ctx, "removing a local machine of no known instance", slog.String("instance_id", v.ID))
			errs = append(errs, p.change(ctx, "remove", v.ID, p.terminate))
			continue
		}
		if m.current() != nil {
			alive[v.ID], links[p.net.vethName(v.PrivateIP)] = true, true
			p.log.InfoContext(ctx, "adopted a running local machine", slog.String("instance_id", v.ID))
		}
	}
	for _, id := range p.cgroups.ids() {
		if !alive[id] {
			p.cgroups.remove(id)
		}
	}
	errs = append(errs, p.net.removeOrphans(links), p.removeRubbish())
	if len(alive) > 0 {
		errs = append(errs, p.net.up(), p.forwardAll())
		p.net.keepOpen()
	}
	return errors.Join(errs...)
}

// removeRubbish deletes what a killed server left half deleted or half made.
func (p *Provider) removeRubbish() error {
	errs := []error{os.RemoveAll(filepath.Join(p.cfg.Dir, "trash"))}
	dirs, err := os.ReadDir(filepath.Join(p.cfg.Dir, "instances"))
	errs = append(errs, err)
	for _, d := range dirs {
		p.mu.Lock()
		known := p.machines[d.Name()] != nil
		p.mu.Unlock()
		if !known {
			errs = append(errs, os.RemoveAll(p.dirOf(d.Name())))
		}
	}
	return errors.Join(errs...)
}

// forwardAll makes the server reachable again for adopted machines.
func (p *Provider) forwardAll() error {
	var errs []error
	for _, m := range p.all() {
		m.mu.Lock()
		address, running := m.rec.ServerURL, m.run != nil
		m.mu.Unlock()
		if running {
			errs = append(errs, p.forwardServer(address))
		}
	}
	return errors.Join(errs...)
}
