package proc

import (
	"maps"
	"os"
	"strconv"
	"syscall"
)

// tree is a program and all it started, also what has left its process group:
// configuration managers give their children sessions of their own. A daemon
// that has let go of its parent before the tree is first looked at is not part
// of it.
type tree map[ID]bool

// grow adds the children of who is known. A child whose parent has died since
// the last look is known already, or has become somebody else's.
func (t tree) grow() {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	children := map[int][]ID{}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.parent] = append(children[s.parent], ID{pid, s.start})
		}
	}
	known := maps.Clone(t)
	for len(known) > 0 {
		found := tree{}
		for id := range known {
			for _, child := range children[id.PID] {
				if !t[child] && id.Alive() {
					t[child], found[child] = true, true
				}
			}
		}
		known = found
	}
}

func (t tree) lives() bool {
	for id := range t {
		if id.Alive() {
			return true
		}
	}
	return false
}

// kill sends KILL to all, and to what they start meanwhile.
func (t tree) kill() {
	for n := -1; n != len(t); {
		n = len(t)
		for id := range t {
			if id.Alive() {
				_ = syscall.Kill(id.PID, syscall.SIGKILL)
			}
		}
		t.grow()
	}
}
