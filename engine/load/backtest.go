package load

import (
	"sort"
	"strconv"
	"time"

	"opsyard/models"
)

// FlapTime is how soon a change in the other direction makes a flap.
const FlapTime = 30 * time.Minute

// Step is one event that the rules would have led to.
type Step struct {
	Event
	Count    int // instances
	Sentence string
}

// Test is what rules would have done in a time that is past.
type Test struct {
	From, To       time.Time
	Steps          []Step
	Added, Removed int
	// Flaps are the changes that another one, in the other direction, undid
	// within FlapTime.
	Flaps int
	// Measured are the minutes of which something is known.
	Measured int
	// Short is how often more instances were wanted than are prepared.
	Short int
}

// Backtest lets the rules act on what was measured, with a number of prepared
// load-based instances that are all stopped at first. What was measured does
// not change by what the rules would have done, so real rules act less often.
// alarms tells the states at a time; nil is for rules without alarms.
func Backtest(r Rules, minutes []Minute, prepared int, alarms func(time.Time) map[string]Alarm, from, to time.Time) Test {
	test := Test{From: from, To: to}
	fleet := newBench(prepared)
	var last Event
	short := false
	for at := r.Newest(from); !at.After(to); at = at.Add(r.Minute) {
		now := at.Add(r.lag())
		var states map[string]Alarm
		if alarms != nil {
			states = alarms(at)
		}
		begin, end := r.Window(now)
		d := Decide(r, between(minutes, begin, end), states, fleet.Fleet, last, now)
		if d.Newest.Known() {
			test.Measured++
		}
		wasShort := short
		if short = d.Wants == models.ScaleUp && len(d.Start) < r.Up.InstanceCount; short && !wasShort {
			test.Short++
		}
		if !d.Acts() {
			continue
		}
		last = Event{Direction: d.Direction(), At: now}
		test.add(Step{Event: last, Count: fleet.apply(d, now), Sentence: d.Sentence})
	}
	return test
}

func (t *Test) add(s Step) {
	if n := len(t.Steps); n > 0 && t.Steps[n-1].Direction != s.Direction && s.At.Sub(t.Steps[n-1].At) <= FlapTime {
		t.Flaps++
	}
	t.Steps = append(t.Steps, s)
	if s.Direction == models.ScaleUp {
		t.Added += s.Count
	} else {
		t.Removed += s.Count
	}
}

// between are the minutes that begin in a time.
func between(minutes []Minute, from, to time.Time) []Minute {
	first := sort.Search(len(minutes), func(n int) bool { return !minutes[n].At.Before(from) })
	end := sort.Search(len(minutes), func(n int) bool { return !minutes[n].At.Before(to) })
	return minutes[first:max(first, end)]
}

// bench is a fleet whose instances start and stop at once.
type bench struct{ Fleet }

func newBench(prepared int) *bench {
	b := &bench{}
	for n := range prepared {
		b.LoadBased = append(b.LoadBased, Instance{ID: models.InstanceID(strconv.Itoa(n)), Status: models.InstanceStopped})
	}
	return b
}

func (b *bench) apply(d Decision, now time.Time) int {
	status := models.InstanceOnline
	if len(d.Stop) > 0 {
		status = models.InstanceStopped
	}
	changed := append(d.Start, d.Stop...)
	for _, id := range changed {
		n, _ := strconv.Atoi(string(id))
		b.LoadBased[n].Status, b.LoadBased[n].Since = status, now
	}
	return len(changed)
}
