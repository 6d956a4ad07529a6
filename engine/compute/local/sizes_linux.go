package local

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"opsyard/engine/compute"
)

// Size is what an instance type gives a machine.
type Size struct {
	Name   string
	Memory int64 // bytes
	CPUs   float64
	Tasks  int // processes and threads
}

// Sizes are the instance types of this provider's own, smallest first.
var Sizes = []Size{
	{"local.nano", 256 << 20, 0.5, 1000},
	{"local.micro", 512 << 20, 1, 2000},
	{"local.small", 1 << 30, 1, 2000},
	{"local.medium", 2 << 30, 2, 4000},
	{"local.large", 4 << 30, 2, 4000},
}

const defaultSize = "local.small"

// ec2Tasks is enough for a machine of any of EC2's types.
const ec2Tasks = 8000

// Sizes are the instance types to choose from.
func (p *Provider) Sizes() []string { return compute.AnySizes() }

// HasSize tells whether the provider knows the size.
func (p *Provider) HasSize(size string) bool {
	_, ok := sizeOf(size)
	return ok
}

// sizeOf is what a machine of a size gets on this host.
func sizeOf(name string) (Size, bool) {
	size, ok := nominal(name)
	if !ok {
		return size, false
	}
	host := hostSize()
	size.CPUs, size.Memory = min(size.CPUs, host.CPUs), min(size.Memory, host.Memory)
	return size, true
}

// nominal is what the name of a size promises.
func nominal(name string) (Size, bool) {
	if name == "" {
		name = defaultSize
	}
	if n := slices.IndexFunc(Sizes, func(s Size) bool { return s.Name == name }); n >= 0 {
		return Sizes[n], true
	}
	ec2, ok := compute.EC2Size(name)
	return Size{name, ec2.Memory, ec2.CPUs, ec2Tasks}, ok
}

// shortfall says what a machine lacks of its size, because the host has no more.
func shortfall(name string) string {
	promised, ok := nominal(name)
	given, _ := sizeOf(name)
	if !ok || given == promised {
		return ""
	}
	return fmt.Sprintf("this host has less than %s: it gets %g processors and %.1f GiB of memory",
		promised.Name, given.CPUs, float64(given.Memory)/(1<<30))
}

// hostSize is what the host itself has.
var hostSize = sync.OnceValue(func() compute.Size {
	host := compute.Size{CPUs: float64(runtime.NumCPU()), Memory: 1 << 62}
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return host
	}
	for line := range strings.Lines(string(raw)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kib); n == 1 {
			host.Memory = kib << 10
		}
	}
	return host
})
