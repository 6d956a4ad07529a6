package store

import (
	"context"
	"time"

	"opsyard/models"
)

// Alarms keeps models.Alarm and its history.
type Alarms struct{ *handle }

const kindAlarm = "alarm"

// Get reads one alarm.
func (s Alarms) Get(ctx context.Context, id models.AlarmID) (*models.Alarm, error) {
	return get[models.Alarm](s.r(ctx), kindAlarm, id)
}

// GetForUpdate reads one alarm and keeps other transactions from changing it.
func (s Alarms) GetForUpdate(ctx context.Context, id models.AlarmID) (*models.Alarm, error) {
	return get[models.Alarm](forUpdate(s.w(ctx)), kindAlarm, id)
}

// InStack reads a stack's alarms by name.
func (s Alarms) InStack(ctx context.Context, id models.StackID) ([]models.Alarm, error) {
	return find[models.Alarm](s.r(ctx).Where("stack_id = ?", id).Order("name"), "list alarms of stack %s", id)
}

// List reads the alarms of all stacks.
func (s Alarms) List(ctx context.Context) ([]models.Alarm, error) {
	return find[models.Alarm](s.r(ctx).Order("stack_id, name"), "list alarms")
}

// Create stores a new alarm. A name that the stack has already is refused.
func (s Alarms) Create(ctx context.Context, a *models.Alarm) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, a.StackID); err != nil {
			return err
		}
		return alarmTaken(h.w(ctx).Create(a).Error, a)
	})
}

// Save writes an alarm's rule, but not its state.
func (s Alarms) Save(ctx context.Context, a *models.Alarm) error {
	return alarmTaken(save(s.w(ctx), a, kindAlarm, a.ID, "state", "state_since", "state_reason", "value", "looked_at"), a)
}

func alarmTaken(err error, a *models.Alarm) error {
	if brokenIndex(err) == "alarm_name" {
		return models.InvalidField("Name", "Name: the stack has an alarm %s already.", a.Name).Because(err)
	}
	return wrap(err, "store alarm %s", a.Name)
}

// Delete removes an alarm with its history.
func (s Alarms) Delete(ctx context.Context, id models.AlarmID) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM alarm_changes WHERE alarm_id = ?", id).Error; err != nil {
			return wrap(err, "delete the history of alarm %s", id)
		}
		return affected(h.w(ctx).Exec("DELETE FROM alarms WHERE id = ?", id), "delete", kindAlarm, id)
	})
}

// forget removes the alarms of a layer or an instance that is deleted.
func (s Alarms) forget(ctx context.Context, column, id string) error {
	err := s.w(ctx).Exec("DELETE FROM alarm_changes WHERE alarm_id IN (SELECT id FROM alarms WHERE "+column+" = ?)", id).Error
	if err == nil {
		err = s.w(ctx).Exec("DELETE FROM alarms WHERE "+column+" = ?", id).Error
	}
	return wrap(err, "delete the alarms of %s", id)
}

// Looked notes that an alarm was looked at and has kept its state.
func (s Alarms) Looked(ctx context.Context, id models.AlarmID, at time.Time, value *float64, reason string) error {
	result := s.w(ctx).Model(&models.Alarm{}).Where("id = ?", id).Select("looked_at", "value", "state_reason").
		Updates(&models.Alarm{LookedAt: stampPtr(&at), Value: value, StateReason: clip(reason, maxText)})
	return wrap(result.Error, "store that alarm %s was looked at", id)
}

// Change moves an alarm to another state by compare-and-set, with an entry in
// its history; false when somebody else was faster.
func (s Alarms) Change(ctx context.Context, c *models.AlarmChange) (bool, error) {
	c.At, c.Reason = stamp(c.At), clip(c.Reason, maxText)
	changed := false
	err := s.inTx(ctx, func(h *handle) error {
		result := h.w(ctx).Model(&models.Alarm{}).Where("id = ? AND state = ?", c.AlarmID, c.From).
			Select("state", "state_since", "state_reason", "value", "looked_at").
			Updates(&models.Alarm{State: c.To, StateSince: c.At, StateReason: c.Reason, Value: c.Value, LookedAt: &c.At})
		if changed = result.RowsAffected > 0; result.Error != nil || !changed {
			return wrap(result.Error, "change the state of alarm %s", c.AlarmID)
		}
		return wrap(h.w(ctx).Create(c).Error, "add to the history of alarm %s", c.AlarmID)
	})
	return changed, err
}

// History reads the newest changes of an alarm, newest first.
func (s Alarms) History(ctx context.Context, id models.AlarmID, limit int) ([]models.AlarmChange, error) {
	return find[models.AlarmChange](s.r(ctx).Where("alarm_id = ?", id).Order("at DESC, id DESC").Limit(limit), "read the history of alarm %s", id)
}

// ChangesSince reads what a stack's alarms did since a time, oldest first.
func (s Alarms) ChangesSince(ctx context.Context, id models.StackID, since time.Time) ([]models.AlarmChange, error) {
	return find[models.AlarmChange](s.r(ctx).Where("stack_id = ? AND at >= ?", id, stamp(since)).Order("at, id"), "read what alarms of stack %s did", id)
}

// Prune removes changes from before a time.
func (s Alarms) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM alarm_changes WHERE at < ?", stamp(before)).Error, "remove old changes of alarms")
}
