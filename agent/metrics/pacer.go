package metrics

import (
	"math/rand/v2"
	"sync"
	"time"

	"opsyard/agent/protocol"
)

// keepUnsent is how many usual measurements wait for the server to come back.
const keepUnsent = 15

// Pacer says when to measure and when to send. All agents measure the same
// minutes, by the server's clock, so that averages over them mean something; but
// each sends its figures a little later, in its turn.
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

// Welcome takes what a server says at the beginning of a session: its time,
// and how often it wants to hear.
func (p *Pacer) Welcome(now, server time.Time, seconds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if skew := server.Sub(now); (skew - p.skew).Abs() > time.Second/2 {
		p.skew = skew // small differences are the line's
	}
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

// Step measures what has ended and returns what is to be sent now, which is
// nothing while there is no session, and when to come again; a zero time means
// not before a Welcome.
func (p *Pacer) Step(now time.Time, session bool) (send []protocol.Metrics, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live.every > 0 && (!session || now.After(p.until)) {
		p.live = period{}
	}
	if m, ok := p.measure(&p.usual, now); ok {
		due := now.Add(p.usual.every / spread * time.Duration(p.turn) / turns)
		if len(p.unsent) == keepUnsent {
			p.unsent = append(p.unsent[:0], p.unsent[1:]...)
		}
		p.unsent = append(p.unsent, unsent{due, m})
	}
	if m, ok := p.measure(&p.live, now); ok {
		send = append(send, m)
	}
	for session && len(p.unsent) > 0 && !now.Before(p.unsent[0].due) {
		send = append(send, p.unsent[0].message)
		p.unsent = p.unsent[1:]
	}
	next = p.usual.ends
	if p.live.every > 0 && p.live.ends.Before(next) {
		next = p.live.ends
	}
	if session && len(p.unsent) > 0 && p.unsent[0].due.Before(next) {
		next = p.unsent[0].due
	}
	return send, next
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
