package compute

import "testing"

func TestEC2Size(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Size{
		"t1.micro": {1, 627 << 20}, "t2.micro": {1, gib}, "t2.small": {1, 2 * gib}, "t2.large": {2, 8 * gib}, "t3.nano": {2, gib / 2},
		"m3.medium": {1, 3840 << 20}, "c3.large": {2, 3840 << 20}, "m5.xlarge": {4, 16 * gib}, "r4.large": {2, 15616 << 20},
		"c5.18xlarge": {72, 144 * gib}, "m5.24xlarge": {96, 384 * gib}, "r6g.medium": {1, 8 * gib},
	} {
		if got, ok := EC2Size(name); !ok || got != want {
			t.Errorf("%s: %v %v, want %v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "m5", "m5.", "m5.huge", "m5.7xlarge", "m5.0xlarge", "m5.-2xlarge", "x1.enormous", "zz.large", "t2.4xlarge", "M5.large", "m3.24xlarge", "local.small"} {
		if s, ok := EC2Size(name); ok {
			t.Errorf("%q has the size %v", name, s)
		}
	}
	for _, name := range AnySizes() {
		if !HasAnySize("sim", name) {
			t.Errorf("%s is offered and not known", name)
		}
	}
	for name, want := range map[string]bool{"": true, "sim.small": true, "process.small": false, "small": false, "sim.huge": false} {
		if HasAnySize("sim", name) != want {
			t.Errorf("sim has size %q: %v", name, !want)
		}
	}
}
