package agent

import (
	"context"
	"time"

	"opsyard/agent/metrics"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// runMetrics measures the machine and sends what it finds.
func (a *Agent) runMetrics(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var sampled time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.measure:
		case <-timer.C:
		}
		now := a.cfg.Now()
		if a.reader.NeedsLoad() && now.Sub(sampled) >= metrics.SampleLoad {
			a.reader.Load(now)
			sampled = now
		}
		next := a.sendMetrics(now)
		if a.reader.NeedsLoad() && (next.IsZero() || sampled.Add(metrics.SampleLoad).Before(next)) {
			next = sampled.Add(metrics.SampleLoad)
		}
		if next.IsZero() {
			next = now.Add(time.Hour) // the next session says more
		}
		timer.Reset(max(next.Sub(a.cfg.Now()), 0))
	}
}

func (a *Agent) sendMetrics(now time.Time) (next time.Time) {
	l, _ := a.currentLink()
	messages, next := a.pacer.Step(now, l != nil)
	for _, m := range messages {
		if l.Send(m) != nil {
			break // the next session begins soon
		}
		nudge(a.spoke)
	}
	return next
}

// welcomed tells the metrics loop about a new session.
func (a *Agent) welcomed(l *session.Link) {
	a.pacer.Welcome(a.cfg.Now(), l.ServerTime, l.MetricsSeconds)
	nudge(a.measure)
}

// watchMetrics measures more often for a while.
func (a *Agent) watchMetrics(m protocol.WatchMetrics) {
	a.pacer.Watch(a.cfg.Now(), m.Seconds)
	nudge(a.measure)
}
