package views

import (
	"fmt"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// Stage is one batch of a rolling deployment, or several that are alike.
type Stage struct {
	State  State
	Name   string
	Detail string
	Part   float64 // done
}

// stagesShown is how many batches are drawn one by one; more are summed up
// before and after those that matter now.
const stagesShown = 8

// stages are the batches of a deployment for its rail.
func stages(d models.Deployment, counts map[int]Progress) []Stage {
	if d.Batches <= stagesShown {
		var all []Stage
		for n := 1; n <= d.Batches; n++ {
			all = append(all, stageOf(d, n, n, counts))
		}
		return all
	}
	first, last := max(1, min(d.Batch-1, d.Batches-4)), min(d.Batches, max(d.Batch+2, 4))
	var some []Stage
	if first > 1 {
		some = append(some, stageOf(d, 1, first-1, counts))
	}
	for n := first; n <= last; n++ {
		some = append(some, stageOf(d, n, n, counts))
	}
	if last < d.Batches {
		some = append(some, stageOf(d, last+1, d.Batches, counts))
	}
	return some
}

func stageOf(d models.Deployment, from, to int, counts map[int]Progress) Stage {
	sum := Progress{}
	for n := from; n <= to; n++ {
		for status, c := range counts[n] {
			sum[status] += c
		}
	}
	s := Stage{Name: fmt.Sprintf("Batch %d", from), Detail: stageDetail(sum)}
	if to > from {
		s.Name = fmt.Sprintf("Batches %d to %d", from, to)
	}
	if total := sum.Total(); total > 0 {
		s.Part = float64(sum.Done()) / float64(total)
	}
	switch {
	case sum.Failed() > 0:
		s.State = State{ui.Bad, "failed"}
	case sum.Total() > 0 && sum[models.CommandSkipped] == sum.Total():
		s.State = State{ui.Off, "skipped"}
	case sum.Done() == sum.Total():
		s.State = State{ui.OK, "done"}
	case from <= d.Batch:
		s.State = State{ui.Run, "running"}
	default:
		s.State = State{ui.Wait, "waits"}
	}
	return s
}

func stageDetail(p Progress) string {
	words := ""
	for _, c := range p.Legend() {
		if words != "" {
			words += ", "
		}
		words += Thousands(c.N) + " " + c.State.Word
	}
	return words
}

// RolloutSentence says where a rolling deployment stands; empty for others.
func (p DeploymentShow) RolloutSentence() string {
	d := p.Deployment
	switch {
	case d.Batches == 0:
		return ""
	case d.StopReason != "":
		return "It was " + d.StopReason + "."
	case !p.Running():
		return fmt.Sprintf("%s ran.", batches(d.Batches))
	case d.PauseReason != "" && d.Batch < d.Batches:
		return fmt.Sprintf("Batch %d of %d waits until somebody continues, for it would not run what the plan has shown. %s", d.Batch+1, d.Batches, d.PauseReason)
	case d.PausedBy != "" && d.Batch < d.Batches:
		return fmt.Sprintf("Paused by %s: batch %d of %d waits until somebody continues.", d.PausedBy, d.Batch+1, d.Batches)
	case d.NextBatchAt != nil && d.NextBatchAt.After(p.Now):
		return fmt.Sprintf("Batch %d of %d follows in %s.", d.Batch+1, d.Batches, Span(d.NextBatchAt.Sub(p.Now).Round(time.Second)))
	}
	return fmt.Sprintf("Batch %d of %d runs.", d.Batch, d.Batches)
}

// Waiting tells whether a rolling deployment waits for somebody or for its pause.
func (p DeploymentShow) Waiting() bool {
	return p.Deployment.PausedBy != "" || p.Deployment.NextBatchAt != nil
}

// Unreached is how many instances a retry would take up: those that failed and
// those that were not reached.
func (p DeploymentShow) Unreached() int {
	return p.Progress.Failed() + p.Progress[models.CommandSkipped]
}

func retryLabel(p DeploymentShow) string {
	failed, skipped := p.Progress.Failed(), p.Progress[models.CommandSkipped]
	switch {
	case skipped == 0:
		return "Retry " + Thousands(failed) + " failed"
	case failed == 0:
		return "Retry " + Thousands(skipped) + " not reached"
	}
	return fmt.Sprintf("Retry %s failed and %s not reached", Thousands(failed), Thousands(skipped))
}
