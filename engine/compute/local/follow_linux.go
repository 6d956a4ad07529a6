package local

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/proc"
)

// follow makes the machine a running one and waits for its end in the background.
func (p *Provider) follow(m *machine, rec record, process *proc.Process) {
	r := &run{process: process, done: make(chan struct{})}
	m.mu.Lock()
	m.rec, m.run = rec, r
	m.mu.Unlock()
	p.loops.Go(func() {
		defer process.Close()
		if process.Wait(p.ctx) != nil {
			return // the provider closes; the machine runs on
		}
		p.ended(m, r)
	})
}

// ended cleans up after a run and tells whoever did not ask for its end.
func (p *Provider) ended(m *machine, r *run) {
	was := m.view()
	how := ending(r, p.dirOf(was.ID))
	p.net.removeVeth(was.PrivateIP)
	p.cgroups.remove(was.ID)
	m.mu.Lock()
	m.run, m.rec.Process, m.rec.Reason = nil, proc.ID{}, how
	rec := m.rec
	m.mu.Unlock()
	if err := p.save(rec); err != nil {
		p.log.Error("local machine", slog.String("instance_id", rec.ID), slog.Any("error", err))
	}
	close(r.done)
	if r.expected.Load() {
		return
	}
	p.log.Info("local machine ended by itself", slog.String("instance_id", rec.ID), slog.String("reason", how))
	if how == reasonRebooted {
		p.bootAgain(m)
		return
	}
	p.hub.Publish(compute.Event{ID: rec.ID, State: compute.Stopped, Reason: how, At: p.cfg.Now()})
}

// Reasons of a machine's end.
const (
	reasonRebooted   = "rebooted"
	reasonPoweredOff = "powered off"
	reasonKilled     = "killed"
	reasonEnded      = "ended"
	reasonStopped    = "stopped"
)

// ending finds out how a machine ended. The kernel ends a PID namespace's first
// process with SIGHUP for a reboot and SIGINT for a power-off. Only the parent
// is told; for a machine adopted from an earlier server, the shutdown hook in
// the machine has left a note.
func ending(r *run, dir string) string {
	if ws, ok := r.process.Reap(); ok {
		switch {
		case ws.Signaled() && ws.Signal() == syscall.SIGHUP:
			return reasonRebooted
		case ws.Signaled() && ws.Signal() == syscall.SIGINT:
			return reasonPoweredOff
		case ws.Signaled() && ws.Signal() == syscall.SIGKILL:
			return reasonKilled
		}
		return reasonEnded
	}
	switch noteOf(dir) {
	case "reboot", "kexec":
		return reasonRebooted
	case "poweroff", "halt":
		return reasonPoweredOff
	}
	return reasonEnded
}

// noteOf reads what the shutdown hook wrote; "" if the machine did not shut down.
func noteOf(dir string) string {
	disk, err := os.OpenRoot(filepath.Join(dir, "upper"))
	if err != nil {
		return ""
	}
	defer disk.Close()
	b, err := disk.ReadFile(shutdownNote)
	if err != nil || len(b) > 100 {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// forgetNote removes the note of an earlier shutdown.
func forgetNote(dir string) {
	if disk, err := os.OpenRoot(filepath.Join(dir, "upper")); err == nil {
		_ = disk.Remove(shutdownNote)
		disk.Close()
	}
}

// bootAgain is the second half of a reboot from inside.
func (p *Provider) bootAgain(m *machine) {
	ctx, end, err := p.begin(p.ctx)
	if err != nil {
		return
	}
	defer end()
	id := m.view().ID
	m, release, err := p.acquire(ctx, id, false)
	if err != nil || m == nil {
		return
	}
	defer release()
	m.mu.Lock()
	rec, wanted := m.rec, m.run == nil && m.rec.Reason == reasonRebooted
	m.mu.Unlock()
	if !wanted {
		return // somebody was faster
	}
	ev := compute.Event{ID: id, State: compute.Running, Reason: reasonRebooted}
	if err := p.boot(ctx, m, &rec); err != nil {
		ev.State, ev.Reason = compute.Stopped, "rebooted, and could not start again: "+err.Error()
		m.mu.Lock()
		m.rec.Reason = ev.Reason
		m.mu.Unlock()
		p.log.Error("boot local machine again", slog.String("instance_id", id), slog.Any("error", err))
	}
	ev.At = p.cfg.Now()
	p.hub.Publish(ev)
}
