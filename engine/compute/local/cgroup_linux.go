package local

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups knows this host's hierarchies: cgroup2 and, on hybrid hosts, the v1
// controllers. A machine has the group top/ID in each, where its limits are; in
// cgroup2 it lives one deeper in "machine", which is all that its systemd sees,
// beside "exec" for commands from outside: cgroup2 allows no process in a group
// that shares controllers out, and systemd shares out its own.
type cgroups struct {
	v2  string
	v1  map[string]string // controller → mount point
	top string
}

func findCgroups(top string) cgroups {
	c := cgroups{v1: map[string]string{}, top: top}
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return c
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) < 4 {
			continue
		}
		switch w[2] {
		case "cgroup2":
			c.v2 = firstOf(c.v2, w[1])
		case "cgroup":
			for o := range strings.SplitSeq(w[3], ",") {
				switch o {
				case "memory", "cpu", "cpuacct", "pids":
					c.v1[o] = w[1]
				}
			}
		}
	}
	return c
}

func (c cgroups) dir(id string) string { return filepath.Join(c.v2, c.top, id) }

func (c cgroups) v1Dir(controller, id string) string {
	return filepath.Join(c.v1[controller], c.top, id)
}

// create makes the machine's groups with their limits, and opens the one that
// its first process is to be born in.
func (c cgroups) create(id string, size Size) (*os.File, error) {
	if c.v2 == "" {
		return nil, errors.New("make cgroups: cgroup2 is not mounted on this host")
	}
	for _, leaf := range []string{"machine", "exec"} {
		if err := os.MkdirAll(filepath.Join(c.dir(id), leaf), 0o755); err != nil {
			return nil, fmt.Errorf("make cgroups: %w", err)
		}
	}
	for _, d := range []string{c.v2, filepath.Join(c.v2, c.top), c.dir(id)} {
		for _, controller := range []string{"+memory", "+cpu", "+pids", "+io"} {
			set(filepath.Join(d, "cgroup.subtree_control"), controller) // one by one: an absent one must not stop the rest
		}
	}
	quota := strconv.Itoa(int(size.CPUs * 100000))
	memory, tasks := strconv.FormatInt(size.Memory, 10), strconv.Itoa(size.Tasks)
	set(filepath.Join(c.dir(id), "memory.max"), memory)
	set(filepath.Join(c.dir(id), "memory.swap.max"), "0")
	set(filepath.Join(c.dir(id), "cpu.max"), quota+" 100000")
	set(filepath.Join(c.dir(id), "pids.max"), tasks)
	for controller := range c.v1 {
		if err := os.MkdirAll(c.v1Dir(controller, id), 0o755); err != nil {
			return nil, fmt.Errorf("make %s cgroup: %w", controller, err)
		}
	}
	c.setV1("memory", id, "memory.limit_in_bytes", memory)
	c.setV1("cpu", id, "cpu.cfs_quota_us", quota)
	c.setV1("pids", id, "pids.max", tasks)
	return os.Open(filepath.Join(c.dir(id), "machine"))
}

// execGroup opens the group for commands run from outside.
func (c cgroups) execGroup(id string) (*os.File, error) {
	return os.Open(filepath.Join(c.dir(id), "exec"))
}

func (c cgroups) setV1(controller, id, file, value string) {
	if c.v1[controller] != "" {
		set(filepath.Join(c.v1Dir(controller, id), file), value)
	}
}

// set writes a limit. Which of them exist depends on kernel and set-up; Check
// names a controller that is missing, so a write that fails is not an error.
func set(file, value string) { _ = os.WriteFile(file, []byte(value), 0) }

// join puts a process that is already in the cgroup2 group into the v1 groups.
func (c cgroups) join(id string, pid int) error {
	for controller := range c.v1 {
		file := filepath.Join(c.v1Dir(controller, id), "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("join %s cgroup: %w", controller, err)
		}
	}
	return nil
}

// remove kills whatever is left in the machine's groups and deletes them.
func (c cgroups) remove(id string) {
	if c.v2 != "" {
		set(filepath.Join(c.dir(id), "cgroup.kill"), "1")
		removeGroups(c.dir(id))
	}
	for controller := range c.v1 {
		removeGroups(c.v1Dir(controller, id))
	}
}

// removeTop deletes the provider's own groups once they are empty.
func (c cgroups) removeTop() {
	if c.v2 != "" {
		_ = unix.Rmdir(filepath.Join(c.v2, c.top))
	}
	for controller := range c.v1 {
		_ = unix.Rmdir(filepath.Join(c.v1[controller], c.top))
	}
}

// removeGroups deletes a tree of groups from its leaves up. A group stays busy
// for a moment after its last process; nothing tells when that is over.
func removeGroups(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	for range 500 {
		if unix.Rmdir(dir) != unix.EBUSY {
			return
		}
		time.Sleep(4 * time.Millisecond)
	}
}

// ids lists the machines that have groups.
func (c cgroups) ids() []string {
	seen := map[string]bool{}
	tops := []string{}
	if c.v2 != "" {
		tops = append(tops, filepath.Join(c.v2, c.top))
	}
	for _, mount := range c.v1 {
		tops = append(tops, filepath.Join(mount, c.top))
	}
	for _, top := range tops {
		entries, _ := os.ReadDir(top)
		for _, e := range entries {
			if e.IsDir() {
				seen[e.Name()] = true
			}
		}
	}
	return sortedKeys(seen)
}

// memory tells what the machine uses and how much of that is page cache.
func (c cgroups) memory(id string) (used, cache int64) {
	if c.v1["memory"] != "" {
		d := c.v1Dir("memory", id)
		return readInt(filepath.Join(d, "memory.usage_in_bytes")), readField(filepath.Join(d, "memory.stat"), "total_cache")
	}
	return readInt(filepath.Join(c.dir(id), "memory.current")), readField(filepath.Join(c.dir(id), "memory.stat"), "file")
}

func readInt(file string) int64 {
	b, _ := os.ReadFile(file)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

func readField(file, key string) int64 {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if w := strings.Fields(line); len(w) == 2 && w[0] == key {
			n, _ := strconv.ParseInt(w[1], 10, 64)
			return n
		}
	}
	return 0
}
