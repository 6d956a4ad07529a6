package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

func start(t *testing.T) (*exec.Cmd, *Process) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Process.Release() })
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := id.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return cmd, p
}

func TestEnd(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	if !p.ID.Alive() {
		t.Fatal("a running process is not alive")
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && p.ID.Alive() {
		t.Error("a zombie is alive")
	}
	if ws, ok := p.Reap(); !ok || ws.Signal() != syscall.SIGTERM {
		t.Errorf("reaped %v, %v", ws, ok)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, ErrGone) {
		t.Errorf("signal: got %v, want ErrGone", err)
	}
	if _, err := p.ID.Open(); !errors.Is(err, ErrGone) {
		t.Errorf("open: got %v, want ErrGone", err)
	}
	if _, ok := p.Reap(); ok {
		t.Error("reaped twice")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := p.Wait(ctx); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	p.Signal(syscall.SIGKILL)
	p.Reap()
}

func TestAnotherProcessIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	self, err := Of(os.Getpid())
	if err != nil || !self.Alive() {
		t.Fatalf("%+v, %v", self, err)
	}
	for _, other := range []ID{{}, {Pid: self.Pid, Boot: self.Boot}, {Pid: self.Pid, Start: "1", Boot: self.Boot}, {Pid: self.Pid, Start: self.Start, Boot: "x"}} {
		if other.Alive() {
			t.Errorf("%+v is alive", other)
		}
	}
}
