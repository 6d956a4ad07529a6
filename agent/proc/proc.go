// Package proc runs a program and everything it starts as one thing, which ends
// as a whole.
package proc

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// Grace is how long a program's leftover children may keep its output open
// after it has ended: a daemon that a recipe started must not hold the run up.
const Grace = 2 * time.Second

// Run starts cmd in its own process group and waits for its end. When ctx ends
// first, the group, and what has left it and is still a child of it, is sent TERM
// and, if any of it still lives after delay, KILL; Run then returns context.Cause(ctx). Children that outlive a program
// which ended by itself are left alone.
func Run(ctx context.Context, cmd *exec.Cmd, delay time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = Grace
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	leader, err := Identify(cmd.Process.Pid)
	if err != nil { // it is ours, so even a dead one is there
		leader = ID{PID: cmd.Process.Pid}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return err
	case <-ctx.Done():
		end(leader, delay)
		<-ended
		return context.Cause(ctx)
	}
}

// end returns when the group and everything that the program started is gone or
// has been sent KILL.
func end(leader ID, delay time.Duration) {
	started := tree{leader: true}
	started.grow()
	_ = syscall.Kill(-leader.PID, syscall.SIGTERM) // who has gone needs none
	for id := range started {
		if pgid, err := syscall.Getpgid(id.PID); err == nil && pgid != leader.PID && id.Alive() {
			_ = syscall.Kill(id.PID, syscall.SIGTERM)
		}
	}
	deadline := time.NewTimer(delay)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for groupLives(leader.PID) || started.lives() {
		started.grow()
		select {
		case <-deadline.C:
			_ = syscall.Kill(-leader.PID, syscall.SIGKILL)
			started.kill()
			return
		case <-poll.C:
		}
	}
}

func groupLives(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
