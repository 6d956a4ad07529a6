package bench

import (
	"slices"
	"time"
)

// median is the middle of the sample; quantile any other point of it.
func median(sample []time.Duration) time.Duration { return quantile(sample, 0.5) }

func quantile(sample []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(sample))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// ratio compares the medians of two samples of the same run.
func ratio(ours, theirs []time.Duration) float64 {
	return float64(median(ours)) / float64(median(theirs))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
