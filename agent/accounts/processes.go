package accounts

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endLimit bounds how long the dead are waited for; one that the kernel holds up
// on a disk that does not answer must not hold up the agent as well.
const endLimit = 5 * time.Second

// endProcesses kills what runs as the user and what that has started, also as
// root: a shell behind sudo is the user's.
func endProcesses(ctx context.Context, uid int) {
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	for {
		all := processes()
		theirs := belonging(all, uid)
		if len(theirs) == 0 {
			return
		}
		for _, pid := range theirs {
			_ = syscall.Kill(pid, syscall.SIGKILL) // who has gone needs none
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

type process struct {
	pid, parent int
	uids        []int // real, effective, saved, of files
}

// belonging are the processes of a user and all below them, but not this one.
func belonging(all []process, uid int) []int {
	theirs := map[int]bool{}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !theirs[p.pid] && (slices.Contains(p.uids, uid) || theirs[p.parent]) {
				theirs[p.pid], grown = true, true
			}
		}
	}
	var pids []int
	for pid := range theirs {
		if pid > 1 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processes are all that live.
func processes() (all []process) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + d.Name() + "/status")
		if err != nil {
			continue
		}
		if p, lives := readStatus(pid, string(raw)); lives {
			all = append(all, p)
		}
	}
	return all
}

func readStatus(pid int, text string) (p process, lives bool) {
	p.pid, lives = pid, true
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		switch {
		case name == "State" && len(f) > 0:
			lives = f[0] != "Z" && f[0] != "X"
		case name == "PPid" && len(f) == 1:
			p.parent, _ = strconv.Atoi(f[0])
		case name == "Uid":
			for _, id := range f {
				if n, err := strconv.Atoi(id); err == nil {
					p.uids = append(p.uids, n)
				}
			}
		}
	}
	return p, lives
}
