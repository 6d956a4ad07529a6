package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"opsyard/engine/alarm"
	"opsyard/engine/notify"
	"opsyard/engine/prometheus"
	"opsyard/models"
)

const (
	// maxAlarms of a stack: each is looked at every minute.
	maxAlarms = 100
	// keepScaling is how long it can be told what alarms and scaling did.
	keepScaling = 90 * 24 * time.Hour
)

func onAlarm(a *models.Alarm) target {
	return target{"alarm", string(a.ID), a.Name, a.StackID}
}

// CreateAlarm adds an alarm to a stack. It has insufficient data until it has
// been looked at.
func (e *Engine) CreateAlarm(ctx context.Context, a models.Alarm) (*models.Alarm, error) {
	if _, err := e.Authorize(ctx, a.StackID, "CreateAlarm"); err != nil {
		return nil, err
	}
	now := e.Clock()
	a.ID, a.State, a.StateSince, a.StateReason = models.NewID[models.AlarmID](), models.AlarmInsufficient, now, "It is new."
	a.Value, a.LookedAt, a.CreatedAt, a.UpdatedAt = nil, nil, now, now
	a.Normalize()
	err := e.tx(ctx, func(t *tx) error {
		if _, err := t.Stacks.GetForUpdate(ctx, a.StackID); err != nil {
			return err
		}
		all, err := t.Alarms.InStack(ctx, a.StackID)
		if err != nil {
			return err
		}
		if len(all) >= maxAlarms {
			return models.Invalid("A stack can have %d alarms; delete one first.", maxAlarms)
		}
		if err := t.checkAlarm(ctx, &a); err != nil {
			return err
		}
		if err := t.Alarms.Create(ctx, &a); err != nil {
			return err
		}
		t.tellAlarm(&a)
		return t.audit(ctx, "CreateAlarm", onAlarm(&a), nil, &a, models.Cause{})
	})
	return &a, err
}

// UpdateAlarm lets change alter the rule of an alarm. Its state stays until it
// is looked at again.
func (e *Engine) UpdateAlarm(ctx context.Context, id models.AlarmID, change func(*models.Alarm) error) (*models.Alarm, error) {
	if err := e.alarmFor(ctx, id, "UpdateAlarm"); err != nil {
		return nil, err
	}
	var updated *models.Alarm
	err := e.tx(ctx, func(t *tx) error {
		before, err := t.Alarms.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		a := *before
		if err := change(&a); err != nil {
			return err
		}
		a.ID, a.StackID, a.CreatedAt, a.UpdatedAt = id, before.StackID, before.CreatedAt, e.Clock()
		a.Normalize()
		if a.Name != before.Name {
			if err := t.alarmUnused(ctx, before, "renamed"); err != nil {
				return err
			}
		}
		if err := t.checkAlarm(ctx, &a); err != nil {
			return err
		}
		if err := t.Alarms.Save(ctx, &a); err != nil {
			return err
		}
		updated = &a
		t.tellAlarm(&a)
		return t.audit(ctx, "UpdateAlarm", onAlarm(&a), before, &a, models.Cause{})
	})
	return updated, err
}

// DeleteAlarm removes an alarm that no rule of scaling names.
func (e *Engine) DeleteAlarm(ctx context.Context, id models.AlarmID) error {
	if err := e.alarmFor(ctx, id, "DeleteAlarm"); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		a, err := t.Alarms.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if err := t.alarmUnused(ctx, a, "deleted"); err != nil {
			return err
		}
		if err := t.Alarms.Delete(ctx, id); err != nil {
			return err
		}
		t.tellAlarm(a)
		return t.audit(ctx, "DeleteAlarm", onAlarm(a), a, nil, models.Cause{})
	})
}

func (e *Engine) alarmFor(ctx context.Context, id models.AlarmID, action models.Action) error {
	a, err := e.store.Alarms.Get(ctx, id)
	if err != nil {
		return err
	}
	_, err = e.Authorize(ctx, a.StackID, action)
	return hide(err, "alarm", id)
}

// checkAlarm refuses an alarm about what the stack does not have.
func (t *tx) checkAlarm(ctx context.Context, a *models.Alarm) error {
	if err := a.Validate(); err != nil {
		return err
	}
	if a.Query != "" && t.e.prometheus == nil {
		return models.InvalidField("Query", "Query: this server knows no Prometheus. Start it with --prometheus URL.")
	}
	if a.LayerID != "" {
		l, err := t.Layers.Get(ctx, a.LayerID)
		if err != nil || l.StackID != a.StackID {
			return models.InvalidField("LayerId", "Layer: the stack has no such layer.")
		}
	}
	if a.InstanceID != "" {
		i, err := t.Instances.Get(ctx, a.InstanceID)
		if err != nil || i.StackID != a.StackID {
			return models.InvalidField("InstanceId", "Instance: the stack has no such instance.")
		}
	}
	return nil
}

// alarmUnused refuses a deed while load-based scaling knows the alarm by its
// name: without it nothing would be scaled any more.
func (t *tx) alarmUnused(ctx context.Context, a *models.Alarm, deed string) error {
	layers, err := t.Layers.InStack(ctx, a.StackID)
	if err != nil {
		return err
	}
	for _, l := range layers {
		c, err := t.LoadBasedAutoScaling.Get(ctx, l.ID)
		if models.CodeOf(err) == models.CodeNotFound && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		if scalingAlarms(c)[a.Name] {
			return models.Invalid("The load-based scaling of layer %s looks at %s: take it out there before it is %s.", l.Name, a.Name, deed)
		}
	}
	return nil
}

// scalingAlarms are the names that a layer's rules hold.
func scalingAlarms(c *models.LoadBasedAutoScaling) map[string]bool {
	names := map[string]bool{}
	for _, list := range [][]string{c.UpScaling.Alarms, c.DownScaling.Alarms} {
		for _, name := range list {
			names[name] = true
		}
	}
	return names
}

func (t *tx) tellAlarm(a *models.Alarm) { t.tell(TopicStack(a.StackID), "alarm", string(a.ID)) }

// lookAtAlarms holds the alarms of a stack against their newest minutes.
func (e *Engine) lookAtAlarms(ctx context.Context, s *loadOfStack) error {
	var errs []error
	for n := range s.alarms {
		a := &s.alarms[n]
		if s.answers[a.ID].left && a.LookedAt != nil && e.Clock().Sub(*a.LookedAt) <= leftRounds*e.times.Minute {
			continue // it has its turn soon, and tells nobody of that
		}
		verdict, err := e.judgeAlarm(ctx, a, s.answers[a.ID])
		if err == nil {
			err = e.noteVerdict(ctx, a, verdict)
		}
		if err != nil { // one bad alarm must not shield the others
			errs = append(errs, fmt.Errorf("look at alarm %s: %w", a.Name, err))
		}
	}
	return errors.Join(errs...)
}

// judgeAlarm holds an alarm against what was measured, or what was said to its
// query.
func (e *Engine) judgeAlarm(ctx context.Context, a *models.Alarm, said answer) (alarm.Verdict, error) {
	switch {
	case a.Query == "":
		from, to := e.minutesOf(a)
		values, err := e.alarmMinutes(ctx, a, from, to)
		return alarm.Decide(a, values), err
	case said.problem != "":
		return alarm.Verdict{State: models.AlarmInsufficient, Reason: said.problem}, ctx.Err()
	}
	return alarm.Decide(a, e.byMinute(a, said.points, said.from)), nil
}

// minutesOf are the minutes that an alarm is about now.
func (e *Engine) minutesOf(a *models.Alarm) (from, to time.Time) {
	to = e.newestMinute()
	return to.Add(-time.Duration(a.Of) * e.times.Minute), to
}

// byMinute are the minutes of a query: of several series the one that is
// furthest on the alarm's side.
func (e *Engine) byMinute(a *models.Alarm, points []prometheus.Point, from time.Time) []float64 {
	minutes := make([][]float64, a.Of)
	for _, p := range points {
		// A value at the end of a minute is that minute's.
		if n := int((p.At.Sub(from) + e.times.Minute/2) / e.times.Minute); n >= 1 && n <= a.Of {
			minutes[n-1] = append(minutes[n-1], p.Value)
		}
	}
	values := make([]float64, a.Of)
	for n := range values {
		values[n] = alarm.Worst(a, minutes[n])
	}
	return values
}

// alarmMinutes are the minutes of a metric over the instances of the scope.
func (e *Engine) alarmMinutes(ctx context.Context, a *models.Alarm, from, to time.Time) ([]float64, error) {
	ids, err := e.alarmScope(ctx, a)
	if err != nil {
		return nil, err
	}
	series, err := e.store.Metrics.Series(ctx, ids, figuresOf(a.Metric), from, to, e.times.Minute)
	if err != nil {
		return nil, err
	}
	minutes := make([][]float64, a.Of)
	for _, metrics := range series {
		byMinute := map[time.Time]*models.MetricValues{}
		for metric, points := range metrics {
			for _, p := range points {
				if byMinute[p.At] == nil {
					v := models.UnknownMetrics()
					byMinute[p.At] = &v
				}
				byMinute[p.At].Set(metric, p.Value)
			}
		}
		for at, v := range byMinute {
			if n := int(at.Sub(from) / e.times.Minute); n >= 0 && n < a.Of {
				minutes[n] = append(minutes[n], figure(v, a.Metric))
			}
		}
	}
	values := make([]float64, a.Of)
	for n := range values {
		values[n] = alarm.Fold(a.Statistic, minutes[n])
	}
	return values, nil
}

// figuresOf are the metrics that a figure is made of.
func figuresOf(m models.Metric) []models.Metric {
	switch m {
	case models.MetricCPU:
		return []models.Metric{models.MetricCPUIdle}
	case models.MetricMemory:
		return []models.Metric{models.MetricMemoryUsed, models.MetricMemoryTotal}
	}
	return []models.Metric{m}
}

func figure(v *models.MetricValues, m models.Metric) float64 {
	switch m {
	case models.MetricCPU:
		return v.CPU()
	case models.MetricMemory:
		return v.Memory()
	}
	return v.Get(m)
}

func (e *Engine) alarmScope(ctx context.Context, a *models.Alarm) ([]models.InstanceID, error) {
	if a.InstanceID != "" {
		return []models.InstanceID{a.InstanceID}, nil
	}
	list, err := e.store.Instances.InStack(ctx, a.StackID)
	if a.LayerID != "" {
		list, err = e.store.Instances.InLayer(ctx, a.LayerID)
	}
	ids := make([]models.InstanceID, len(list))
	for n := range list {
		ids[n] = list[n].ID
	}
	return ids, err
}

// noteVerdict stores what an alarm has come to.
func (e *Engine) noteVerdict(ctx context.Context, a *models.Alarm, v alarm.Verdict) error {
	if v.Value != nil && math.IsInf(*v.Value, 0) {
		v.Value = nil // no database keeps it
	}
	now := e.Clock()
	return e.tx(ctx, func(t *tx) error {
		t.tellAlarm(a)
		if v.State == a.State {
			return t.Alarms.Looked(ctx, a.ID, now, v.Value, v.Reason)
		}
		changed, err := t.Alarms.Change(ctx, &models.AlarmChange{AlarmID: a.ID, StackID: a.StackID, At: now, From: a.State, To: v.State, Reason: v.Reason, Value: v.Value})
		if err != nil || !changed {
			return err
		}
		return t.tellVerdict(ctx, a, v)
	})
}

// alertAlarm is the type of alerts about alarms that begin and end.
const alertAlarm = "Alarm"

// tellVerdict tells of a change of state in the timeline, and those who hear
// of alerts when the alarm begins or ends. Only a good end is no trouble: when
// the figures stop coming, nobody knows.
func (t *tx) tellVerdict(ctx context.Context, a *models.Alarm, v alarm.Verdict) error {
	text := fmt.Sprintf("The alarm %s is %s", a.Name, v.State)
	err := t.event(ctx, models.StackEvent{
		StackID: a.StackID, InstanceID: a.InstanceID, Kind: "alarm", Tone: alarmTone(v.State), Text: text,
		Cause: models.Cause{Kind: models.CauseAlarm, Text: becauseOf(v.Reason), InstanceID: a.InstanceID},
	})
	if err != nil || a.State != models.AlarmOn && v.State != models.AlarmOn {
		return err
	}
	text += ": " + v.Reason
	return t.alertOf(ctx, &news{
		stack: a.StackID, trouble: v.State != models.AlarmOK, text: text, path: "/stacks/" + string(a.StackID) + "/alarms?alarm=" + string(a.ID),
	}, notify.AlertDetail{StackID: a.StackID, InstanceID: a.InstanceID, Type: alertAlarm, Message: text})
}

// becauseOf makes a sentence the second half of "because …".
func becauseOf(sentence string) string {
	sentence = strings.TrimSuffix(sentence, ".")
	for _, first := range []string{"It ", "Nothing "} {
		if rest, ok := strings.CutPrefix(sentence, first); ok {
			return strings.ToLower(first) + rest
		}
	}
	return sentence
}

func alarmTone(s models.AlarmState) string {
	switch s {
	case models.AlarmOK:
		return "ok"
	case models.AlarmOn:
		return "warn"
	}
	return "off"
}

// pruneScaling forgets what alarms and scaling did long ago.
func (e *Engine) pruneScaling(ctx context.Context) error {
	before := e.Clock().Add(-keepScaling)
	return errors.Join(e.store.Alarms.Prune(ctx, before), e.store.ScalingEvents.Prune(ctx, before))
}
