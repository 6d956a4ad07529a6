package simulated

import (
	"context"
	"slices"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// work plays the commands and does all the talking.
func (a *Agent) work(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		l, messages, next := a.step(now)
		words, then := a.pace.Step(now, l != nil)
		for _, m := range words.Figures {
			messages = append(messages, m)
		}
		if words.Beat {
			messages = append(messages, a.heartbeat(now))
		}
		if l != nil {
			for _, m := range messages {
				if l.Send(m) != nil {
					break // the session ends; the next one hears it all again
				}
			}
		}
		if next.IsZero() || !then.IsZero() && then.Before(next) {
			next = then
		}
		if next.IsZero() {
			next = now.Add(time.Hour) // the first session says more
		}
		timer.Reset(max(0, time.Until(next)))
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// step plays up to now; it returns what is to be said and when to come again.
func (a *Agent) step(now time.Time) (l *session.Link, messages []any, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l = a.link
	messages = append(messages, a.answers...)
	a.answers = nil
	d := a.cfg.Disk
	for {
		p := a.current()
		if p == nil {
			break
		}
		if now.Before(p.due) {
			next = p.due
			break
		}
		if !p.begun() {
			p.begin(a.cfg.Script, a.cfg.Host, now)
			if p.on != nil && p.on == l {
				messages = append(messages, protocol.Started{CommandID: p.run.CommandID, At: now})
			}
		}
		if next = p.advance(now); p.done == nil {
			break
		}
	}
	if l != nil {
		for _, p := range d.plays {
			if !now.Before(p.due) {
				messages = p.messages(l, messages)
			} else if next.IsZero() || p.due.Before(next) {
				next = p.due
			}
		}
	}
	d.plays = slices.DeleteFunc(d.plays, func(p *play) bool { return p.confirmed && len(p.chunks) == 0 })
	return l, messages, next
}

// current is the command whose turn it is.
func (a *Agent) current() *play {
	for _, p := range a.cfg.Disk.plays {
		if p.done == nil {
			return p
		}
	}
	return nil
}

func (a *Agent) heartbeat(now time.Time) protocol.Heartbeat {
	a.mu.Lock()
	defer a.mu.Unlock()
	beat := protocol.Heartbeat{At: now, Load: [3]float64{0.1, 0.1, 0.1}}
	for _, p := range a.cfg.Disk.plays {
		beat.SpoolBytes += p.pending
	}
	if p := a.current(); p != nil {
		beat.Running, beat.Load[0] = p.run.CommandID, 1
	}
	return beat
}
