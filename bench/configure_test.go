package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"opsyard/agent/protocol"
)

// rounds is how often the system and its baseline take turns.
const rounds = 9

// BenchmarkConfigure compares one Configure for every instance of a large
// stack, written to the database and received by every agent, with a plain
// loop that writes a message of the same size to as many connections.
func BenchmarkConfigure(b *testing.B) {
	f := shared(b)
	f.configure(b) // warms up, and tells the size
	f.quiet(b)
	wire, err := protocol.Encode(f.arrived.run)
	check(b, err)
	raw := newRaw(b, f.size)
	defer raw.stop()
	for b.Loop() {
		var ours, theirs, oursCPU, theirsCPU []time.Duration
		for range rounds {
			cpu := cpuTime()
			theirs = append(theirs, raw.loop(b, len(wire)))
			theirsCPU = append(theirsCPU, cpuTime()-cpu)
			cpu = cpuTime()
			took, _ := f.configure(b)
			ours, oursCPU = append(ours, took), append(oursCPU, cpuTime()-cpu)
			f.quiet(b)
		}
		if testing.Verbose() {
			fmt.Fprintf(os.Stderr, "%d bytes; raw %v; ours %v\n", len(wire), theirs, ours)
		}
		b.ReportMetric(ratio(ours, theirs), "x-raw-loop")
		b.ReportMetric(ratio(oursCPU, theirsCPU), "x-raw-cpu")
		b.ReportMetric(milliseconds(median(ours)), "ms/configure")
		b.ReportMetric(0, "ns/op")
	}
}
