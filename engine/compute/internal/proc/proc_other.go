//go:build !linux

package proc

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bootID is empty: the start time that ps prints is absolute here.
func bootID() string { return "" }

func startTime(pid int) string {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if strings.HasPrefix(state, "Z") {
		return ""
	}
	return strings.TrimSpace(start)
}

// handle is nothing here: there is no pidfd, so the start time is asked again.
type handle struct{}

func openHandle(int) (handle, error) { return handle{}, nil }

func (handle) signal(id ID, sig syscall.Signal) error {
	if !id.Alive() {
		return ErrGone
	}
	return syscall.Kill(id.Pid, sig)
}

func (handle) wait(ctx context.Context, id ID) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for id.Alive() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

func (handle) close() {}
