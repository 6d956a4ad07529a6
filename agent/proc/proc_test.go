package proc_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"opsyard/agent/proc"
)

func TestRun(t *testing.T) {
	t.Parallel()
	out := new(bytes.Buffer)
	cmd := exec.Command("sh", "-c", "echo hello; exit 3")
	cmd.Stdout = out
	err := proc.Run(t.Context(), cmd, time.Second)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 || out.String() != "hello\n" {
		t.Errorf("got %v and %q", err, out)
	}
	if err := proc.Run(t.Context(), exec.Command("/no/such/program"), time.Second); err == nil {
		t.Error("a program that is not there ran")
	}
}

// TestDaemonDoesNotHoldTheRunUp: a child that keeps the output open.
func TestDaemonDoesNotHoldTheRunUp(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "sleep 60 & echo $!")
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.WaitDelay = out, 500*time.Millisecond
	if err := proc.Run(t.Context(), cmd, time.Second); err != nil {
		t.Error(err)
	}
	if err := exec.Command("kill", strings.TrimSpace(out.String())).Run(); err != nil {
		t.Errorf("the child was ended too: %v", err)
	}
}

// TestWholeGroupEnds: neither the program nor its child listens to TERM.
func TestWholeGroupEnds(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", `trap '' TERM; sh -c "sleep 1000" & echo ready; wait; wait`)
	cmd.Stdout = w
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	go func() {
		r.Read(make([]byte, 1)) // it is ready
		cancel(stopped)
	}()
	if err := proc.Run(ctx, cmd, 100*time.Millisecond); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(30 * time.Second))
	for { // the pipe ends when the last process that holds it has
		if _, err := r.Read(make([]byte, 64)); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a child lives on")
			}
			return
		}
	}
}

// TestWholeTreeEnds: a child with a session of its own, which does not listen to TERM.
func TestWholeTreeEnds(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", `setsid sh -c "trap '' TERM; echo ready; while :; do sleep 1000; done"; true`)
	cmd.Stdout = w
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	go func() {
		r.Read(make([]byte, 1)) // it is ready
		cancel(stopped)
	}()
	if err := proc.Run(ctx, cmd, 100*time.Millisecond); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(30 * time.Second))
	for { // the pipe ends when the last process that holds it has
		if _, err := r.Read(make([]byte, 64)); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a child lives on")
			}
			return
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := proc.Identify(cmd.Process.Pid)
	if err != nil || !id.Alive() {
		t.Errorf("alive: %v, %v", id.Alive(), err)
	}
	other := id
	other.Start++
	if other.Alive() {
		t.Error("another process with the number counts as the same")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if id.Alive() {
		t.Error("a dead process counts as alive")
	}
}
