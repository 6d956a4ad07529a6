package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"opsyard/engine/compute"
	"opsyard/models"
	"opsyard/models/store"
)

// reconcile moves an instance on as far as it can go now. It may be called at
// any time and by several processes at once: each step is a compare-and-set,
// and providers answer a repeated wish alike. last says that an error will not
// be tried again.
func (e *Engine) reconcile(ctx context.Context, id models.InstanceID, last bool) error {
	ctx = models.AsEngine(ctx)
	for {
		i, err := e.store.Instances.Get(ctx, id)
		if err != nil {
			if models.CodeOf(err) == models.CodeNotFound {
				return nil // deleted meanwhile
			}
			return err
		}
		moved, err := e.step(ctx, i, last)
		if models.CodeOf(err) == models.CodeConflict && err != nil {
			continue // somebody else moved it: look again
		}
		if err != nil {
			return fmt.Errorf("%s instance %s: %w", i.Status, i.Hostname, err)
		}
		if !moved {
			return nil
		}
	}
}

// step does what is next for the instance's status and tells whether the
// status has changed.
func (e *Engine) step(ctx context.Context, i *models.Instance, last bool) (bool, error) {
	switch i.Status {
	case models.InstanceRequested:
		return true, e.moveAlone(ctx, i, models.InstancePending, models.Cause{Kind: models.CauseStart, Text: "its machine is being made"}, store.InstanceChange{})
	case models.InstancePending:
		return e.makeMachine(ctx, i, last)
	case models.InstanceBooting:
		return e.awaitAgent(ctx, i)
	case models.InstanceStopping, models.InstanceTerminating:
		return e.beginStop(ctx, i)
	case models.InstanceShuttingDown:
		return e.endStop(ctx, i, last)
	case models.InstanceTerminated:
		return true, e.moveAlone(ctx, i, models.InstanceStopped, i.StatusCause, store.InstanceChange{})
	case models.InstanceRebooting:
		return e.reboot(ctx, i, last)
	case models.InstanceUnassigning, models.InstanceDeregistering:
		return e.endLeave(ctx, i)
	case models.InstanceStopped: // a restart goes on
		return e.settleOne(ctx, i.ID)
	}
	return false, nil
}

func (e *Engine) moveAlone(ctx context.Context, i *models.Instance, to models.InstanceStatus, cause models.Cause, change store.InstanceChange) error {
	return e.tx(ctx, func(t *tx) error { return t.move(ctx, i, to, cause, change) })
}

// makeMachine asks the provider for the machine and waits until it runs.
func (e *Engine) makeMachine(ctx context.Context, i *models.Instance, last bool) (bool, error) {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return false, err
	}
	p, err := e.provider(stack)
	if err != nil {
		return true, e.failStart(ctx, i, err)
	}
	token, err := e.newEnrollToken(ctx, e.store, models.EnrollToken{StackID: i.StackID, InstanceID: i.ID, CreatedBy: "opsyard"}, e.times.Boot+jobsSlack)
	if err != nil {
		return false, err
	}
	disks, err := e.disksFor(ctx, stack, i)
	if err != nil {
		return false, err
	}
	m, err := p.Start(ctx, compute.Spec{
		ID: string(i.ID), Hostname: i.Hostname, StackID: string(i.StackID), Size: i.InstanceType, OS: i.Os, Image: i.AmiID, Volumes: disks,
		Enroll: compute.Enrollment{ServerURL: e.agentURL, Token: token},
	})
	switch {
	case err == nil:
	case errors.Is(err, compute.ErrBadSpec) || last:
		return true, e.failStart(ctx, i, err)
	default:
		return false, err
	}
	deadline := e.Clock().Add(e.times.Boot)
	err = e.moveAlone(ctx, i, models.InstanceBooting, models.Cause{Kind: models.CauseStart, Text: runs(m)}, store.InstanceChange{
		Deadline: &deadline, Ec2InstanceID: &m.ID, PrivateIP: &m.PrivateIP, PublicIP: &m.PublicIP,
	})
	if code := models.CodeOf(err); err != nil && (code == models.CodeConflict || code == models.CodeNotFound) {
		return true, e.abandon(ctx, p, i)
	}
	return true, err
}

// runs says that a machine runs, and what the asker should know of it.
func runs(m compute.Machine) string {
	if m.Note == "" {
		return "its machine runs"
	}
	return "its machine runs; " + m.Note
}

// abandon ends a machine that came up when its instance had been stopped or
// deleted meanwhile: nobody else would.
func (e *Engine) abandon(ctx context.Context, p compute.Provider, i *models.Instance) error {
	now, err := e.store.Instances.Get(ctx, i.ID)
	switch {
	case models.CodeOf(err) == models.CodeNotFound && err != nil:
		return p.Terminate(ctx, string(i.ID))
	case err != nil:
		return err
	case now.Status == models.InstanceStopped || now.Status == models.InstanceTerminated:
		return e.stopMachine(ctx, now)
	}
	return nil
}

// jobsSlack lets a token outlive a start that is tried several times.
const jobsSlack = 30 * time.Minute

func (e *Engine) failStart(ctx context.Context, i *models.Instance, cause error) error {
	e.Log.ErrorContext(ctx, "start a machine", slog.String("instance", string(i.ID)), slog.Any("error", cause))
	reason := "The machine could not be made: " + sentenceOf(cause)
	return e.startFailed(ctx, i, models.Cause{Kind: models.CauseMachine, Text: "its machine could not be made"}, reason)
}

// sentenceOf is what a provider's error says; providers write theirs for people.
func sentenceOf(err error) string {
	var refusal *models.Error
	if errors.As(err, &refusal) {
		return refusal.Message
	}
	return err.Error()
}

// awaitAgent begins Setup if the agent of a machine that was started again is
// here already, and ends the wait for one that does not call. The machine is
// left as it is, for whoever wants to see why; a stop or another start deals
// with it.
func (e *Engine) awaitAgent(ctx context.Context, i *models.Instance) (bool, error) {
	if e.dispatcher.Connected(i.ID) {
		cause := models.Cause{Kind: models.CauseStart, Text: i.Hostname + " is running already", InstanceID: i.ID}
		return true, e.tx(ctx, func(t *tx) error { return t.beginSetup(ctx, i, cause) })
	}
	if i.StatusDeadline == nil || e.Clock().Before(*i.StatusDeadline) {
		return false, nil
	}
	reason := fmt.Sprintf("The machine runs, but its agent did not call within %s. Its console output may tell why.", e.times.Boot)
	return true, e.startFailed(ctx, i, models.Cause{Kind: models.CauseAgent, Text: "its agent did not call"}, reason)
}

// beginStop makes the Shutdown command, where there is somebody to run it.
func (e *Engine) beginStop(ctx context.Context, i *models.Instance) (bool, error) {
	return true, e.tx(ctx, func(t *tx) error {
		cause := i.StatusCause
		if err := t.cancelCommands(ctx, i, "the instance is being stopped"); err != nil {
			return err
		}
		deadline := e.Clock()
		if !i.ForceStop && e.dispatcher.Connected(i.ID) {
			stack, err := t.Stacks.Get(ctx, i.StackID)
			if err != nil {
				return err
			}
			why := models.Cause{Kind: models.CauseStop, Text: i.Hostname + " is being stopped", InstanceID: i.ID, Actor: cause.Actor}
			if err := t.shutDown(ctx, stack, i, why); err != nil {
				return err
			}
			timeout, err := t.shutdownTimeout(ctx, i)
			if err != nil {
				return err
			}
			deadline = deadline.Add(timeout)
		}
		return t.move(ctx, i, models.InstanceShuttingDown, cause, store.InstanceChange{Deadline: &deadline})
	})
}

// shutDown fires the Shutdown event on an instance.
func (t *tx) shutDown(ctx context.Context, s *models.Stack, i *models.Instance, cause models.Cause) error {
	return t.createDeployment(ctx, s, &models.Deployment{
		Command: models.DeploymentCommand{Name: models.CommandShutdown}, Cause: cause,
	}, []store.Member{store.MemberOf(i)})
}

// killGrace is what a recipe gets beyond its time limit to be ended by its own agent.
const killGrace = 15 * time.Second

func (t *tx) shutdownTimeout(ctx context.Context, i *models.Instance) (time.Duration, error) {
	layers, err := t.Layers.ByIDs(ctx, i.LayerIDs)
	if err != nil {
		return 0, err
	}
	return t.e.timeoutOf(models.CommandShutdown, layers) + killGrace, nil
}

// endStop stops the machine once the Shutdown recipes have ended or their time
// is over; a recipe that outlives it is abandoned (OpsWorks: shutdown timeout).
func (e *Engine) endStop(ctx context.Context, i *models.Instance, last bool) (bool, error) {
	running, err := e.store.Commands.Unfinished(ctx, i.ID)
	if err != nil {
		return false, err
	}
	over := i.StatusDeadline == nil || !e.Clock().Before(*i.StatusDeadline)
	if len(running) > 0 && !over && !i.ForceStop {
		return false, nil
	}
	if err := e.stopMachine(ctx, i); err != nil {
		if !last {
			return false, err
		}
		return true, e.failStop(ctx, i, err)
	}
	e.dispatcher.Drop(i.ID, "stopped", "the instance was stopped")
	to := models.InstanceTerminated
	if i.KeepsDisk() {
		to = models.InstanceStopped
	}
	return true, e.tx(ctx, func(t *tx) error {
		if err := t.endCommands(ctx, i, "the machine was stopped"); err != nil {
			return err
		}
		return t.move(ctx, i, to, i.StatusCause, store.InstanceChange{})
	})
}

func (e *Engine) stopMachine(ctx context.Context, i *models.Instance) error {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	p, err := e.provider(stack)
	if err != nil {
		return err
	}
	if i.KeepsDisk() {
		grace := e.times.Stop
		if i.ForceStop {
			grace = 0
		}
		return p.Stop(ctx, string(i.ID), grace)
	}
	return p.Terminate(ctx, string(i.ID))
}

func (e *Engine) failStop(ctx context.Context, i *models.Instance, cause error) error {
	e.Log.ErrorContext(ctx, "stop a machine", slog.String("instance", string(i.ID)), slog.Any("error", cause))
	return e.tx(ctx, func(t *tx) error {
		change := store.InstanceChange{Reason: "The machine could not be stopped: " + sentenceOf(cause)}
		if err := t.serviceError(ctx, i, serviceErrorStop, stopTimedOut, &change); err != nil {
			return err
		}
		return t.move(ctx, i, models.InstanceStopFailed, models.Cause{Kind: models.CauseMachine, Text: "its machine could not be stopped"}, change)
	})
}

// reboot asks for the reboot; the agent's return ends it. A deadline says that
// it has been asked for.
func (e *Engine) reboot(ctx context.Context, i *models.Instance, last bool) (bool, error) {
	if i.StatusDeadline != nil && !e.Clock().Before(*i.StatusDeadline) {
		reason := "The machine was rebooted, but its agent did not come back."
		return true, e.moveAlone(ctx, i, models.InstanceConnectionLost, models.Cause{Kind: models.CauseAgent, Text: "its agent did not come back"}, store.InstanceChange{Reason: reason})
	}
	if i.StatusDeadline != nil {
		return false, nil
	}
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return false, err
	}
	p, err := e.provider(stack)
	if err != nil {
		return false, err
	}
	hard := !e.dispatcher.Connected(i.ID)
	if err := p.Reboot(ctx, string(i.ID), hard); err != nil {
		if !last {
			return false, err
		}
		reason := "The machine could not be rebooted: " + sentenceOf(err)
		return true, e.moveAlone(ctx, i, models.InstanceConnectionLost, models.Cause{Kind: models.CauseMachine, Text: "its machine could not be rebooted"}, store.InstanceChange{Reason: reason})
	}
	return false, e.store.Instances.Await(ctx, i.ID, models.InstanceRebooting, e.Clock().Add(e.times.Reboot))
}

// sweep asks for a look at everything that should have moved on by now and
// ends what is overdue. It finds what a crash or a lost wake-up left behind.
func (e *Engine) sweep(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	moving, err := e.store.Instances.WithStatus(ctx,
		models.InstanceRequested, models.InstancePending, models.InstanceBooting, models.InstanceStopping,
		models.InstanceTerminating, models.InstanceShuttingDown, models.InstanceTerminated, models.InstanceRebooting,
		models.InstanceUnassigning, models.InstanceDeregistering)
	if err != nil {
		return fmt.Errorf("list moving instances: %w", err)
	}
	now := e.Clock()
	due := moving[:0]
	for _, i := range moving {
		waits := i.StatusDeadline != nil && (i.Status == models.InstanceBooting || i.Status == models.InstanceRebooting)
		if !waits || !now.Before(*i.StatusDeadline) {
			due = append(due, i)
		}
	}
	errs := []error{e.expireCommands(ctx), e.advanceRollouts(ctx), e.prune(ctx), e.revokeExpired(ctx), e.endLogins(ctx), e.settleIntents(ctx), e.endHolds(ctx)}
	if len(due) > 0 {
		errs = append(errs, e.tx(ctx, func(t *tx) error {
			for _, i := range due {
				if err := t.lookAt(ctx, i.ID, i.Status); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return errors.Join(errs...)
}
