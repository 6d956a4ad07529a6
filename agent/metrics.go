package agent

import (
	"context"
	"time"

	"opsyard/agent/facts"
	"opsyard/agent/metrics"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// runSpeaking measures the machine, and sends what it finds or at least that it
// lives.
func (a *Agent) runSpeaking(ctx context.Context) error {
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
		next := a.speak(now)
		if a.reader.NeedsLoad() && (next.IsZero() || sampled.Add(metrics.SampleLoad).Before(next)) {
			next = sampled.Add(metrics.SampleLoad)
		}
		if next.IsZero() {
			next = now.Add(time.Hour) // the next session says more
		}
		timer.Reset(max(next.Sub(a.cfg.Now()), 0))
	}
}

func (a *Agent) speak(now time.Time) (next time.Time) {
	l, _ := a.currentLink()
	words, next := a.pacer.Step(now, l != nil)
	if words.Beat {
		_ = l.Send(a.heartbeat()) // a line that broke says so to its reader
	}
	for _, m := range words.Figures {
		if l.Send(m) != nil {
			break // the next session begins soon
		}
	}
	return next
}

func (a *Agent) heartbeat() protocol.Heartbeat {
	a.mu.Lock()
	defer a.mu.Unlock()
	beat := protocol.Heartbeat{At: a.cfg.Now(), Running: a.running, Load: facts.Load()}
	for _, t := range a.tracks {
		beat.SpoolBytes += t.unstored
	}
	return beat
}

// welcomed begins to speak in a new session.
func (a *Agent) welcomed(l *session.Link) {
	a.pacer.Welcome(a.cfg.Now(), l.SkewLeast, l.SkewMost, l.MetricsSeconds)
	a.setLink(l)
	nudge(a.measure)
}

// watchMetrics measures more often for a while.
func (a *Agent) watchMetrics(m protocol.WatchMetrics) {
	a.pacer.Watch(a.cfg.Now(), m.Seconds)
	nudge(a.measure)
}
