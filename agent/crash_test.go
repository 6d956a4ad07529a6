package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/spool"
)

// TestKilledAgent: kill -9 of the agent in the middle of a recipe loses
// nothing, neither the recipe nor a byte of its output.
func TestKilledAgent(t *testing.T) {
	t.Parallel()
	b := &bundle{Server: agenttest.NewServer(t), data: t.TempDir()}
	b.Token("token", "i-1")
	kill := b.startProcess(t, "token")
	b.connected(t)
	run := script("c", `echo ran >> runs; for i in $(seq 1 400); do echo line $i; read -t 0.005 <> <(:); done; true`)
	b.Send(run)
	have := 0
	for range 4 {
		b.Wait(t, "more output", func(v agenttest.View) bool {
			if l := v.Logs["c"]; l != nil && v.Connected && len(l.Data) > have {
				return true
			}
			return len(v.Done["c"]) > 0
		})
		b.See(func(v agenttest.View) { have = len(v.Logs["c"].Data) })
		kill()
		b.Wait(t, "the end of the session", func(v agenttest.View) bool { return !v.Connected })
		kill = b.startProcess(t, "token")
		b.connected(t)
		b.Send(run) // as a server does that is not sure
	}
	done, log := b.WaitDone(t, "c")
	want := new(strings.Builder)
	for i := range 400 {
		fmt.Fprintf(want, "line %d\n", i+1)
	}
	if done.Outcome != protocol.Successful || string(log.Data) != want.String() {
		t.Errorf("got %+v and %d bytes, want %d", done, len(log.Data), want.Len())
	}
	if ran, _ := os.ReadFile(filepath.Join(b.data, "commands/c/workspace/runs")); string(ran) != "ran\n" {
		t.Errorf("it ran %q", ran)
	}
	kill()
}

// TestEndedWhileTheAgentWasAway: the recipe ends between two agents.
func TestEndedWhileTheAgentWasAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := t.TempDir()
	b.Send(script("c", fmt.Sprintf(`echo a; touch %[1]s/here; until [ -e %[1]s/go ]; do read -t 0.01 <> <(:); done; echo b; exit 7`, dir)))
	appears(t, filepath.Join(dir, "here"))
	b.stop()
	os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	waitResult(t, filepath.Join(b.data, "commands/c"))
	b.start(t, "token")
	if done, log := b.WaitDone(t, "c"); done.ExitCode != 7 || string(log.Data) != "a\nb\n" {
		t.Errorf("got %+v and log %q", done, log.Data)
	}
}

// TestKilledSupervisor: what ran the command is gone; nothing of it goes on,
// and the truth is told.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c", `echo $$ > pid; echo begun; exec sleep 1000`))
	pidFile := filepath.Join(b.data, "commands/c/workspace/pid")
	b.Wait(t, "output", func(v agenttest.View) bool { return v.Logs["c"] != nil && len(v.Logs["c"].Data) > 0 })
	syscall.Kill(process(t, filepath.Join(b.data, "commands/c")).PID, syscall.SIGKILL)
	done, log := b.WaitDone(t, "c")
	if done.Outcome != protocol.Failed || done.Message != "The process that ran the command was killed." || string(log.Data) != "begun\n" {
		t.Errorf("got %+v and log %q", done, log.Data)
	}
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(text), "sleep") {
		t.Error("the recipe's process still lives")
	}
	b.Send(script("d", `echo next`))
	if done, _ := b.WaitDone(t, "d"); done.Outcome != protocol.Successful {
		t.Errorf("the next command: %+v", done)
	}
}

// TestReboot: the machine goes down, processes and all, and comes back.
func TestReboot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c", `echo begun; sleep 1000`))
	b.Send(script("d", `echo after`))
	b.Wait(t, "output", func(v agenttest.View) bool { return v.Logs["c"] != nil && len(v.Logs["c"].Data) > 0 })
	b.stop()
	dir := filepath.Join(b.data, "commands/c")
	p := process(t, dir)
	syscall.Kill(-p.PID, syscall.SIGKILL)
	killSession(t, p.PID)
	p.BootID = "the boot before"
	c, err := spool.OpenCommand(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetProcess(p); err != nil {
		t.Fatal(err)
	}
	b.start(t, "token")
	if done, log := b.WaitDone(t, "c"); done.Outcome != protocol.Failed || done.Message != "The machine restarted while the command ran." || string(log.Data) != "begun\n" {
		t.Errorf("got %+v and log %q", done, log.Data)
	}
	if done, _ := b.WaitDone(t, "d"); done.Outcome != protocol.Successful {
		t.Errorf("the command that waited: %+v", done)
	}
}

// TestShutdown: the machine's own TERM to all processes gives a true result.
func TestShutdown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c", `echo begun; sleep 1000`))
	b.Wait(t, "output", func(v agenttest.View) bool { return v.Logs["c"] != nil && len(v.Logs["c"].Data) > 0 })
	syscall.Kill(process(t, filepath.Join(b.data, "commands/c")).PID, syscall.SIGTERM)
	if done, _ := b.WaitDone(t, "c"); done.Outcome != protocol.Failed || !strings.Contains(done.Message, "from outside") {
		t.Errorf("got %+v", done)
	}
}

// TestFullDisk: a clear failure, nothing hung, and work again once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := onSmallDisk(t)
	filler := filepath.Join(b.data, "filler")
	if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	b.Send(script("refused", `echo never`))
	if done, _ := b.WaitDone(t, "refused"); done.Outcome != protocol.Failed || !strings.Contains(done.Message, "no space left on device in "+b.data) {
		t.Errorf("got %+v", done)
	}
	os.Remove(filler)
	b.Send(script("works", `echo again`))
	if done, _ := b.WaitDone(t, "works"); done.Outcome != protocol.Successful {
		t.Errorf("got %+v", done)
	}
}

// TestOutputFillsTheDisk: the command ends, and says why; what it wrote before
// is not lost.
func TestOutputFillsTheDisk(t *testing.T) {
	t.Parallel()
	b := onSmallDisk(t)
	b.Send(script("fills", `head -c 20000000 /dev/zero; sleep 1000`))
	done, log := b.WaitDone(t, "fills")
	if done.Outcome != protocol.Failed || !strings.Contains(done.Message, "no space left on device in "+b.data) {
		t.Errorf("got %+v", done)
	}
	if len(log.Data) < 1<<20 {
		t.Errorf("got %d bytes of log", len(log.Data))
	}
}

// TestHistoryMakesRoom: what is kept of finished commands does not stand in the
// way of new ones.
func TestHistoryMakesRoom(t *testing.T) {
	t.Parallel()
	b := onSmallDisk(t)
	b.Send(script("old", `head -c 1000000 /dev/zero`))
	b.WaitDone(t, "old")
	journal := filepath.Join(b.data, "finished.jsonl")
	for text := []byte(nil); !strings.Contains(string(text), "old"); text, _ = os.ReadFile(journal) {
		time.Sleep(5 * time.Millisecond) // until it is history
	}
	f, err := os.Create(filepath.Join(b.data, "filler"))
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	b.Send(script("new", `echo works`))
	if done, log := b.WaitDone(t, "new"); done.Outcome != protocol.Successful || string(log.Data) != "works\n" {
		t.Errorf("got %+v, %q", done, log.Data)
	}
}

func onSmallDisk(t *testing.T) *bundle {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	b := &bundle{Server: agenttest.NewServer(t), data: t.TempDir()}
	if err := syscall.Mount("tmpfs", b.data, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(b.data, syscall.MNT_DETACH) })
	b.Token("token", "i-1")
	b.start(t, "token")
	t.Cleanup(func() { b.stop() })
	b.connected(t)
	return b
}

func process(t *testing.T, dir string) spool.Process {
	t.Helper()
	c, err := spool.OpenCommand(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Process()
	if !ok {
		t.Fatal("the command has not been started")
	}
	return p
}

func waitResult(t *testing.T, dir string) {
	t.Helper()
	c, err := spool.OpenCommand(dir)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, ok := c.Result(); ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no result")
		}
	}
}

func killSession(t *testing.T, sid int) {
	t.Helper()
	exec.Command("pkill", "-KILL", "-s", strconv.Itoa(sid)).Run() // none left is fine
}
