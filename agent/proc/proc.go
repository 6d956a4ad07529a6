// Package proc runs a program and everything it starts as one thing: in a
// process group of its own, which ends as a whole.
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
// first, the group is sent TERM and, if any of it still lives after delay,
// KILL; Run then returns context.Cause(ctx). Children that outlive a program
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
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return err
	case <-ctx.Done():
		endGroup(cmd.Process.Pid, delay)
		<-ended
		return context.Cause(ctx)
	}
}

// endGroup returns when the group is gone or has been sent KILL.
func endGroup(pgid int, delay time.Duration) {
	_ = syscall.Kill(-pgid, syscall.SIGTERM) // who has gone needs none
	deadline := time.NewTimer(delay)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for groupLives(pgid) {
		select {
		case <-deadline.C:
			_ = syscall.Kill(-pgid, syscall.SIGKILL)
			return
		case <-poll.C:
		}
	}
}

func groupLives(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
