package engine

import (
	"context"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
)

// RebootAfter reboots the machine of an instance whose update of its packages
// has asked for it, as RebootInstance does, so that nobody takes it for lost. It
// tells whether the agent has to do it itself: of a host that was registered, or
// where the provider cannot, nobody else can.
func (e *Engine) RebootAfter(ctx context.Context, id models.InstanceID, done protocol.Done) (itself bool, err error) {
	if done.RebootOf == "" {
		return false, nil
	}
	ctx = models.AsEngine(ctx)
	err = e.tx(ctx, func(t *tx) error {
		itself = false
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		// After the reboot the agent may tell the end of its command once more.
		if i.BootID != done.RebootOf || i.Status == models.InstanceRebooting {
			return nil
		}
		if wanted, err := t.rebootAllowed(ctx, id, models.CommandID(done.CommandID)); err != nil || !wanted {
			return err
		}
		s, err := t.Stacks.Get(ctx, i.StackID)
		if err != nil {
			return err
		}
		p, err := e.provider(s)
		itself = i.Registered() || i.CanReboot() != nil || err != nil || !p.Caps().Reboot
		if !i.Status.CanBecome(models.InstanceRebooting) {
			return nil
		}
		cause := models.Cause{Kind: models.CauseAgent, Text: "its new packages ask for it", InstanceID: i.ID}
		if err := t.move(ctx, i, models.InstanceRebooting, cause, store.InstanceChange{}); err != nil || !itself {
			return err
		}
		// Whoever looks after the instance finds that its machine reboots already.
		return t.Instances.Await(ctx, i.ID, models.InstanceRebooting, e.Clock().Add(e.times.Reboot))
	})
	return itself, err
}

// rebootAllowed tells whether a command was an update of packages that may end
// in a reboot: an agent's word alone is not enough.
func (t *tx) rebootAllowed(ctx context.Context, id models.InstanceID, command models.CommandID) (bool, error) {
	c, err := t.Commands.Get(ctx, command)
	if err != nil || c.InstanceID != id || c.Type != models.CommandUpdateDependencies || c.Status != models.CommandSuccessful {
		return false, err
	}
	d, err := t.Deployments.Get(ctx, c.DeploymentID)
	return err == nil && d.Command.Flag("allow_reboot") && !d.DryRun, err
}
