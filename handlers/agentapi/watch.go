package agentapi

import (
	"sync/atomic"
	"time"

	"opsyard/agent/protocol"
)

// How long a line may be quiet. One look at all lines each lookEvery sees it:
// timers and deadlines of their own, which move with each message, would wake
// an idle server several times for each of thousands of heartbeats.
const (
	lookEvery  = 3 * time.Second
	writeLimit = 10 * time.Second
	// pingAfter is how long the agent may hear nothing: a little longer than
	// between two heartbeats, which are answered.
	pingAfter    = protocol.HeartbeatEvery + 2*time.Second
	silenceLimit = 60 * time.Second // a line that says nothing, not even pong, is dead
)

// signs are a line's signs of life, as times since the surface was made: the
// machine's clock may be set.
type signs struct {
	heard   atomic.Int64 // when something last came
	wrote   atomic.Int64 // when the last write began
	writing atomic.Int32 // writes that have not ended
}

// lineState is what a look at a line finds.
type lineState int

const (
	lineGood  lineState = iota
	lineQuiet           // the agent has heard nothing for long
	lineDead            // nothing comes
	lineStuck           // nothing goes
)

func (s *signs) state(now time.Duration) lineState {
	since := func(at *atomic.Int64) time.Duration { return now - time.Duration(at.Load()) }
	switch {
	case s.writing.Load() > 0 && since(&s.wrote) > writeLimit:
		return lineStuck
	case since(&s.heard) > silenceLimit:
		return lineDead
	case s.writing.Load() == 0 && since(&s.wrote) > pingAfter:
		return lineQuiet
	}
	return lineGood
}

// elapsed is the time since the surface was made.
func (a *API) elapsed() time.Duration { return time.Since(a.began) }

// keepWatch has a line looked at until end is called.
func (a *API) keepWatch(s *session) (end func()) {
	s.hear()
	s.wrote.Store(int64(a.elapsed()))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines[s] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.lines, s)
	}
}

// watch looks at all lines now and then, until the surface stops.
func (a *API) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-ticker.C:
			a.look(a.elapsed())
		}
	}
}

// look ends the lines that are dead, and lets those ping that are quiet.
func (a *API) look(now time.Duration) {
	a.mu.Lock()
	lines := make([]*session, 0, len(a.lines))
	for s := range a.lines {
		lines = append(lines, s)
	}
	a.mu.Unlock()
	for _, s := range lines {
		switch s.state(now) {
		case lineQuiet:
			select {
			case s.queue <- ping{}:
			default: // so much waits that it is not quiet for long
			}
		case lineDead:
			s.cancel(&refusal{protocol.RefusedBusy, "nothing has come for a minute"})
		case lineStuck:
			s.cancel(&refusal{protocol.RefusedBusy, "the agent takes nothing"})
			_ = s.socket.Close() // frees the writer
		}
	}
}
