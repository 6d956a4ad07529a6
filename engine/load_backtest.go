package engine

import (
	"context"
	"time"

	"opsyard/engine/load"
	"opsyard/models"
)

// BacktestTime is how far back rules are tried.
const BacktestTime = 7 * 24 * time.Hour

// Backtest is what rules would have done, and what was measured meanwhile.
type Backtest struct {
	load.Test
	Minutes  []load.Minute
	Minute   time.Duration
	Prepared int // load-based instances
}

// TestScaling lets rules act on what was measured in the layer's last seven
// days; change alters the rules that are stored. Nothing is started, stopped or
// stored.
func (e *Engine) TestScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) (*Backtest, error) {
	config, err := e.scalingOf(ctx, id, "TestScaling")
	if err != nil {
		return nil, err
	}
	if change != nil {
		if err := change(&config); err != nil {
			return nil, err
		}
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	rules := e.rules(&config)
	to := rules.Newest(e.Clock())
	from := to.Add(-BacktestTime)
	earliest, _ := rules.Window(from)
	b := &Backtest{Minute: e.times.Minute}
	if b.Minutes, err = e.layerMinutes(ctx, id, earliest, to); err != nil {
		return nil, err
	}
	if b.Prepared, err = e.store.Instances.LoadBased(ctx, id); err != nil {
		return nil, err
	}
	alarms, err := e.alarmsThen(ctx, &config, from)
	if err != nil {
		return nil, err
	}
	b.Test = load.Backtest(rules, b.Minutes, b.Prepared, alarms, from, to)
	return b, nil
}

// alarmsThen tells the states of a layer's alarms at times since from.
func (e *Engine) alarmsThen(ctx context.Context, c *models.LoadBasedAutoScaling, from time.Time) (func(time.Time) map[string]load.Alarm, error) {
	names := scalingAlarms(c)
	if len(names) == 0 {
		return nil, nil
	}
	list, err := e.store.Alarms.InStack(ctx, c.StackID)
	if err != nil {
		return nil, err
	}
	changes, err := e.store.Alarms.ChangesSince(ctx, c.StackID, from)
	if err != nil {
		return nil, err
	}
	history := map[string][]load.Alarm{}
	for _, a := range list {
		if names[a.Name] {
			history[a.Name] = statesOf(&a, changes)
		}
	}
	return func(at time.Time) map[string]load.Alarm {
		states := map[string]load.Alarm{}
		for name, list := range history {
			for _, a := range list {
				if !a.Since.After(at) {
					states[name] = a
				}
			}
		}
		return states
	}, nil
}

// statesOf are an alarm's states, the oldest first. Before the first change it
// was what that change came from.
func statesOf(a *models.Alarm, changes []models.AlarmChange) []load.Alarm {
	var list []load.Alarm
	for _, c := range changes {
		if c.AlarmID != a.ID {
			continue
		}
		if len(list) == 0 {
			list = append(list, load.Alarm{State: c.From, Since: a.CreatedAt})
		}
		list = append(list, load.Alarm{State: c.To, Since: c.At})
	}
	if len(list) == 0 {
		list = append(list, load.Alarm{State: a.State, Since: a.StateSince})
	}
	return list
}
