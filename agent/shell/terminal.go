package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

const (
	// hangUpDelay is how long what runs in a terminal may take to end when it is
	// hung up.
	hangUpDelay = time.Second
	// drainDelay is how long the last output of a shell that has ended waits for
	// a reader.
	drainDelay = 10 * time.Second
	// unkillable is how long a process may take to end that was killed.
	unkillable = 5 * time.Second
)

// request is something to write, or a size.
type request struct {
	data          []byte
	columns, rows int
}

// terminal is one shell.
type terminal struct {
	shells *Shells
	open   protocol.ShellOpen
	ctx    context.Context // ends when the shell is to end
	cancel context.CancelFunc
	asked  chan request

	mu     sync.Mutex
	window int           // bytes of output that may be sent
	more   chan struct{} // one slot: there is window again
}

func newTerminal(s *Shells, o protocol.ShellOpen) *terminal {
	t := &terminal{
		shells: s, open: o, window: protocol.ShellWindow,
		asked: make(chan request, protocol.ShellPending), more: make(chan struct{}, 1),
	}
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	return t
}

// ask queues what is to go to the terminal. A server that sends more than was
// answered breaks the protocol, which ends the shell.
func (t *terminal) ask(r request) {
	select {
	case t.asked <- r:
	default:
		t.cancel()
	}
}

func (t *terminal) credit(n int) {
	t.mu.Lock()
	t.window = min(t.window+max(n, 0), protocol.ShellWindow)
	t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// run is the whole life of a shell, and answers how it ended.
func (t *terminal) run() protocol.ShellEnded {
	defer t.cancel()
	a, err := t.shells.accountFor(t.open)
	if err != nil {
		return t.shells.failed(t.open.ID, err)
	}
	master, cmd, err := start(a, t.open)
	if err != nil {
		return t.shells.failed(t.open.ID, err)
	}
	t.shells.log.Info("shell opened", slog.String("shell_id", t.open.ID), slog.String("user", a.name))
	code := t.attend(master, cmd)
	t.shells.log.Info("shell ended", slog.String("shell_id", t.open.ID), slog.String("user", a.name), slog.Int("exit_code", code))
	return protocol.ShellEnded{ID: t.open.ID, ExitCode: code}
}

// start runs the account's login shell in a new terminal.
func start(a *account, o protocol.ShellOpen) (*os.File, *exec.Cmd, error) {
	master, slave, err := openTerminal(o.Columns, o.Rows)
	if err != nil {
		return nil, nil, err
	}
	defer slave.Close()
	if err := give(slave, a); err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	cmd := exec.Command(a.shell)               //nolint:gosec,noctx // the shell of the account; it is ended by its terminal
	cmd.Args[0] = "-" + filepath.Base(a.shell) // a login shell
	cmd.Env = a.environment(o.Term)
	cmd.Dir = a.directory()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: a.credential()}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start %s: %w", a.shell, err), master.Close())
	}
	return master, cmd, nil
}

// give makes the terminal the account's, as sshd does.
func give(slave *os.File, a *account) error {
	if a.own {
		return nil
	}
	gid, mode := a.gid, os.FileMode(0o600) // the account's group is that of all others
	if g, err := user.LookupGroup("tty"); err == nil {
		if n, err := strconv.Atoi(g.Gid); err == nil {
			gid, mode = n, 0o620
		}
	}
	if err := slave.Chown(a.uid, gid); err != nil {
		return fmt.Errorf("give the terminal to %s: %w", a.name, err)
	}
	if err := slave.Chmod(mode); err != nil {
		return fmt.Errorf("give the terminal to %s: %w", a.name, err)
	}
	return nil
}

// directory is the home, or the root where that is missing.
func (a *account) directory() string {
	if info, err := os.Stat(a.home); err == nil && info.IsDir() {
		return a.home
	}
	return "/"
}

// attend serves the terminal until the shell has ended, by itself or because it
// is to, and leaves nothing of it behind.
func (t *terminal) attend(master *os.File, cmd *exec.Cmd) int {
	leader, err := proc.Identify(cmd.Process.Pid)
	if err != nil { // it is our child, so even a dead one is there
		leader = proc.ID{PID: cmd.Process.Pid}
	}
	var served sync.WaitGroup
	written := make(chan struct{})
	served.Go(func() { t.write(master) }) // shell writer: ends with t.ctx
	served.Go(func() {                    // shell reader: ends when nobody has the terminal open, or it is closed
		defer close(written)
		t.read(master)
	})
	ended := make(chan struct{})
	go func() { // shell waiter: ends with the shell, which is not forgotten yet
		defer close(ended)
		await(cmd.Process.Pid)
	}()
	select {
	case <-ended:
	case <-t.ctx.Done():
	}
	proc.HangUp(leader, hangUpDelay)
	t.drain(written)
	t.cancel()
	_ = master.Close() // what is left of its output has no reader
	served.Wait()
	select {
	case <-ended:
		_ = cmd.Wait() // its exit code is asked for below
		return cmd.ProcessState.ExitCode()
	case <-time.After(unkillable): // the kernel holds it up, which must not hold up the agent
		return -1
	}
}

// drain lets the last output be read.
func (t *terminal) drain(written <-chan struct{}) {
	timer := time.NewTimer(drainDelay)
	defer timer.Stop()
	select {
	case <-written:
	case <-t.ctx.Done():
	case <-timer.C:
	}
}

// read sends what the terminal shows, as far as there is room for it.
func (t *terminal) read(master io.Reader) {
	buf := make([]byte, protocol.ShellFrame)
	for {
		room := t.room()
		if room == 0 {
			return
		}
		n, err := master.Read(buf[:min(room, len(buf))])
		if n > 0 {
			t.mu.Lock()
			t.window -= n
			t.mu.Unlock()
			if t.shells.send(protocol.ShellOutput{ID: t.open.ID, Data: buf[:n]}) != nil {
				return
			}
		}
		if err != nil { // EIO: the last who had it open is gone
			return
		}
	}
}

// room waits until output may be sent; 0 says that the shell is to end.
func (t *terminal) room() int {
	for {
		t.mu.Lock()
		window := t.window
		t.mu.Unlock()
		if window > 0 {
			return window
		}
		select {
		case <-t.more:
		case <-t.ctx.Done():
			return 0
		}
	}
}

// write gives the terminal what was typed, and its sizes. A program that does
// not read keeps it waiting, and whoever types.
func (t *terminal) write(master *os.File) {
	for {
		var r request
		select {
		case r = <-t.asked:
		case <-t.ctx.Done():
			return
		}
		if len(r.data) > 0 {
			if _, err := master.Write(r.data); err != nil {
				return // the reader sees the end as well
			}
		} else if err := resize(master, r.columns, r.rows); err != nil {
			t.shells.log.Debug("resize a shell", slog.Any("error", err))
		}
		if t.shells.send(protocol.ShellTaken{ID: t.open.ID}) != nil {
			return
		}
	}
}
