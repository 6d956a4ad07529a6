package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"opsyard/models"
)

// rolloutsAtOnce bounds a sweep over rolling deployments.
const rolloutsAtOnce = 200

// advanceRollouts lets rolling deployments go on whose pause is over or whose
// last instances have gone. Ends of commands do the same at once, in rollUp.
func (e *Engine) advanceRollouts(ctx context.Context) error {
	rolling, err := e.store.Deployments.Rolling(ctx, rolloutsAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range rolling {
		errs = append(errs, e.tx(ctx, func(t *tx) error { return t.roll(ctx, &d) }))
	}
	return errors.Join(errs...)
}

// roll is advance, and rollUp when that has changed anything: batches whose
// instances have all gone may have ended the deployment.
func (t *tx) roll(ctx context.Context, seen *models.Deployment) error {
	d, err := t.Deployments.LockRollout(ctx, seen.ID)
	if err != nil {
		return err
	}
	if err := t.advance(ctx, d); err != nil || d.BatchesLeft() && d.Batch == seen.Batch {
		return err
	}
	return t.rollUp(ctx, d.StackID, d.ID)
}

// advance lets the next batch of a locked deployment run when the one before
// has ended and the pause is over, or stops the deployment when too much has
// failed. d follows what is written.
func (t *tx) advance(ctx context.Context, d *models.Deployment) error {
	for d.BatchesLeft() {
		state, err := t.Commands.BatchState(ctx, d.ID, d.Batch)
		if err != nil {
			return err
		}
		if state.Absent > 0 {
			if err := t.skipGone(ctx, d, d.Batch); err != nil {
				return err
			}
		}
		counts, err := t.Commands.CountByStatus(ctx, d.ID)
		if err != nil {
			return err
		}
		// What was begun on an instance that has gone since is as good as failed:
		// it may be what made the instance go.
		failed := counts[models.CommandFailed] + counts[models.CommandExpired] + state.Lost
		if d.Rollout.StopsAt(failed, d.Commands) {
			return t.stopRollout(ctx, d, "stopped after "+batchOf(d)+": failed on "+count(failed, "instance"))
		}
		if state.Waits > 0 {
			return nil
		}
		if due, err := t.pauseIsOver(ctx, d); err != nil || !due || d.PausedBy != "" {
			return err
		}
		if released, err := t.nextBatch(ctx, d); err != nil || !released {
			return err
		}
	}
	return nil
}

func batchOf(d *models.Deployment) string { return fmt.Sprintf("batch %d of %d", d.Batch, d.Batches) }

// pauseIsOver tells whether the pause after a batch is over; the first time it
// begins the pause.
func (t *tx) pauseIsOver(ctx context.Context, d *models.Deployment) (bool, error) {
	now := t.e.Clock()
	if d.NextBatchAt != nil {
		return !now.Before(*d.NextBatchAt), nil
	}
	if pauses, err := t.pausesAfter(ctx, d); err != nil || !pauses {
		return true, err
	}
	until := now.Add(time.Duration(d.Rollout.PauseSeconds) * time.Second)
	_, err := t.Deployments.PauseUntil(ctx, d, until)
	d.NextBatchAt = &until
	t.tellDeployment(d.StackID, d.ID)
	return false, err
}

// pausesAfter tells whether a pause follows the batch: not after one in which
// nothing was begun, nor when nobody is left for whom to wait.
func (t *tx) pausesAfter(ctx context.Context, d *models.Deployment) (bool, error) {
	if d.Rollout.PauseSeconds == 0 {
		return false, nil
	}
	if ran, err := t.Commands.BatchRan(ctx, d.ID, d.Batch); err != nil || !ran {
		return false, err
	}
	left, err := t.Commands.BatchState(ctx, d.ID, d.Batches)
	return left.Waits > 0, err
}

func (t *tx) nextBatch(ctx context.Context, d *models.Deployment) (bool, error) {
	if held, err := t.heldByPlan(ctx, d); err != nil || held {
		return false, err
	}
	moved, err := t.Deployments.NextBatch(ctx, d)
	if err != nil || !moved {
		return false, err
	}
	d.Batch, d.NextBatchAt = d.Batch+1, nil
	if err := t.skipGone(ctx, d, d.Batch); err != nil {
		return false, err
	}
	released, err := t.Commands.Release(ctx, d.ID, d.Batch, t.e.Clock(), toBegin)
	if err != nil {
		return false, err
	}
	ids := make([]models.InstanceID, len(released))
	for n := range released {
		ids[n] = released[n].InstanceID
		t.tellCommand(&released[n])
	}
	t.wake = append(t.wake, ids...)
	t.tellDeployment(d.StackID, d.ID)
	if d.CommandName == models.CommandSetup && !d.DryRun {
		return true, t.takeOutForSetup(ctx, ids, d.Cause)
	}
	return true, nil
}

func (t *tx) skipGone(ctx context.Context, d *models.Deployment, batch int) error {
	gone, err := t.Commands.SkipGone(ctx, d.ID, batch, t.e.Clock())
	if err != nil {
		return err
	}
	for n := range gone {
		t.tellCommand(&gone[n])
	}
	return t.notifyCommands(ctx, models.CommandSkipped, gone...)
}

// stopRollout ends a locked deployment before its last batch: what no agent
// has been handed yet is skipped, what runs comes to its own end.
func (t *tx) stopRollout(ctx context.Context, d *models.Deployment, reason string) error {
	stopped, err := t.Deployments.StopRollout(ctx, d, reason)
	if err != nil || !stopped {
		return err
	}
	d.StopReason = reason
	skipped, err := t.Commands.SkipPending(ctx, d.ID, "Skipped: the deployment was "+reason+".", t.e.Clock())
	if err != nil {
		return err
	}
	t.tellDeployment(d.StackID, d.ID)
	if err := t.notifyCommands(ctx, models.CommandSkipped, skipped...); err != nil {
		return err
	}
	for n := range skipped {
		c := &skipped[n]
		t.tellCommand(c)
		if c.Type != models.CommandSetup || c.Batch > d.Batch { // which is online as before
			continue
		}
		if err := t.setupEnded(ctx, c, models.CommandSkipped, c.Message); err != nil {
			return err
		}
	}
	return nil
}

// PauseRollout lets the present batch end and holds the next one back until
// somebody continues.
func (e *Engine) PauseRollout(ctx context.Context, id models.DeploymentID) error {
	return e.onRollout(ctx, id, "PauseDeployment", func(t *tx, d *models.Deployment) error {
		paused, err := t.Deployments.Pause(ctx, d, models.ActorFrom(ctx).Name)
		if err == nil && !paused {
			err = models.Conflict("Deployment #%d is paused already, by %s.", d.Number, d.PausedBy)
		}
		return err
	})
}

// ContinueRollout ends a pause: that of a person, or the one between batches.
// The next batch still waits for the end of the present one.
func (e *Engine) ContinueRollout(ctx context.Context, id models.DeploymentID) error {
	return e.onRollout(ctx, id, "ContinueDeployment", func(t *tx, d *models.Deployment) error {
		if d.PausedBy == "" && d.NextBatchAt == nil {
			return models.Conflict("Deployment #%d is not paused: %s runs.", d.Number, batchOf(d))
		}
		if d.PausedBy != "" {
			if _, err := t.Deployments.Pause(ctx, d, ""); err != nil {
				return err
			}
			d.PausedBy, d.PauseReason = "", ""
		}
		if d.NextBatchAt != nil {
			now := t.e.Clock()
			if _, err := t.Deployments.PauseUntil(ctx, d, now); err != nil {
				return err
			}
			d.NextBatchAt = &now
		}
		return nil
	})
}

// StopRollout skips the batches that have not begun; what runs comes to its
// own end.
func (e *Engine) StopRollout(ctx context.Context, id models.DeploymentID) error {
	return e.onRollout(ctx, id, "StopDeployment", func(t *tx, d *models.Deployment) error {
		return t.stopRollout(ctx, d, "stopped after "+batchOf(d)+" by "+models.ActorFrom(ctx).Name)
	})
}

// onRollout changes a deployment that has batches left, for somebody who may
// deploy.
func (e *Engine) onRollout(ctx context.Context, id models.DeploymentID, action string, change func(*tx, *models.Deployment) error) error {
	seen, err := e.deploymentFor(ctx, id, models.Action(action))
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		d, err := t.Deployments.LockRollout(ctx, id)
		if err != nil {
			return err
		}
		if !d.BatchesLeft() {
			return models.Conflict("Deployment #%d has no batches left to wait.", seen.Number)
		}
		before := *d
		if err := change(t, d); err != nil {
			return err
		}
		if err := t.rollUp(ctx, seen.StackID, id); err != nil {
			return err
		}
		after, err := t.Deployments.LockRollout(ctx, id)
		if err != nil {
			return err
		}
		return t.audit(ctx, action, onDeployment(seen), &before, after, models.Cause{})
	})
}

// deploymentFor reads a deployment for somebody who may deploy in its stack.
func (e *Engine) deploymentFor(ctx context.Context, id models.DeploymentID, action models.Action) (*models.Deployment, error) {
	d, err := e.store.Deployments.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := e.Authorize(ctx, d.StackID, action); err != nil {
		return nil, hide(err, "deployment", id)
	}
	return d, nil
}

// RetryDeployment runs a deployment again where it failed and where it was not
// reached, as far as these instances are there now.
func (e *Engine) RetryDeployment(ctx context.Context, id models.DeploymentID) (*models.Deployment, error) {
	d, err := e.deploymentFor(ctx, id, "RetryDeployment")
	if err != nil {
		return nil, err
	}
	if d.Status == models.DeploymentRunning {
		return nil, models.Conflict("Deployment #%d is still running: what fails can be run again when it has ended.", d.Number)
	}
	ids, err := e.store.Commands.InstancesWith(ctx, id, models.CommandFailed, models.CommandExpired, models.CommandSkipped)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, models.Conflict("Deployment #%d was successful everywhere: there is nothing to run again.", d.Number)
	}
	there, err := e.thereNow(ctx, d, ids)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return nil, models.Conflict("None of the %s is online, on which #%d failed or was not run.", count(len(ids), "instance"), d.Number)
	}
	first := d.RetryOf
	if first == "" {
		first = d.ID
	}
	return e.Deploy(ctx, DeploymentRequest{
		StackID: d.StackID, AppID: d.AppID, Command: d.Command, InstanceIDs: there, CustomJSON: d.CustomJSON, DryRun: d.DryRun,
		Rollout: d.Rollout, RetryOf: first, Comment: retryComment(d),
	})
}

func retryComment(d *models.Deployment) string {
	if d.Comment == "" || d.RetryOf != "" {
		return fmt.Sprintf("Retry of #%d", d.Number)
	}
	runes := []rune(d.Comment)
	return fmt.Sprintf("Retry of #%d: %s", d.Number, string(runes[:min(len(runes), 900)]))
}

func (e *Engine) thereNow(ctx context.Context, d *models.Deployment, ids []models.InstanceID) ([]models.InstanceID, error) {
	members, err := e.store.Instances.Members(ctx, d.StackID)
	if err != nil {
		return nil, err
	}
	wanted := make(map[models.InstanceID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var there []models.InstanceID
	for _, m := range members {
		if wanted[m.ID] && reachable(m.Status, d.CommandName) {
			there = append(there, m.ID)
		}
	}
	return there, nil
}
