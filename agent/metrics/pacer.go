package metrics

import (
	"math/rand/v2"
	"sync"
	"time"

	"opsyard/agent/protocol"
)

// keepUnsent is how many usual measurements wait for the server to come back.
const keepUnsent = 15

// Pacer says when to measure and when to speak. All agents measure the same
// minutes, by the server's clock, so that averages over them mean something; but
// each sends its figures a little later, in its turn. In its turn again, half a
// minute later, it says that it lives.
//
// It has no clock and no goroutine: Step is called when Step said, and after
// Welcome and Watch.
type Pacer struct {
	window func() func() protocol.Figures

	mu     sync.Mutex
	turn   int           // when this agent sends, of the turns
	skew   time.Duration // from our clock to the server's
	usual  period
	live   period
	until  time.Time // the live period
	unsent []unsent
	beat   time.Time // when to say that we live
}

// Words are what there is to say at a moment.
type Words struct {
	Figures []protocol.Metrics
	// Beat asks for a heartbeat: there are no figures that stand for it.
	Beat bool
}

// period is a measurement that repeats.
type period struct {
	every time.Duration // 0: none
	began time.Time
	ends  time.Time // by our clock
	take  func() protocol.Figures
}

type unsent struct {
	due     time.Time
	message protocol.Metrics
}

// NewPacer paces measurements by windows, such as Reader.Window.
func NewPacer(window func() func() protocol.Figures) *Pacer {
	return &Pacer{window: window, turn: rand.N(turns)}
}

// spread is the part of a period in which agents send what they have measured.
const spread = 6

// turns are the moments within it. Agents do not send one by one: a server that is
// woken for a hundred messages has far less to do than one that is woken a
// hundred times.
const turns = 10

// Welcome takes what is known at the beginning of a session: the bounds of what
// the server's clock is ahead of ours, and how often it wants to hear.
func (p *Pacer) Welcome(now time.Time, least, most time.Duration, seconds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.skew < least || p.skew > most { // it is what it was, unless that is proven wrong
		p.skew = least // the answer's way back is shorter than the dial
	}
	p.beat = now
	every := time.Duration(max(seconds, 0)) * time.Second
	if p.usual.every != every {
		p.usual, p.live = period{every: every}, period{}
		p.unsent = nil
		p.begin(&p.usual, now)
	}
}

// Watch begins measurements of so many seconds, beside the usual ones and for a
// minute.
func (p *Pacer) Watch(now time.Time, seconds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := time.Duration(max(seconds, 1)) * time.Second
	if p.usual.every == 0 || every >= p.usual.every {
		return
	}
	p.until = now.Add(protocol.WatchFor)
	if p.live.every != every {
		p.live = period{every: every}
		p.begin(&p.live, now)
	}
}

// begin starts a period at now; it ends with a multiple of its length.
func (p *Pacer) begin(d *period, now time.Time) {
	if d.every == 0 {
		return
	}
	if d.take == nil {
		d.take = p.window()
	}
	d.began = now
	d.ends = p.floor(now, d.every).Add(d.every)
}

// floor is the last multiple of a length, by the server's clock, in ours.
func (p *Pacer) floor(now time.Time, every time.Duration) time.Time {
	return aligned(now.Add(p.skew), every).Add(-p.skew)
}

func aligned(at time.Time, every time.Duration) time.Time {
	return at.Add(-time.Duration(at.UnixNano() % int64(every)))
}

// moment is the last of this agent's in a time that is at most a
// protocol.HeartbeatEvery from now.
func (p *Pacer) moment(now time.Time) time.Time {
	own := time.Minute / spread * time.Duration(p.turn) / turns // as a minute's figures have it
	return p.floor(now.Add(protocol.HeartbeatEvery-own), protocol.HeartbeatEvery).Add(own)
}

// Step measures what has ended and returns what is to be said now, which is
// nothing while there is no session, and when to come again; a zero time means
// not before a Welcome.
func (p *Pacer) Step(now time.Time, session bool) (say Words, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live.every > 0 && (!session || now.After(p.until)) {
		p.live = period{}
	}
	if m, ok := p.measure(&p.usual, now); ok {
		due := p.usual.began.Add(p.usual.every / spread * time.Duration(p.turn) / turns)
		if len(p.unsent) == keepUnsent {
			p.unsent = append(p.unsent[:0], p.unsent[1:]...)
		}
		p.unsent = append(p.unsent, unsent{due, m})
	}
	if m, ok := p.measure(&p.live, now); ok {
		say.Figures = append(say.Figures, m)
	}
	for session && len(p.unsent) > 0 && !now.Before(p.unsent[0].due) {
		say.Figures = append(say.Figures, p.unsent[0].message)
		p.unsent = p.unsent[1:]
	}
	return p.speak(now, session, say), p.next(session)
}

// speak adds a heartbeat if it is time for one.
func (p *Pacer) speak(now time.Time, session bool, say Words) Words {
	if !session {
		return say
	}
	say.Beat = len(say.Figures) == 0 && !now.Before(p.beat)
	if say.Beat || len(say.Figures) > 0 {
		p.beat = p.moment(now)
	}
	return say
}

// next is when there is something to do.
func (p *Pacer) next(session bool) (at time.Time) {
	moments := []time.Time{p.usual.ends, p.live.ends}
	if session {
		moments = append(moments, p.beat)
		if len(p.unsent) > 0 {
			moments = append(moments, p.unsent[0].due)
		}
	}
	for _, m := range moments {
		if !m.IsZero() && (at.IsZero() || m.Before(at)) {
			at = m
		}
	}
	return at
}

// measure ends a period that is over and begins the next. One that was seen for
// less than half of its time, such as the first, is not told.
func (p *Pacer) measure(d *period, now time.Time) (m protocol.Metrics, ok bool) {
	if d.every == 0 || now.Before(d.ends) {
		return m, false
	}
	figures := d.take()
	end := p.floor(now, d.every) // later than d.ends after a machine has slept
	ok = end.Sub(d.began) >= d.every/2
	m = protocol.Metrics{At: end.Add(-d.every).Add(p.skew).UTC(), Seconds: int(d.every / time.Second), Values: figures}
	p.begin(d, now)
	d.began = end
	return m, ok
}
