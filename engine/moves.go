package engine

import (
	"context"
	"fmt"

	"opsyard/models"
	"opsyard/models/store"
)

// move takes an instance from its status to the next one by compare-and-set,
// with everything that belongs to the move: the timeline, the wish to be looked
// at, and Configure on the peers when it enters or leaves online (OpsWorks:
// "Lifecycle Events").
func (t *tx) move(ctx context.Context, i *models.Instance, to models.InstanceStatus, cause models.Cause, change store.InstanceChange) error {
	from := i.Status
	cause, err := t.because(ctx, cause, i.ID)
	if err != nil {
		return err
	}
	change.At = t.e.Clock()
	change.Cause = cause
	if err := t.Instances.Move(ctx, i.ID, []models.InstanceStatus{from}, to, change); err != nil {
		return err
	}
	before := *i
	t.undo = append(t.undo, func() { *i = before })
	change.Apply(i, to)
	t.tellInstance(i.StackID, i.ID)
	if err := t.event(ctx, models.StackEvent{
		StackID: i.StackID, Kind: "instance", Tone: Tone(to), InstanceID: i.ID,
		Text: movedTo(i, to), Cause: withReason(cause, i.StatusReason),
	}); err != nil {
		return err
	}
	if err := t.notifyInstance(ctx, i, cause); err != nil {
		return err
	}
	if looksAfter(to) {
		if err := t.lookAt(ctx, i.ID, to); err != nil {
			return err
		}
	}
	if err := t.arrived(ctx, i); err != nil {
		return err
	}
	return t.membershipChanged(ctx, i, from, to)
}

func withReason(c models.Cause, reason string) models.Cause {
	if c.Text == "" {
		c.Text = reason
	} else if reason != "" {
		c.Text += ": " + reason
	}
	return c
}

// looksAfter tells whether the engine itself has the next move.
func looksAfter(s models.InstanceStatus) bool {
	switch s {
	case models.InstanceRequested, models.InstancePending, models.InstanceStopping, models.InstanceTerminating,
		models.InstanceShuttingDown, models.InstanceTerminated, models.InstanceRebooting,
		models.InstanceUnassigning, models.InstanceDeregistering:
		return true
	}
	return false
}

// membershipChanged asks for a Configure when the set of online instances has
// changed. An instance that is being stopped counts as gone when its machine
// is: its Shutdown recipes come first (OpsWorks: stop sequence).
func (t *tx) membershipChanged(ctx context.Context, i *models.Instance, from, to models.InstanceStatus) error {
	var what string
	switch {
	case to == models.InstanceOnline && from != models.InstanceRebooting:
		what = "entered online"
	case to == models.InstanceStopped && i.WasOnline:
		what = "left online: it was stopped"
	case from == models.InstanceOnline && to == models.InstanceConnectionLost:
		what = "left online: its connection is lost"
	case from == models.InstanceOnline && (to == models.InstanceRunningSetup || to == models.InstanceUnassigning || to == models.InstanceDeregistering):
		what = fmt.Sprintf("left online: it is %s", to)
	case from == models.InstanceOnline || to == models.InstanceOnline:
		// the set of instances that recipes see has changed all the same
		_, err := t.Stacks.BumpVersion(ctx, i.StackID)
		return err
	default:
		return nil
	}
	return t.noteMembership(ctx, i, what)
}

// Tone is the colour of a state, as the console names it.
func Tone(s models.InstanceStatus) string {
	switch s {
	case models.InstanceOnline, models.InstanceRegistered:
		return "ok"
	case models.InstanceSetupFailed, models.InstanceStartFailed, models.InstanceStopFailed:
		return "bad"
	case models.InstanceConnectionLost:
		return "lost"
	case models.InstanceStopped, models.InstanceTerminated:
		return "off"
	case models.InstanceRequested, models.InstancePending, models.InstanceBooting, models.InstanceRegistering, models.InstanceAssigning:
		return "wait"
	}
	return "running"
}
