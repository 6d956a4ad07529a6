package models

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		rollout Rollout
		total   int
		want    []int
	}{
		{"None", Rollout{}, 5, []int{5}},
		{"Nobody", Rollout{BatchSize: 2}, 0, nil},
		{"Count", Rollout{BatchSize: 2}, 5, []int{2, 2, 1}},
		{"LargerThanAll", Rollout{BatchSize: 9}, 5, []int{5}},
		{"Percent", Rollout{BatchPercent: 25}, 8, []int{2, 2, 2, 2}},
		{"PercentRoundsUp", Rollout{BatchPercent: 1}, 5, []int{1, 1, 1, 1, 1}},
		{"AllPercent", Rollout{BatchPercent: 100}, 3, []int{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.rollout.Batches(c.total)
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for n := range got {
				if got[n] != c.want[n] {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

// Every instance is in exactly one batch, in order, and only the last batch may
// be smaller than the others.
func TestEveryInstanceIsInOneBatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(0, 2000).Draw(t, "total")
		r := Rollout{BatchSize: rapid.IntRange(1, 2500).Draw(t, "size")}
		if rapid.Bool().Draw(t, "in per cent") {
			r = Rollout{BatchPercent: rapid.IntRange(1, 100).Draw(t, "percent")}
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		n := 0
		sizes := r.Batches(total)
		for batch, size := range sizes {
			if size < 1 || size > sizes[0] || size < sizes[0] && batch < len(sizes)-1 {
				t.Fatalf("batch %d has %d of %v", batch+1, size, sizes)
			}
			for range size {
				if got := r.BatchOf(n, total); got != batch+1 {
					t.Fatalf("instance %d is in batch %d, want %d", n, got, batch+1)
				}
				n++
			}
		}
		if n != total {
			t.Fatalf("%d of %d are in a batch", n, total)
		}
	})
}

// A rollout that stops at some number of failures stops at every larger one.
func TestStopsAtIsMonotonous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 500).Draw(t, "total")
		r := Rollout{BatchSize: 1, StopAfterFailures: rapid.IntRange(0, 500).Draw(t, "failures")}
		if r.StopAfterFailures == 0 {
			r.StopAfterPercent = rapid.IntRange(0, 100).Draw(t, "percent")
		}
		failed := rapid.IntRange(0, total-1).Draw(t, "failed")
		if r.StopsAt(0, total) {
			t.Fatal("it stops without a failure")
		}
		if r.StopsAt(failed, total) && !r.StopsAt(failed+1, total) {
			t.Fatalf("it stops at %d and not at %d", failed, failed+1)
		}
		if limited := r.StopAfterFailures+r.StopAfterPercent > 0; !limited && r.StopsAt(total, total) {
			t.Fatal("it stops without a limit")
		}
	})
}

func TestRolloutRefusals(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Rollout{
		"Negative": {BatchSize: -1}, "TooMuch": {BatchPercent: 101}, "Both": {BatchSize: 1, BatchPercent: 1},
		"LongPause": {BatchSize: 1, PauseSeconds: MaxPauseSeconds + 1}, "PauseAlone": {PauseSeconds: 1},
		"LimitAlone": {StopAfterFailures: 1}, "BothLimits": {BatchSize: 1, StopAfterFailures: 1, StopAfterPercent: 1},
		"NegativeLimit": {BatchSize: 1, StopAfterFailures: -1}, "LimitTooMuch": {BatchSize: 1, StopAfterPercent: 101},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := r.Validate(); CodeOf(err) != CodeInvalid {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRolloutInWords(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Rollout{
		"all at once":                                               {},
		"in batches of 2, 45 s apart":                               {BatchSize: 2, PauseSeconds: 45},
		"in batches of 2, 90 s apart":                               {BatchSize: 2, PauseSeconds: 90},
		"in batches of 2, 5 min apart":                              {BatchSize: 2, PauseSeconds: 300},
		"in batches of 10 per cent, 1 h apart, stopped by 3 failed": {BatchPercent: 10, PauseSeconds: 3600, StopAfterFailures: 3},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
