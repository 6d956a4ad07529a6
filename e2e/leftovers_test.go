package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// footprint remembers what the servers of these tests are called on the host:
// the provider of local machines names links and cgroups after its directory.
var footprint = struct {
	sync.Mutex
	dirs map[string]string // by tag
}{dirs: map[string]string{}}

// noteTags is called while a server runs.
func noteTags(dir string) {
	files, _ := filepath.Glob("/run/opsyard/*.json")
	footprint.Lock()
	defer footprint.Unlock()
	for _, file := range files {
		var owner struct {
			Dir string `json:"dir"`
		}
		b, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(b, &owner) == nil && below(owner.Dir, dir) {
			footprint.dirs[strings.TrimSuffix(filepath.Base(file), ".json")] = owner.Dir
		}
	}
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// leftovers lists mounts and processes that belong to dir, and links and
// cgroups of the servers that ran there.
func leftovers(dir string) (left []string) {
	mounts, _ := os.ReadFile("/proc/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && below(f[1], dir) {
			left = append(left, "mount "+f[1])
		}
	}
	left = append(left, processes(dir)...)
	footprint.Lock()
	defer footprint.Unlock()
	links, _ := net.Interfaces()
	for tag, of := range footprint.dirs {
		if !below(of, dir) {
			continue
		}
		for _, l := range links {
			if strings.HasPrefix(l.Name, "oy"+tag) {
				left = append(left, "interface "+l.Name)
			}
		}
		for _, pattern := range []string{"/sys/fs/cgroup/opsyard-", "/sys/fs/cgroup/*/opsyard-"} {
			groups, _ := filepath.Glob(pattern + tag)
			for _, g := range groups {
				left = append(left, "cgroup "+g)
			}
		}
	}
	return left
}

// processes lists those that run a program of dir, name it in their arguments,
// or are of an instance there.
func processes(dir string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		if p == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		exe, _ := os.Readlink(p + "/exe")
		args, _ := os.ReadFile(p + "/cmdline")
		env, _ := os.ReadFile(p + "/environ")
		if below(exe, dir) || strings.Contains(string(args), dir+"/") || strings.Contains(string(env), "OPSYARD_INSTANCE_DIR="+dir) {
			found = append(found, "process "+filepath.Base(p)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}
