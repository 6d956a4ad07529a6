// Package metrics measures the machine under the agent: processors, memory,
// load and processes, by OpsWorks' sixteen names.
//
// It reads /proc itself. In a container, the kernel's own figures are those of
// the host under it; there the processors come from the container's control
// group (cgroup2) and are shares of what it may use, the memory ends at the
// group's limit, and the load is counted from the container's own tasks.
package metrics

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
)

// Places of the figures, in the order of the protocol.
const (
	cpuIdle = iota
	cpuNice
	cpuSystem
	cpuUser
	cpuWaitIO
	cpuSteal
	memoryTotal
	memoryUsed
	memoryFree
	memoryBuffers
	memoryCached
	memorySwap
	load1
	load5
	load15
	procs
	count
)

// Source is where the figures are read from; the zero Source is this machine.
type Source struct {
	Proc   string // default /proc
	Cgroup string // default /sys/fs/cgroup
	// CPUs is how many processors' time the machine may use, where its control
	// group does not tell; 0 is all that it sees.
	CPUs float64
	// Contained overrules what is found out about being in a container.
	Contained *bool
}

// Reader reads a machine's figures.
type Reader struct {
	source    Source
	contained bool
	grouped   bool // the processors' time is in the control group

	mu      sync.Mutex
	load    [3]float64
	sampled time.Time
}

// initialPIDs is the inode of the first pid namespace, fixed in the kernel.
const initialPIDs = "pid:[4026531836]"

// New looks at what there is to read.
func New(s Source) *Reader {
	if s.Proc == "" {
		s.Proc = "/proc"
	}
	if s.Cgroup == "" {
		s.Cgroup = "/sys/fs/cgroup"
	}
	if s.CPUs == 0 {
		// A provider that limits a machine from outside says so.
		s.CPUs, _ = strconv.ParseFloat(os.Getenv("OPSYARD_CPUS"), 64)
	}
	r := &Reader{source: s}
	if s.Contained != nil {
		r.contained = *s.Contained
	} else {
		pids, err := os.Readlink(filepath.Join(s.Proc, "self/ns/pid"))
		r.contained = err == nil && pids != initialPIDs
	}
	_, grouped := r.groupTime()
	r.grouped = r.contained && grouped
	return r
}

// Window returns a function that measures from its last call, or from now, up
// to its next.
func (r *Reader) Window() func() protocol.Figures {
	before := r.cpuTime()
	return func() protocol.Figures {
		now := r.cpuTime()
		figures := make(protocol.Figures, count)
		now.shares(before, figures)
		before = now
		r.memory(figures)
		for n, load := range r.loads() {
			figures[load1+n] = round(load)
		}
		figures[procs] = float32(r.processes())
		return figures
	}
}

// cpuTime is what the processors have done so far, in any unit, and all that
// they could have done.
type cpuTime struct {
	user, nice, system, idle, waitIO, steal, all float64
	grouped                                      bool // of a control group
}

func (r *Reader) cpuTime() cpuTime {
	if r.grouped {
		t, _ := r.groupTime()
		return t
	}
	return r.hostTime()
}

// hostTime reads the line "cpu" of /proc/stat, in ticks.
func (r *Reader) hostTime() (t cpuTime) {
	line, _, _ := strings.Cut(r.read(r.source.Proc, "stat"), "\n")
	words := strings.Fields(line)
	if len(words) < 5 || words[0] != "cpu" {
		return unknownTime
	}
	var v [8]float64 // user nice system idle iowait irq softirq steal
	for n := range min(len(v), len(words)-1) {
		v[n], _ = strconv.ParseFloat(words[n+1], 64)
		t.all += v[n]
	}
	t.user, t.nice, t.system, t.idle, t.waitIO, t.steal = v[0], v[1], v[2]+v[5]+v[6], v[3], v[4], v[7]
	return t
}

var unknownTime = cpuTime{all: math.NaN()}

// groupTime reads the control group, in microseconds. The idle time is what is
// left of what the group may use; waiting for disks is part of it.
func (r *Reader) groupTime() (t cpuTime, ok bool) {
	text := r.read(r.source.Cgroup, "cpu.stat")
	used, ok := field(text, "usage_usec")
	if !ok {
		return unknownTime, false
	}
	t.grouped = true
	t.user, _ = field(text, "user_usec")
	t.system, _ = field(text, "system_usec")
	t.nice, _ = field(text, "nice_usec") // Linux 6.11; part of user
	t.user -= t.nice
	t.all = r.cpus() * float64(time.Since(epoch).Microseconds())
	t.idle = t.all - used
	t.waitIO, t.steal = math.NaN(), r.denied()
	return t, true
}

// denied is how long there was somebody in the control group who could not run:
// time of one processor that the host gave to others, or more.
func (r *Reader) denied() float64 {
	for line := range strings.Lines(r.read(r.source.Cgroup, "cpu.pressure")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "some" {
			continue
		}
		total, ok := strings.CutPrefix(words[len(words)-1], "total=")
		if v, err := strconv.ParseFloat(total, 64); ok && err == nil {
			return v
		}
	}
	return math.NaN()
}

// epoch is any moment that the monotonic clock can be counted from.
var epoch = time.Now()

// cpus is how many processors' time the control group may use.
func (r *Reader) cpus() float64 {
	if r.source.CPUs > 0 {
		return r.source.CPUs
	}
	all := float64(runtime.NumCPU())
	words := strings.Fields(r.read(r.source.Cgroup, "cpu.max"))
	if len(words) == 2 {
		quota, err := strconv.ParseFloat(words[0], 64)
		period, _ := strconv.ParseFloat(words[1], 64)
		if err == nil && quota > 0 && period > 0 {
			return min(all, quota/period)
		}
	}
	return all
}

// shares are the percentages of the time since before.
func (t cpuTime) shares(before cpuTime, into protocol.Figures) {
	all := t.all - before.all
	share := func(now, then float64) float32 {
		if !(all > 0) {
			return float32(math.NaN())
		}
		return round(min(max((now-then)/all*100, 0), 100)) // counters may step back a little
	}
	into[cpuIdle], into[cpuNice] = share(t.idle, before.idle), share(t.nice, before.nice)
	into[cpuSystem], into[cpuUser] = share(t.system, before.system), share(t.user, before.user)
	if t.grouped && !math.IsNaN(t.steal) {
		// Those who waited while others of the group ran were denied nothing.
		idle := into[cpuIdle]
		into[cpuSteal] = min(share(t.steal, before.steal), idle)
		into[cpuIdle], into[cpuWaitIO] = round(float64(idle-into[cpuSteal])), float32(math.NaN())
		return
	}
	into[cpuWaitIO], into[cpuSteal] = known(t.waitIO, share(t.waitIO, before.waitIO)), known(t.steal, share(t.steal, before.steal))
}

// known is the share, unless it was made of what is not known.
func known(of float64, share float32) float32 {
	if math.IsNaN(of) {
		return float32(math.NaN())
	}
	return share
}

// memory fills in the memory in KB, as free(1) counts it: used is what is
// neither free nor buffers nor cache.
func (r *Reader) memory(into protocol.Figures) {
	text := r.read(r.source.Proc, "meminfo")
	kb := func(key string) float64 { v, _ := field(text, key+":"); return v }
	total, ok := field(text, "MemTotal:")
	if !ok {
		for n := memoryTotal; n <= memorySwap; n++ {
			into[n] = float32(math.NaN())
		}
		return
	}
	free, buffers, cached := kb("MemFree"), kb("Buffers"), kb("Cached")+kb("SReclaimable")
	swap := kb("SwapTotal") - kb("SwapFree")
	if limit, now, file, ok := r.groupMemory(); ok && limit < total {
		total, free, buffers, cached = limit, limit-now, 0, file
		swap = r.kb("memory.swap.current")
	}
	into[memoryTotal], into[memoryFree] = float32(total), float32(max(free, 0))
	into[memoryBuffers], into[memoryCached] = float32(buffers), float32(cached)
	into[memoryUsed] = float32(max(total-free-buffers-cached, 0))
	into[memorySwap] = float32(max(swap, 0))
}

// groupMemory is the control group's limit, use and cache in KB, if it has a
// limit.
func (r *Reader) groupMemory() (limit, now, file float64, ok bool) {
	if !r.contained {
		return 0, 0, 0, false
	}
	limit, now = r.kb("memory.max"), r.kb("memory.current")
	text := r.read(r.source.Cgroup, "memory.stat")
	file, _ = field(text, "file")
	slab, _ := field(text, "slab_reclaimable")
	return limit, now, min((file+slab)/1024, now), limit > 0 && now > 0
}

// kb reads a file of the control group with one number of bytes.
func (r *Reader) kb(name string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(r.read(r.source.Cgroup, name)), 64)
	return n / 1024
}

// processes counts those of the machine's own pid namespace.
func (r *Reader) processes() (n int) {
	r.eachProcess(func(string) bool { n++; return true })
	return n
}

// eachProcess visits the ids of the processes while visit wants more.
func (r *Reader) eachProcess(visit func(pid string) bool) {
	dir, err := os.Open(r.source.Proc)
	if err != nil {
		return
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if name[0] >= '1' && name[0] <= '9' && !visit(name) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *Reader) read(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// field is the number after a key at the beginning of a line.
func field(text, key string) (float64, bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, key)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		words := strings.Fields(rest)
		if len(words) == 0 {
			return 0, false
		}
		v, err := strconv.ParseFloat(words[0], 64)
		return v, err == nil
	}
	return 0, false
}

// round keeps two decimals: more are noise, and longer on the wire.
func round(v float64) float32 { return float32(math.Round(v*100) / 100) }

// stateOf is the letter after the name in /proc/PID/stat; the name may hold
// anything, parentheses too.
func stateOf(stat []byte) byte {
	n := bytes.LastIndexByte(stat, ')')
	if n < 0 || n+2 >= len(stat) {
		return 0
	}
	return stat[n+2]
}
