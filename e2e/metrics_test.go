package e2e

import (
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"
)

// The figures of a local machine are its own: all of its one processor
// is 100 %, and its memory and its processes are few.
func TestMachineMetrics(t *testing.T) {
	t.Parallel()
	s := newSite(t, engine.Times{Reminder: 250 * time.Millisecond, Minute: 2 * time.Second})
	layer := s.layer("work", models.HealingOff)
	i, err := s.engine.CreateInstance(s.ctx, models.Instance{StackID: s.stack.ID, LayerIDs: []models.LayerID{layer}, InstanceType: "t2.micro"})
	check(t, err)
	check(t, s.engine.StartInstance(s.ctx, i.ID))
	s.become(models.InstanceOnline, 4*time.Minute, i.ID)
	measured := func(what string, holds func(v models.MetricValues) bool) (v models.MetricValues) {
		wait(t, what, 3*time.Minute, func() bool {
			sample, _, ok := s.engine.NewestMetrics(i.ID)
			v = sample.Values
			return ok && holds(v)
		})
		return v
	}
	quiet := measured("it is quiet", func(v models.MetricValues) bool { return v.CPU() < 50 })
	t.Logf("quiet: %v", quiet)
	if total, procs := quiet.Get(models.MetricMemoryTotal), quiet.Get(models.MetricProcs); total > 1<<20 || total < 100<<10 || procs < 3 || procs > 60 {
		t.Errorf("it has %v KB of memory and %v processes", total, procs)
	}
	// By its own systemd, which puts it into the machine's control group. The
	// tests beside this one take their share of the processors.
	for range 3 {
		s.inside(i.ID, "systemd-run", "--no-block", "timeout", "400", "sh", "-c", "while :; do :; done")
	}
	busy := measured("it is busy", func(v models.MetricValues) bool { return v.CPU() > 60 && v.Get(models.MetricLoad1) > 0.2 })
	t.Logf("busy: %v", busy)
	wait(t, "the layer's average", 3*time.Minute, func() bool {
		got, err := s.store.Metrics.LayerMinutes(s.ctx, layer, time.Now().Add(-time.Minute), time.Now())
		check(t, err)
		return len(got) > 1 && got[len(got)-1].Values.CPU() > 60
	})
}
