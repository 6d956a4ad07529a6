package bench

import "testing"

// BenchmarkStart tells what starting a whole stack costs for each instance,
// from the verb until nothing is left to do, and compares it with a stack of a
// quarter of the size: 1 means that the cost grows with the instances, 4 with
// their square.
func BenchmarkStart(b *testing.B) {
	large := shared(b)
	small := newFleet(b, fleetSize/4)
	defer small.stop()
	for b.Loop() {
		b.ReportMetric(large.perInstance()/small.perInstance(), "x-quarter-size")
		b.ReportMetric(large.perInstance(), "cpu-ms/instance")
		b.ReportMetric(large.online.Seconds(), "s/all-online")
		b.ReportMetric(large.settle.Seconds(), "s/settled")
		b.ReportMetric(float64(large.runs)/float64(large.size), "configures/instance")
		b.ReportMetric(0, "ns/op")
	}
}

func (f *fleet) perInstance() float64 { return milliseconds(f.cpu) / float64(f.size) }
