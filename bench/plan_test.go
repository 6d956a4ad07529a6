package bench

import (
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"
)

// BenchmarkPlan plans a command on the whole fleet, as a person would who
// looks before running it. The goal is 200 ms for 1,600 instances.
func BenchmarkPlan(b *testing.B) {
	f := shared(b)
	var sample []time.Duration
	for b.Loop() {
		started := time.Now()
		p, err := f.engine.Plan(f.ctx, engine.DeploymentRequest{
			StackID: f.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}, Rollout: models.Rollout{BatchPercent: 10},
		})
		if err != nil {
			b.Fatal(err)
		}
		sample = append(sample, time.Since(started))
		if n := p.Content.Instances(); n != f.size {
			b.Fatalf("the plan has %d of %d instances", n, f.size)
		}
	}
	b.ReportMetric(milliseconds(median(sample)), "ms/plan")
}
