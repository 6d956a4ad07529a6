package workspace

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"opsyard/agent/proc"
)

// backgroundGrace is how long output is followed after a recipe's end, while a
// process that it left in the background still holds the pipe.
const backgroundGrace = time.Second

// run runs a recipe's process with its output into out. It returns the exit
// code, for a killed process 128 and the signal's number; the error is only
// set where there is no code: ctx has ended, or nothing could be started.
func run(ctx context.Context, cmd *exec.Cmd, delay time.Duration, out *stream) (int, error) {
	r, w, err := newPipe()
	if err != nil {
		return 1, err
	}
	defer func() { _ = r.Close() }()
	cmd.Stdout, cmd.Stderr = w, w
	copied := make(chan error, 1)
	if err := out.follow(r, copied); err != nil {
		return 1, errors.Join(err, w.Close())
	}
	err = proc.Run(ctx, cmd, delay)
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(backgroundGrace))
	if errors.Is(<-copied, os.ErrDeadlineExceeded) {
		out.note("A process goes on in the background; its output is no longer followed.")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(exit.ProcessState), nil
	}
	return 0, err
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
