package engine

import (
	"context"
	"fmt"

	"opsyard/models"
)

// refuseWhileRolling refuses a deployment, just made, of an app that another one
// is still rolling out: whichever instance came last would have the other
// version. The number of a deployment, taken before, lets only one in at a time.
func (t *tx) refuseWhileRolling(ctx context.Context, d *models.Deployment) error {
	if d.AppID == "" || d.DryRun {
		return nil
	}
	rolling, err := t.Deployments.RollingOf(ctx, d.AppID, d.ID)
	if err != nil || rolling == nil {
		return err
	}
	app, err := t.Apps.Get(ctx, d.AppID)
	if err != nil {
		return err
	}
	return models.Conflict("%s", stillRolls(rolling, app.Name, d.CommandName))
}

func stillRolls(d *models.Deployment, app string, wanted models.CommandName) string {
	state := "runs"
	if d.PausedBy != "" {
		state = "is paused"
	}
	return fmt.Sprintf("Deployment #%d (%s of app %s) %s after %s: wait for its end or stop it before you run %s.",
		d.Number, d.CommandName, app, state, batchOf(d), wanted)
}

// stopRolling ends what is still rolling out an app that is deleted.
func (t *tx) stopRolling(ctx context.Context, a *models.App) error {
	rolling, err := t.Deployments.RollingOf(ctx, a.ID, "")
	if err != nil || rolling == nil {
		return err
	}
	d, err := t.Deployments.LockRollout(ctx, rolling.ID)
	if err != nil || !d.BatchesLeft() {
		return err
	}
	if err := t.stopRollout(ctx, d, "stopped after "+batchOf(d)+": its app was deleted"); err != nil {
		return err
	}
	return t.rollUp(ctx, d.StackID, d.ID)
}
