package handlers

import (
	"context"
	"time"

	"opsyard/engine"
	"opsyard/engine/load"
	"opsyard/models"
)

// Scaling and alarms, as the pages need them.

func (*fakeEngine) LoadNow(context.Context, models.LayerID) (engine.LoadNow, error) {
	return engine.LoadNow{Decision: load.Decision{Sentence: "In the last minute: CPU 43 %."}, Running: 2}, nil
}

func (f *fakeEngine) TestScaling(_ context.Context, _ models.LayerID, change func(*models.LoadBasedAutoScaling) error) (*engine.Backtest, error) {
	c := models.NewLoadBasedAutoScaling(&models.Layer{})
	if change != nil {
		if err := change(&c); err != nil {
			return nil, err
		}
	}
	now := time.Now().UTC()
	return &engine.Backtest{Test: load.Test{From: now.Add(-engine.BacktestTime), To: now}, Minute: time.Minute}, c.Validate()
}

func (*fakeEngine) HasPrometheus() bool { return false }

func (f *fakeEngine) CreateAlarm(ctx context.Context, a models.Alarm) (*models.Alarm, error) {
	a.ID = models.NewID[models.AlarmID]()
	a.Normalize()
	return &a, f.store.Alarms.Create(ctx, &a)
}

func (f *fakeEngine) UpdateAlarm(ctx context.Context, id models.AlarmID, change func(*models.Alarm) error) (*models.Alarm, error) {
	a, err := f.store.Alarms.Get(ctx, id)
	if err == nil {
		err = change(a)
	}
	if err != nil {
		return nil, err
	}
	return a, f.store.Alarms.Save(ctx, a)
}

func (f *fakeEngine) DeleteAlarm(ctx context.Context, id models.AlarmID) error {
	return f.store.Alarms.Delete(ctx, id)
}
