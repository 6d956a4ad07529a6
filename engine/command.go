package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// reportGrace is what an agent gets beyond a command's time limit to end it and
// to tell; it covers a short loss of the connection.
const reportGrace = 90 * time.Second

// finish ends a command and does what follows from its end: the deployment is
// rolled up, Setup brings the instance online, Shutdown lets it stop.
func (t *tx) finish(ctx context.Context, c *models.Command, to models.CommandStatus, change store.CommandChange) error {
	change.At = t.e.Clock()
	if to == models.CommandFailed || to == models.CommandExpired {
		change.Failure = models.FailureOf(change.Message, c.Hostname, change.ExitCode)
	}
	// The rollout's lock first, as for whoever cancels or continues it: the other
	// way round each would wait for what the other holds.
	if _, err := t.Deployments.LockRollout(ctx, c.DeploymentID); err != nil {
		return err
	}
	err := t.Commands.Move(ctx, c.ID, []models.CommandStatus{c.Status}, to, change)
	if err != nil {
		return err
	}
	t.tellCommand(c)
	t.tell(TopicStack(c.StackID), "instance", string(c.InstanceID))
	t.wake = append(t.wake, c.InstanceID)
	ended := *c
	ended.Message = change.Message
	if err := t.notifyCommands(ctx, to, ended); err != nil {
		return err
	}
	if err := t.rollUp(ctx, c.StackID, c.DeploymentID); err != nil {
		return err
	}
	switch c.Type {
	case models.CommandSetup:
		if c.Held { // its instance has not been taken out for it
			return nil
		}
		return t.setupEnded(ctx, c, to, change.Message)
	case models.CommandShutdown:
		return t.lookAt(ctx, c.InstanceID, models.InstanceShuttingDown)
	case models.CommandGrantRemoteAccess:
		return t.RemoteAccesses.Forget(ctx, c.DeploymentID)
	case models.CommandRevokeRemoteAccess:
		return t.revocationEnded(ctx, c, to)
	}
	return nil
}

// setupEnded brings an instance online, or to setup_failed (OpsWorks: instance
// status running_setup).
func (t *tx) setupEnded(ctx context.Context, c *models.Command, to models.CommandStatus, message string) error {
	i, err := t.Instances.GetForUpdate(ctx, c.InstanceID)
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil
		}
		return err
	}
	d, err := t.Deployments.Get(ctx, c.DeploymentID)
	if err != nil {
		return err
	}
	if i.Status == models.InstanceAssigning { // the end has overtaken the confirmation
		if err := t.beginAssigned(ctx, i); err != nil {
			return err
		}
	}
	if i.Status != models.InstanceRunningSetup || d.DryRun {
		return nil
	}
	if to == models.CommandSuccessful {
		now := t.e.Clock()
		return t.move(ctx, i, afterSetup(i), models.Cause{Kind: models.CauseAgent, Text: "setup succeeded", InstanceID: i.ID}, store.InstanceChange{SetupAt: &now})
	}
	if message == "" {
		message = fmt.Sprintf("The setup command ended %s.", to)
	}
	return t.move(ctx, i, models.InstanceSetupFailed, models.Cause{Kind: models.CauseAgent, Text: "setup failed", InstanceID: i.ID}, store.InstanceChange{Reason: message})
}

// afterSetup is where a setup leads: a host that is in no layer serves nothing.
func afterSetup(i *models.Instance) models.InstanceStatus {
	if len(i.LayerIDs) == 0 {
		return models.InstanceRegistered
	}
	return models.InstanceOnline
}

// cancelCommands ends what an instance still has to do: what waits is skipped,
// what runs is cancelled and reports by itself.
func (t *tx) cancelCommands(ctx context.Context, i *models.Instance, why string) error {
	unfinished, err := t.Commands.Unfinished(ctx, i.ID)
	if err != nil {
		return err
	}
	for n := range unfinished {
		c := &unfinished[n]
		if c.Status == models.CommandPending {
			err = t.finish(ctx, c, models.CommandSkipped, store.CommandChange{Message: "Skipped: " + why + "."})
		} else {
			err = t.cancel(ctx, c, why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endCommands ends what an instance can no longer do, because its machine is gone.
func (t *tx) endCommands(ctx context.Context, i *models.Instance, why string) error {
	unfinished, err := t.Commands.Unfinished(ctx, i.ID)
	if err != nil {
		return err
	}
	for n := range unfinished {
		c := &unfinished[n]
		to, message := models.CommandSkipped, "Skipped: "+why+"."
		if c.Status == models.CommandRunning {
			to, message = models.CommandFailed, "Not finished: "+why+"."
			if c.Type == models.CommandShutdown {
				to = models.CommandExpired
			}
		}
		if err := t.finish(ctx, c, to, store.CommandChange{Message: message}); err != nil {
			return err
		}
	}
	return nil
}

// cancel asks the agent, after the commit, to end a command.
func (t *tx) cancel(ctx context.Context, c *models.Command, why string) error {
	if err := t.Commands.Cancel(ctx, c.ID, why); err != nil {
		return err
	}
	t.tellCommand(c)
	id, instance := c.ID, c.InstanceID
	t.AfterCommit(func() { t.e.dispatcher.Cancel(instance, id, why) })
	return nil
}

// CancelCommand ends one command: one that waits is skipped, one that runs is
// ended on the instance (TERM, then KILL).
func (e *Engine) CancelCommand(ctx context.Context, id models.CommandID) error {
	c, err := e.store.Commands.Get(ctx, id)
	if err != nil {
		return err
	}
	if _, err := e.Authorize(ctx, c.StackID, "CancelCommand"); err != nil {
		return hide(err, "command", id)
	}
	return e.tx(ctx, func(t *tx) error { return t.cancelByUser(ctx, id) })
}

func (t *tx) cancelByUser(ctx context.Context, id models.CommandID) error {
	c, err := t.Commands.Get(ctx, id)
	if err != nil {
		return err
	}
	if c.Status.Finished() {
		return models.Conflict("The command on %s is %s already.", c.Hostname, c.Status)
	}
	why := "by " + models.ActorFrom(ctx).Name
	if c.Status == models.CommandPending {
		err = t.finish(ctx, c, models.CommandSkipped, store.CommandChange{Message: "Canceled " + why + "."})
	} else {
		err = t.cancel(ctx, c, why)
	}
	if err != nil {
		return err
	}
	return t.audit(ctx, "CancelCommand", target{"command", string(c.ID), c.Hostname + " " + string(c.Type), c.StackID}, nil, nil, models.Cause{})
}

// CancelDeployment cancels all commands of a deployment that have not finished.
func (e *Engine) CancelDeployment(ctx context.Context, id models.DeploymentID) error {
	d, err := e.store.Deployments.Get(ctx, id)
	if err != nil {
		return err
	}
	if _, err := e.Authorize(ctx, d.StackID, "CancelDeployment"); err != nil {
		return hide(err, "deployment", id)
	}
	if d.Status != models.DeploymentRunning {
		return models.Conflict("The deployment is %s already.", d.Status)
	}
	return e.tx(ctx, func(t *tx) error {
		rolling, err := t.Deployments.LockRollout(ctx, id)
		if err != nil {
			return err
		}
		if rolling.BatchesLeft() {
			if err := t.stopRollout(ctx, rolling, "canceled by "+models.ActorFrom(ctx).Name); err != nil {
				return err
			}
			if err := t.rollUp(ctx, d.StackID, id); err != nil {
				return err
			}
		}
		commands, err := t.Commands.OfDeployment(ctx, id)
		if err != nil {
			return err
		}
		for n := range commands {
			if commands[n].Status.Finished() {
				continue
			}
			if err := t.cancelByUser(ctx, commands[n].ID); err != nil {
				return err
			}
		}
		return t.audit(ctx, "CancelDeployment", onDeployment(d), nil, nil, models.Cause{})
	})
}

// expireCommands ends commands whose deadline is over without a word from the
// agent, and offers again what was sent in vain.
func (e *Engine) expireCommands(ctx context.Context) error {
	overdue, err := e.store.Commands.Overdue(ctx, e.Clock(), 200)
	if err != nil {
		return fmt.Errorf("list overdue commands: %w", err)
	}
	var errs []error
	for n := range overdue {
		c := &overdue[n]
		message := "The agent did not report the end of the command in time."
		if c.Status == models.CommandPending {
			message = "The agent was not there to run the command in time."
		}
		err := e.tx(ctx, func(t *tx) error {
			return t.finish(ctx, c, models.CommandExpired, store.CommandChange{Message: message})
		})
		if err != nil && models.CodeOf(err) != models.CodeConflict {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
