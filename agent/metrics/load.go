package metrics

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// SampleLoad is how often a container's load wants to be sampled, which is how
// often the kernel looks at its own.
const SampleLoad = 5 * time.Second

// tasksAtMost bounds the work of one sample.
const tasksAtMost = 4096

// NeedsLoad tells whether Load must be called each SampleLoad: the kernel
// counts the load of the host only.
func (r *Reader) NeedsLoad() bool { return r.contained }

// Load looks once how many of the container's tasks run or wait for a disk,
// and lets the averages follow, as the kernel does.
func (r *Reader) Load(now time.Time) {
	busy := float64(r.busyTasks())
	r.mu.Lock()
	defer r.mu.Unlock()
	since := 0.0 // at first: it begins at zero, like that of a machine that boots
	if !r.sampled.IsZero() {
		since = now.Sub(r.sampled).Seconds()
	}
	r.sampled = now
	for n, minutes := range [3]float64{1, 5, 15} {
		weight := math.Exp(-max(since, 0) / (60 * minutes))
		r.load[n] = r.load[n]*weight + busy*(1-weight)
	}
}

// busyTasks counts threads in state R or D, other than the one that counts.
func (r *Reader) busyTasks() (busy int) {
	left := tasksAtMost
	r.eachProcess(func(pid string) bool {
		dir := filepath.Join(r.source.Proc, pid, "task")
		tasks, err := os.ReadDir(dir)
		if err != nil {
			return true // it has ended
		}
		self := 0
		if pid == strconv.Itoa(os.Getpid()) {
			self = 1
		}
		for _, task := range tasks {
			stat, err := os.ReadFile(filepath.Join(dir, task.Name(), "stat"))
			if left--; err != nil {
				continue
			}
			if s := stateOf(stat); s == 'D' || s == 'R' {
				if self > 0 && s == 'R' {
					self--
					continue
				}
				busy++
			}
		}
		return left > 0
	})
	return busy
}

// loads are the load averages of 1, 5 and 15 minutes.
func (r *Reader) loads() (load [3]float64) {
	if r.contained {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sampled.IsZero() {
			return [3]float64{math.NaN(), math.NaN(), math.NaN()}
		}
		return r.load
	}
	words := strings.Fields(r.read(r.source.Proc, "loadavg"))
	for n := range load {
		load[n] = math.NaN()
		if n < len(words) {
			if v, err := strconv.ParseFloat(words[n], 64); err == nil {
				load[n] = v
			}
		}
	}
	return load
}
