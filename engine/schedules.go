package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"opsyard/engine/schedule"
	"opsyard/engine/service"
	"opsyard/models"
)

// lookAtSchedules is how often schedules are looked at (OpsWorks: every couple
// of minutes). A change of one is looked at once.
const lookAtSchedules = 30 * time.Second

// keepFirings is how long it can be told what a schedule did.
const keepFirings = 30 * 24 * time.Hour

// schedules remembers what this process knows to be done, so that a round in
// which no schedule turns writes nothing. The rows decide.
type schedules struct {
	mu    sync.Mutex
	done  map[models.InstanceID]turn
	nudge chan struct{}
}

// turn names a slot of one revision of a schedule.
type turn struct {
	start    time.Time
	revision int64
}

func newSchedules() *schedules {
	return &schedules{done: map[models.InstanceID]turn{}, nudge: make(chan struct{}, 1)}
}

// begun keeps the turns of the instances that are left, and tells which of
// them have not been acted on as far as this process knows.
func (s *schedules) begun(instances []models.Instance, now time.Time) []models.InstanceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[models.InstanceID]turn, len(instances))
	var due []models.InstanceID
	for n := range instances {
		i := &instances[n]
		if neverScheduled(i) {
			continue
		}
		at := turn{schedule.SlotAt(i.Schedule, i.Location(), now).Start, i.ScheduleRevision}
		if s.done[i.ID] == at {
			kept[i.ID] = at
		} else {
			due = append(due, i.ID)
		}
	}
	s.done = kept
	return due
}

func (s *schedules) did(id models.InstanceID, t turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[id] = t
}

// neverScheduled tells a time-based instance that nobody has given its hours
// yet from one whose hours are all off.
func neverScheduled(i *models.Instance) bool { return i.ScheduleRevision == 0 && i.Schedule.IsZero() }

// followSchedules lets schedules act that have turned, or were changed. It may
// run in several processes at once, and after any pause: what counts is the
// slot that lies around the present, and that its row is not there yet.
func (e *Engine) followSchedules(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	instances, err := e.store.Instances.Scheduled(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range e.schedules.begun(instances, e.Clock()) {
		errs = append(errs, e.followSchedule(ctx, id))
	}
	return errors.Join(errs...)
}

// followSchedule lets the schedule of one instance act, unless another process
// has been first.
func (e *Engine) followSchedule(ctx context.Context, id models.InstanceID) error {
	var at turn
	err := e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if i.AutoScalingType != models.ScalingTimer || neverScheduled(i) {
			return nil
		}
		now := e.Clock()
		slot := schedule.SlotAt(i.Schedule, i.Location(), now)
		at = turn{slot.Start, i.ScheduleRevision}
		firing := &models.ScheduleFiring{InstanceID: id, StackID: i.StackID, SlotStart: slot.Start, Revision: i.ScheduleRevision, On: slot.On, At: now}
		waits, err := t.putRight(ctx, firing)
		if err != nil || waits {
			at = turn{} // it is looked at again
			return err
		}
		first, err := t.ScheduleFirings.Fire(ctx, firing)
		if err != nil || !first {
			return err
		}
		want := models.WantStopped
		if slot.On {
			want = models.WantOnline
		}
		return t.intend(ctx, i, models.BySchedule, want, causeOfSlot(i, slot))
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("follow the schedule of instance %s: %w", id, err)
	}
	if at != (turn{}) {
		e.schedules.did(id, at)
	}
	return nil
}

// clockHeld is how long this server's clock must have gone on evenly before it
// is believed against what the database holds of the future.
const clockHeld = 10 * time.Minute

// putRight removes what a schedule did in the future. Either a clock ran ahead
// then, or this server's is behind now, as after a start before its time was
// set: acting by that would stop machines that are to run. So it waits first.
func (t *tx) putRight(ctx context.Context, f *models.ScheduleFiring) (waits bool, err error) {
	ahead, err := t.ScheduleFirings.Ahead(ctx, f)
	if err != nil || !ahead {
		return false, err
	}
	if f.At.Sub(t.e.listening(f.At)) < clockHeld {
		return true, nil
	}
	return false, t.ScheduleFirings.ForgetFrom(ctx, f)
}

// followAnew lets the schedule of an instance that has become time-based again
// act on the present slot, though it may have done so before.
func (t *tx) followAnew(ctx context.Context, before, i *models.Instance) error {
	if i.AutoScalingType != models.ScalingTimer || before.AutoScalingType == models.ScalingTimer || neverScheduled(before) {
		return nil
	}
	t.AfterCommit(func() { service.Nudge(t.e.schedules.nudge) })
	return t.Instances.SetSchedule(ctx, i.ID, before.Schedule, before.ScheduleZone)
}

// autoScaling is who starts and stops by schedule and by load (OpsWorks:
// initiated_by).
const autoScaling = "auto-scaling"

func causeOfSlot(i *models.Instance, slot schedule.Slot) models.Cause {
	on := "off"
	if slot.On {
		on = "on"
	}
	text := "its schedule is " + on + " in all hours"
	if slot.Start.Unix() > 0 {
		text = fmt.Sprintf("its schedule turned %s at %s", on, slot.Start.In(i.Location()).Format("Mon 15:04 MST"))
	}
	return models.Cause{Kind: models.CauseSchedule, Text: text, InstanceID: i.ID, Actor: autoScaling}
}

// SetSchedule says in which hours of a time zone a time-based instance is on;
// no zone means UTC. The schedule as a whole takes the place of the one before
// and acts at once.
func (e *Engine) SetSchedule(ctx context.Context, id models.InstanceID, week models.WeeklySchedule, zone string) error {
	if _, err := e.instanceFor(ctx, id, "SetTimeBasedAutoScaling"); err != nil {
		return err
	}
	if zone == time.UTC.String() {
		zone = ""
	}
	if err := week.Validate(); err != nil {
		return err
	}
	if _, err := models.ScheduleZone(zone); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		before, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if before.AutoScalingType != models.ScalingTimer {
			return models.Invalid("Instance %s is not a time-based instance: only those have a schedule.", before.Hostname)
		}
		if err := t.Instances.SetSchedule(ctx, id, week, zone); err != nil {
			return err
		}
		i := *before
		i.Schedule, i.ScheduleZone = week, zone
		i.ScheduleRevision++
		t.tellInstance(i.StackID, i.ID)
		t.AfterCommit(func() { service.Nudge(e.schedules.nudge) })
		return t.audit(ctx, "SetTimeBasedAutoScaling", onInstance(&i), before, &i, models.Cause{})
	})
}

// SetTimeBasedAutoScaling says in which hours of UTC a time-based instance is
// on (OpsWorks: SetTimeBasedAutoScaling).
func (e *Engine) SetTimeBasedAutoScaling(ctx context.Context, id models.InstanceID, week models.WeeklySchedule) error {
	return e.SetSchedule(ctx, id, week, "")
}
