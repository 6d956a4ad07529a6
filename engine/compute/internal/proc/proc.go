// Package proc names a process so that it is found again after the server's
// restart, and never taken for another one that got the same number.
package proc

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// ErrGone means that the process has ended.
var ErrGone = errors.New("the process has ended")

// ID names one process for good: numbers are reused, start times are not, and
// both begin anew when the host boots.
type ID struct {
	Pid   int    `json:"pid"`
	Start string `json:"start"`
	Boot  string `json:"boot"`
}

// Of names the process that has this number now.
func Of(pid int) (ID, error) {
	start := startTime(pid)
	if start == "" {
		return ID{}, ErrGone
	}
	return ID{Pid: pid, Start: start, Boot: bootID()}, nil
}

// Alive reports whether this very process still runs; a zombie does not.
func (id ID) Alive() bool {
	return id.Pid > 0 && id.Boot == bootID() && id.Start != "" && startTime(id.Pid) == id.Start
}

// Process is a hold on a live process: signals through it reach that one or none.
type Process struct {
	ID ID
	h  handle
}

// Open takes hold of the process, or returns ErrGone.
func (id ID) Open() (*Process, error) {
	if !id.Alive() {
		return nil, ErrGone
	}
	h, err := openHandle(id.Pid)
	if err != nil {
		return nil, err
	}
	if !id.Alive() { // the number may have changed hands before the handle was there
		h.close()
		return nil, ErrGone
	}
	return &Process{ID: id, h: h}, nil
}

// Signal sends sig; ErrGone if the process has ended.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.h.signal(p.ID, sig)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) {
		return ErrGone
	}
	return err
}

// Wait returns when the process has ended, or with the context's cause.
func (p *Process) Wait(ctx context.Context) error { return p.h.wait(ctx, p.ID) }

// Reap collects the exit status of a child of ours that has ended; ok is false
// for somebody else's.
func (p *Process) Reap() (ws syscall.WaitStatus, ok bool) {
	for {
		pid, err := syscall.Wait4(p.ID.Pid, &ws, syscall.WNOHANG, nil)
		if !errors.Is(err, syscall.EINTR) {
			return ws, err == nil && pid == p.ID.Pid
		}
	}
}

// Close lets go of the process; it runs on.
func (p *Process) Close() { p.h.close() }
