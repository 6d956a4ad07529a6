package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"opsyard/engine/compute/internal/proc"
)

// killStrays kills the processes whose environment says that they belong to a
// machine that owned accepts: recipes put their children into groups of their
// own, so killing the agent's group does not reach them. It looks again as long
// as it finds any, as one may have forked meanwhile.
func killStrays(owned func(dir string) bool) {
	for range 20 {
		if killOnce(owned) == 0 {
			return
		}
	}
}

func killOnce(owned func(dir string) bool) (killed int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		id, err := proc.Of(pid)
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(f)
		if err != nil {
			continue // somebody else's
		}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if dir, ok := bytes.CutPrefix(v, []byte(instanceVar+"=")); ok && owned(string(dir)) {
				if p, err := id.Open(); err == nil {
					_ = p.Signal(syscall.SIGKILL)
					p.Close()
					killed++
				}
			}
		}
	}
	return killed
}
