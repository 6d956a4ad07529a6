package models

import "fmt"

// Rollout says how a deployment goes over its instances in batches. The zero
// value sends all commands at once, as OpsWorks does.
type Rollout struct {
	// BatchSize and BatchPercent (of all instances) are how many run at a time;
	// at most one of them is set.
	BatchSize    int `json:"batch_size,omitempty"`
	BatchPercent int `json:"batch_percent,omitempty"`
	// PauseSeconds lie between the end of a batch and the next one.
	PauseSeconds int `json:"pause_seconds,omitempty"`
	// StopAfterFailures and StopAfterPercent (of all instances) are the failures
	// after which no further instance is begun; 0 never stops.
	StopAfterFailures int `json:"stop_after_failures,omitempty"`
	StopAfterPercent  int `json:"stop_after_percent,omitempty"`
}

// MaxPauseSeconds is the longest pause between two batches: a day.
const MaxPauseSeconds = 24 * 60 * 60

// InBatches tells whether the deployment has batches at all.
func (r Rollout) InBatches() bool { return r.BatchSize > 0 || r.BatchPercent > 0 }

// Validate refuses what makes no sense.
func (r Rollout) Validate() error {
	switch {
	case r.BatchSize < 0:
		return InvalidField("BatchSize", "Batch size: must be a number of instances.")
	case r.BatchPercent < 0 || r.BatchPercent > 100:
		return InvalidField("BatchPercent", "Batch per cent: must be between 1 and 100.")
	case r.BatchSize > 0 && r.BatchPercent > 0:
		return InvalidField("BatchSize", "Batch size: give a number of instances or a percentage, not both.")
	case r.PauseSeconds < 0 || r.PauseSeconds > MaxPauseSeconds:
		return InvalidField("PauseSeconds", "Pause seconds: must be between 0 and %d.", MaxPauseSeconds)
	case r.StopAfterFailures < 0:
		return InvalidField("StopAfterFailures", "Stop after failures: must be a number of instances.")
	case r.StopAfterPercent < 0 || r.StopAfterPercent > 100:
		return InvalidField("StopAfterPercent", "Stop after per cent: must be between 1 and 100.")
	case r.StopAfterFailures > 0 && r.StopAfterPercent > 0:
		return InvalidField("StopAfterFailures", "Stop after failures: give a number of instances or a percentage, not both.")
	case !r.InBatches() && r != Rollout{}:
		return InvalidField("BatchSize", "Batch size: a pause or a limit of failures needs batches; say how many instances run at a time.")
	}
	return nil
}

// Size is how many of total instances run at a time.
func (r Rollout) Size(total int) int {
	size := r.BatchSize
	if r.BatchPercent > 0 {
		size = (total*r.BatchPercent + 99) / 100 // at least what was asked for, so at least one
	}
	if size <= 0 || size > total {
		return total
	}
	return size
}

// Batches are the sizes of the batches over total instances, in order.
func (r Rollout) Batches(total int) []int {
	var sizes []int
	for left, size := total, r.Size(total); left > 0; left -= size {
		sizes = append(sizes, min(size, left))
	}
	return sizes
}

// BatchOf is the batch, from 1, of the nth of total instances (from 0); 0 when
// there are no batches.
func (r Rollout) BatchOf(n, total int) int {
	if !r.InBatches() {
		return 0
	}
	return n/r.Size(total) + 1
}

// StopsAt tells whether so many failures among total instances are enough.
func (r Rollout) StopsAt(failed, total int) bool {
	switch {
	case failed == 0:
		return false
	case r.StopAfterFailures > 0:
		return failed >= r.StopAfterFailures
	case r.StopAfterPercent > 0:
		return failed*100 >= r.StopAfterPercent*total
	}
	return false
}

// String says it for people: "in batches of 10 per cent, 30 s apart, until 3
// instances have failed".
func (r Rollout) String() string {
	if !r.InBatches() {
		return "all at once"
	}
	s := fmt.Sprintf("in batches of %d", r.BatchSize)
	if r.BatchPercent > 0 {
		s = fmt.Sprintf("in batches of %d per cent", r.BatchPercent)
	}
	if r.PauseSeconds > 0 {
		s += ", " + wholeSpan(r.PauseSeconds) + " apart"
	}
	if r.StopAfterFailures > 0 {
		s += fmt.Sprintf(", stopped by %d failed", r.StopAfterFailures)
	}
	if r.StopAfterPercent > 0 {
		s += fmt.Sprintf(", stopped by %d per cent failed", r.StopAfterPercent)
	}
	return s
}

// wholeSpan is a number of seconds in the largest unit that needs no fraction.
func wholeSpan(seconds int) string {
	switch {
	case seconds%3600 == 0:
		return fmt.Sprintf("%d h", seconds/3600)
	case seconds%60 == 0:
		return fmt.Sprintf("%d min", seconds/60)
	}
	return fmt.Sprintf("%d s", seconds)
}
