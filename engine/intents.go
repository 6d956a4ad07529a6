package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"opsyard/engine/intent"
	"opsyard/models"
)

// keepIntents is how long it can be told who wanted what of an instance.
const keepIntents = 90 * 24 * time.Hour

// intend notes what an author wants of an instance, in place of what the same
// author wanted before, and does at once what can be done. The instance was
// read with GetForUpdate. Whether the wish was granted, waits or was refused
// is in its row; what the author wants already is no second wish.
func (t *tx) intend(ctx context.Context, i *models.Instance, author models.IntentAuthor, want models.IntentWant, cause models.Cause) error {
	open, noted, err := t.noteIntent(ctx, i, models.Intent{Author: author, Want: want, Cause: cause})
	if err != nil || !noted {
		return err
	}
	_, err = t.settleAmong(ctx, i, open)
	return err
}

// wanted notes what a person has just done with an instance: the wish is
// granted already, and others give way to it.
func (t *tx) wanted(ctx context.Context, i *models.Instance, want models.IntentWant, cause models.Cause) error {
	since := i.StatusSince
	open, _, err := t.noteIntent(ctx, i, models.Intent{Author: models.ByUser, Want: want, Cause: cause, ActedAt: &since})
	if err != nil {
		return err
	}
	_, err = t.settleAmong(ctx, i, open)
	return err
}

// noteIntent writes the row of n, and tells what is open then and whether n is
// among it.
func (t *tx) noteIntent(ctx context.Context, i *models.Instance, n models.Intent) (open []models.Intent, noted bool, err error) {
	before, err := t.Intents.OpenOf(ctx, i.ID)
	if err != nil {
		return nil, false, err
	}
	now := t.e.Clock()
	for _, o := range before {
		switch {
		case o.Author != n.Author:
			open = append(open, o)
		case o.Want == n.Want && n.Author != models.ByUser:
			return before, false, nil
		default:
			if _, err := t.Intents.End(ctx, o.ID, models.IntentSuperseded, "The same author wants it "+string(n.Want)+" now.", now); err != nil {
				return nil, false, err
			}
		}
	}
	n.ID, n.StackID, n.InstanceID = models.NewID[models.IntentID](), i.StackID, i.ID
	n.Actor, n.State, n.CreatedAt = n.Cause.Actor, models.IntentOpen, now
	t.tellInstance(i.StackID, i.ID)
	if err := t.Intents.Create(ctx, &n); err != nil {
		return nil, false, err
	}
	return append(open, n), true, t.watchRepeats(ctx, i, &n)
}

// settle does what the open intents of a locked instance come to, and tells
// whether the instance was moved.
func (t *tx) settle(ctx context.Context, i *models.Instance) (bool, error) {
	open, err := t.Intents.OpenOf(ctx, i.ID)
	if err != nil || len(open) == 0 {
		return false, err
	}
	return t.settleAmong(ctx, i, open)
}

func (t *tx) settleAmong(ctx context.Context, i *models.Instance, open []models.Intent) (bool, error) {
	pauses, err := t.Intents.PausesOf(ctx, i.ID)
	if err != nil {
		return false, err
	}
	d := intent.Arbitrate(i, open, pauses, t.e.Clock())
	if err := t.endIntents(ctx, i, d.End); err != nil {
		return false, err
	}
	if d.HalfDone != nil {
		if err := t.Intents.Stopped(ctx, d.HalfDone.ID, t.e.Clock()); err != nil {
			return false, err
		}
	}
	if d.Act == intent.Nothing {
		return false, nil
	}
	return true, t.pursue(ctx, i, d)
}

func (t *tx) endIntents(ctx context.Context, i *models.Instance, list []intent.Ending) error {
	for _, end := range list {
		if _, err := t.Intents.End(ctx, end.Intent.ID, end.State, end.Outcome, t.e.Clock()); err != nil {
			return err
		}
		t.tellInstance(i.StackID, i.ID)
	}
	return nil
}

// arrived ends the intents that an instance's new state fulfils, or that it
// shows to have failed. What is still wanted of it is for settle: here
// somebody is in the middle of moving it.
func (t *tx) arrived(ctx context.Context, i *models.Instance) error {
	switch i.Status {
	case models.InstanceOnline, models.InstanceSetupFailed, models.InstanceStopped, models.InstanceStartFailed, models.InstanceStopFailed:
	default:
		return nil
	}
	open, err := t.Intents.OpenOf(ctx, i.ID)
	if err != nil || len(open) == 0 {
		return err
	}
	return t.endIntents(ctx, i, intent.Arbitrate(i, open, nil, t.e.Clock()).End)
}

// pursue moves the instance as was decided. A rule that forbids it ends the
// intent instead.
func (t *tx) pursue(ctx context.Context, i *models.Instance, d intent.Decision) error {
	s, err := t.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	if d.Act == intent.Start {
		err = t.start(ctx, s, i, d.For.Cause)
	} else {
		err = t.stop(ctx, i, false, d.For.Cause)
	}
	if models.CodeOf(err) == models.CodeInvalid && err != nil {
		_, err = t.Intents.End(ctx, d.For.ID, models.IntentRefused, models.Sentence(err), t.e.Clock())
		return err
	}
	if err != nil {
		return fmt.Errorf("%s instance %s for %s: %w", d.Act, i.Hostname, d.For.Author, err)
	}
	return t.Intents.Acted(ctx, d.For.ID, i.StatusSince)
}

// settleIntents looks at every instance of which something is wanted. Most
// rounds find nothing to write; what there is, a lock of the instance decides
// again.
func (e *Engine) settleIntents(ctx context.Context) error {
	open, err := e.store.Intents.Open(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	pauses, err := e.store.Intents.Pauses(ctx)
	if err != nil {
		return err
	}
	held := map[models.InstanceID][]models.IntentPause{}
	for _, p := range pauses {
		held[p.InstanceID] = append(held[p.InstanceID], p)
	}
	wants := map[models.InstanceID][]models.Intent{}
	var ids []models.InstanceID
	for _, n := range open {
		if wants[n.InstanceID] == nil {
			ids = append(ids, n.InstanceID)
		}
		wants[n.InstanceID] = append(wants[n.InstanceID], n)
	}
	instances, err := e.store.Instances.Some(ctx, ids)
	if err != nil {
		return err
	}
	var errs []error
	for n := range instances {
		i := &instances[n]
		if d := intent.Arbitrate(i, wants[i.ID], held[i.ID], e.Clock()); !d.Empty() {
			_, err := e.settleOne(ctx, i.ID)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// settleOne settles between those who want something of an instance, and tells
// whether it was moved.
func (e *Engine) settleOne(ctx context.Context, id models.InstanceID) (moved bool, err error) {
	err = e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		moved, err = t.settle(ctx, i)
		return err
	})
	switch models.CodeOf(err) {
	case models.CodeNotFound, models.CodeConflict:
		if err != nil { // deleted, or moved on; the next round sees how
			e.Log.DebugContext(ctx, "settle intents", slog.String("instance", string(id)), slog.Any("error", err))
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("settle what is wanted of instance %s: %w", id, err)
	}
	return moved, nil
}
