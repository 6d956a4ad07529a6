package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ID names a process beyond the reuse of its number.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot
}

// Identify reads the identity of a living process.
func Identify(pid int) (ID, error) {
	s, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: s.start}, nil
}

// Alive tells whether the very process lives; a zombie does not.
func (id ID) Alive() bool {
	s, err := readStat(id.PID)
	return err == nil && s.start == id.Start && s.state != 'Z' && s.state != 'X'
}

// killWait is how long KillSession waits for the dead: one that the kernel
// holds up, on a disk that does not answer, must not hold up the agent as well.
const killWait = 10 * time.Second

// KillSession sends KILL to every process of the session that sid leads or
// led, except to the caller, waits until they are gone and returns how many
// there were. It finds what a dead leader left behind; a daemon has a session
// of its own.
func KillSession(sid int) int {
	killed := map[ID]bool{}
	for deadline := time.Now().Add(killWait); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, id := range session(sid) {
			if syscall.Kill(id.PID, syscall.SIGKILL) == nil {
				killed[id] = true
				left++
			}
		}
		if left == 0 || time.Now().After(deadline) {
			return len(killed)
		}
	}
}

// HangUp ends what runs in a terminal whose session the living or unwaited
// leader leads: all of the session and all that the leader started is sent HUP
// and, what of it lives after delay, KILL.
func HangUp(leader ID, delay time.Duration) {
	family := tree{leader: true}
	family.grow()
	for _, id := range session(leader.PID) {
		family[id] = true
	}
	for id := range family {
		if id.Alive() {
			_ = syscall.Kill(id.PID, syscall.SIGHUP)
			_ = syscall.Kill(id.PID, syscall.SIGCONT) // a stopped one would not hear
		}
	}
	deadline := time.NewTimer(delay)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for over := false; family.lives() && !over; {
		family.grow()
		select {
		case <-deadline.C:
			over = true
		case <-poll.C:
		}
	}
	family.kill()
	KillSession(leader.PID)
}

// session lists the living processes of a session without the caller.
func session(sid int) (members []ID) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if s, err := readStat(pid); err == nil && s.session == sid && s.state != 'Z' && s.state != 'X' {
			members = append(members, ID{PID: pid, Start: s.start})
		}
	}
	return members
}

type stat struct {
	state   byte
	parent  int
	session int
	start   uint64
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	// The program's name is in parentheses and may itself hold some.
	i := strings.LastIndexByte(string(raw), ')')
	if i < 0 {
		return stat{}, fmt.Errorf("read /proc/%d/stat: no name in it", pid)
	}
	f := strings.Fields(string(raw[i+1:]))
	if len(f) < 20 {
		return stat{}, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(f))
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return stat{}, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	session, err := strconv.Atoi(f[3])
	if err != nil {
		return stat{}, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	start, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return stat{state: f[0][0], parent: parent, session: session, start: start}, nil
}
