package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"opsyard/engine/load"
	"opsyard/models"
)

// minutely lets one round through for each minute that has been reported, also
// when the clock was set back.
type minutely struct {
	mu   sync.Mutex
	last time.Time
}

func (m *minutely) due(minute time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if minute.Equal(m.last) {
		return false
	}
	m.last = minute
	return true
}

// newestMinute is the end of the last minute that has been reported.
func (e *Engine) newestMinute() time.Time {
	return load.Rules{Minute: e.times.Minute}.Newest(e.Clock())
}

// followLoad looks at the alarms and at load-based scaling, stack by stack, once
// for each minute. A round that comes twice decides the same and does nothing
// more.
func (e *Engine) followLoad(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	if !e.minutes.due(e.newestMinute()) {
		return nil
	}
	stacks, err := e.stacksWithLoad(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for s := range e.answered(ctx, stacks) {
		// The rules see the alarms as they are now.
		errs = append(errs, e.lookAtAlarms(ctx, s), e.scaleLayers(ctx, s.rules))
	}
	e.queryTimes = e.queryTimes.after(stacks)
	return errors.Join(errs...)
}

// loadOfStack is what is looked at in a stack: its alarms, and the rules of its
// layers that are on.
type loadOfStack struct {
	stack  models.StackID
	alarms []models.Alarm
	rules  []models.LoadBasedAutoScaling
	// What Prometheus said, whether it was asked at all, and how long it took.
	answers map[models.AlarmID]answer
	asked   bool
	took    time.Duration
}

// asks tells whether an alarm of the stack has a query.
func (s *loadOfStack) asks() bool {
	return slices.ContainsFunc(s.alarms, func(a models.Alarm) bool { return a.Query != "" })
}

// stacksWithLoad are the stacks that have an alarm or a layer that follows its load.
func (e *Engine) stacksWithLoad(ctx context.Context) ([]*loadOfStack, error) {
	alarms, err := e.store.Alarms.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", err)
	}
	rules, err := e.store.LoadBasedAutoScaling.Enabled(ctx)
	if err != nil {
		return nil, fmt.Errorf("list layers that follow their load: %w", err)
	}
	var list []*loadOfStack
	known := map[models.StackID]*loadOfStack{}
	of := func(id models.StackID) *loadOfStack {
		if known[id] == nil {
			known[id] = &loadOfStack{stack: id}
			list = append(list, known[id])
		}
		return known[id]
	}
	for _, a := range alarms {
		s := of(a.StackID)
		s.alarms = append(s.alarms, a)
	}
	for _, c := range rules {
		s := of(c.StackID)
		s.rules = append(s.rules, c)
	}
	return list, nil
}
