package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"opsyard/engine/prometheus"
	"opsyard/models"
)

// Prometheus is what alarms with a query ask.
type Prometheus interface {
	Range(ctx context.Context, query string, from, to time.Time, step time.Duration) ([]prometheus.Point, error)
}

// HasPrometheus tells whether alarms can have a query.
func (e *Engine) HasPrometheus() bool { return e.prometheus != nil }

const (
	// stackPatience is how long the queries of one stack may take in a round.
	stackPatience = 10 * time.Second
	// stacksAtOnce is how many stacks have a query under way, each one. Prometheus
	// runs twenty by default, and has others who ask.
	stacksAtOnce = 8
)

// roundPatience is how long into a round queries are asked. One that begins then
// ends before the next minute is due.
func (e *Engine) roundPatience() time.Duration { return e.times.Minute / 2 }

// answer is what Prometheus said to an alarm's query.
type answer struct {
	from    time.Time // when the alarm's minutes begin
	points  []prometheus.Point
	problem string // a sentence: why there are no points
	left    bool   // it was left out of the round, for want of time
}

// queryTimes is how long the queries of stacks took when they were asked last.
type queryTimes map[models.StackID]time.Duration

// quickFirst puts stacks without queries first and those whose queries are slow
// last: when a round has no time for all, those are left out that cost the most.
func (q queryTimes) quickFirst(stacks []*loadOfStack) {
	slices.SortStableFunc(stacks, func(a, b *loadOfStack) int {
		if a.asks() != b.asks() {
			if b.asks() {
				return -1
			}
			return 1
		}
		return cmp.Compare(q[a.stack], q[b.stack])
	})
}

// after is what is known after a round. A stack that was left out counts as half
// as slow as before, so it has its turn again.
func (q queryTimes) after(stacks []*loadOfStack) queryTimes {
	next := queryTimes{}
	for _, s := range stacks {
		switch {
		case s.asked:
			next[s.stack] = s.took
		case s.asks():
			next[s.stack] = q[s.stack] / 2
		}
	}
	return next
}

// answered gives the stacks as soon as the queries of their alarms are answered.
// Those without any come first: no stack waits for the queries of another.
func (e *Engine) answered(ctx context.Context, stacks []*loadOfStack) <-chan *loadOfStack {
	e.queryTimes.quickFirst(stacks)
	ready, waiting := make(chan *loadOfStack, len(stacks)), make(chan *loadOfStack, len(stacks))
	for _, s := range stacks {
		if s.asks() {
			waiting <- s
		} else {
			ready <- s
		}
	}
	close(waiting)
	k := &asker{e: e, began: e.Clock()}
	var all sync.WaitGroup
	for range min(stacksAtOnce, len(waiting)) {
		all.Go(func() {
			for s := range waiting {
				k.askAll(ctx, s)
				ready <- s
			}
		})
	}
	go func() {
		all.Wait()
		close(ready)
	}()
	return ready
}

// asker asks Prometheus in one round. When it cannot be reached once, the round
// does not wait for it again.
type asker struct {
	e     *Engine
	began time.Time

	mu   sync.Mutex
	dead bool
}

// askAll asks the queries of a stack, one after the other.
func (k *asker) askAll(ctx context.Context, s *loadOfStack) {
	s.answers = map[models.AlarmID]answer{}
	for n := range s.alarms {
		if a := &s.alarms[n]; a.Query != "" {
			s.answers[a.ID] = k.ask(ctx, s, a)
		}
	}
}

// leftRounds are the rounds in a row that an alarm may be left out of and keep
// its state.
const leftRounds = 3

const unreached = "Prometheus could not be asked. The server's log has the details."

func (k *asker) ask(ctx context.Context, s *loadOfStack, a *models.Alarm) answer {
	began := k.e.Clock()
	switch {
	case k.e.prometheus == nil:
		return answer{problem: "This server knows no Prometheus. Start it with --prometheus URL."}
	case k.away():
		return answer{problem: unreached}
	case s.took >= stackPatience:
		return answer{left: true, problem: "The queries of the stack's other alarms took too long for this one to be asked too."}
	case began.Sub(k.began) >= k.e.roundPatience():
		return answer{left: true, problem: "The queries of all alarms took too long for this one to be asked too."}
	}
	from, to := k.e.minutesOf(a)
	points, err := k.e.prometheus.Range(ctx, a.Query, from.Add(k.e.times.Minute), to, k.e.times.Minute)
	s.asked, s.took = true, s.took+k.e.Clock().Sub(began)
	var refused *prometheus.Refused
	switch {
	case err == nil:
		return answer{from: from, points: points}
	case errors.As(err, &refused):
		return answer{problem: refused.Error()}
	}
	if k.lost() {
		k.e.Log.WarnContext(ctx, "ask Prometheus", slog.String("alarm", a.Name), slog.Any("error", err))
	}
	return answer{problem: unreached}
}

func (k *asker) away() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

// lost notes that Prometheus cannot be reached, and tells whether that is news.
func (k *asker) lost() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	news := !k.dead
	k.dead = true
	return news
}
