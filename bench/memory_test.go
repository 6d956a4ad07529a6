package bench

import (
	"runtime"
	"testing"
	"time"

	"opsyard/agent/simulated"
)

// BenchmarkIdleMemory tells how much memory of the server a connected agent
// with nothing to do takes, beside a connection of a bare websocket server with
// a reader and a writer. The other ends are in a process of their own.
func BenchmarkIdleMemory(b *testing.B) {
	n := min(fleetSize, 1600)
	for b.Loop() {
		ours, raw := connectedMemory(b, n), bareMemory(b, n)
		b.ReportMetric(ours/raw, "x-bare-server")
		b.ReportMetric(ours/1000, "KB/agent")
		b.ReportMetric(0, "ns/op")
	}
}

func connectedMemory(b *testing.B, n int) float64 {
	s := serve(b, simulated.Script{}, nil)
	defer s.stop()
	call := farCall{URL: s.url, Disks: disks(s.members(b, n))}
	before := inUse()
	defer far(b, call).stop()
	until(b, "all agents are connected", time.Minute, func() bool { return s.engine.Dispatcher().ConnectedCount() == n })
	time.Sleep(2 * time.Second) // what the hellos wrote is settled
	return (inUse() - before) / float64(n)
}

// bareMemory is what one connection takes of a server with the same buffers that
// keeps a goroutine to read and one to write.
func bareMemory(b *testing.B, n int) float64 {
	bare := newBare(b)
	defer bare.stop()
	before := inUse()
	defer far(b, farCall{URL: bare.url, Bare: n}).stop()
	until(b, "all are connected", time.Minute, func() bool { return bare.connected.Load() == int64(n) })
	time.Sleep(time.Second)
	return (inUse() - before) / float64(n)
}

// inUse is the memory of live objects and stacks. Each collection halves the
// stacks that have once been deep, so it takes several.
func inUse() float64 {
	for range 6 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
