package engine

import (
	"context"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// CreateInstance adds the record of an instance; its machine is made by
// StartInstance (OpsWorks: CreateInstance).
func (e *Engine) CreateInstance(ctx context.Context, i models.Instance) (*models.Instance, error) {
	stack, err := e.Authorize(ctx, i.StackID, "CreateInstance")
	if err != nil {
		return nil, err
	}
	i.ID, i.Status = models.NewID[models.InstanceID](), models.InstanceStopped
	i.Arn = instanceArn(stack, i.ID)
	now := e.Clock()
	i.CreatedAt, i.UpdatedAt, i.StatusSince, i.StatusCause = now, now, now, byWhom(ctx, "it was created")
	inherit(&i, stack)
	err = e.tx(ctx, func(t *tx) error {
		layers, err := t.membership(ctx, &i)
		if err != nil {
			return err
		}
		if i.Hostname == "" && len(layers) > 0 {
			if i.Hostname, err = t.suggestHostname(ctx, stack, layers[0]); err != nil {
				return err
			}
		}
		dress(&i, layers)
		if err := e.checkInstance(stack, &i, nil); err != nil {
			return err
		}
		if err := t.roomFor(ctx, stack, "instance"); err != nil {
			return err
		}
		if err := t.Instances.Create(ctx, &i); err != nil {
			return err
		}
		t.tellInstance(i.StackID, i.ID)
		t.tellStack(i.StackID)
		return t.audit(ctx, "CreateInstance", onInstance(&i), nil, &i, models.Cause{})
	})
	return &i, err
}

// membership fills the instance's defaults and checks that its layers exist and
// are its stack's.
func (t *tx) membership(ctx context.Context, i *models.Instance) ([]models.Layer, error) {
	all, err := t.Layers.InStack(ctx, i.StackID)
	if err != nil {
		return nil, err
	}
	i.Normalize()
	layers := lifecycle.LayersOf(*i, all)
	if len(layers) == len(i.LayerIDs) {
		return layers, nil
	}
	for _, id := range i.LayerIDs {
		l, err := t.Layers.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		visible, err := t.mayShow(ctx, l.StackID)
		if err != nil {
			return nil, err
		}
		if !visible {
			return nil, models.NotFound("layer", id)
		}
	}
	return nil, models.InvalidField("LayerIds", "Please only provide layer IDs from the same stack")
}

// UpdateInstance lets change alter a stopped instance (OpsWorks: UpdateInstance).
func (e *Engine) UpdateInstance(ctx context.Context, id models.InstanceID, change func(*models.Instance) error) (*models.Instance, error) {
	if _, err := e.instanceFor(ctx, id, "UpdateInstance"); err != nil {
		return nil, err
	}
	var updated *models.Instance
	err := e.tx(ctx, func(t *tx) error {
		before, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if err := before.CanUpdate(); err != nil {
			return err
		}
		i := *before
		if err := change(&i); err != nil {
			return err
		}
		keepFixed(&i, before)
		i.UpdatedAt = e.Clock()
		layers, err := t.membership(ctx, &i)
		if err != nil {
			return err
		}
		i.SecurityGroupIDs = securityGroups(layers)
		stack, err := t.Stacks.Get(ctx, i.StackID)
		if err != nil {
			return err
		}
		if err := e.checkInstance(stack, &i, before); err != nil {
			return err
		}
		if err := t.Instances.Save(ctx, &i); err != nil {
			return err
		}
		if err := t.followAnew(ctx, before, &i); err != nil {
			return err
		}
		t.tellInstance(i.StackID, i.ID)
		updated = &i
		return t.audit(ctx, "UpdateInstance", onInstance(&i), before, &i, models.Cause{})
	})
	return updated, err
}

// instanceFor loads an instance for somebody who wants to act on it.
func (e *Engine) instanceFor(ctx context.Context, id models.InstanceID, action models.Action) (*models.Instance, error) {
	i, err := e.store.Instances.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := e.Authorize(ctx, i.StackID, action); err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, models.NotFound("instance", id)
		}
		return nil, err
	}
	return i, nil
}

// DeleteOptions say what becomes of what is attached to a deleted instance;
// what is not deleted stays registered with the stack.
type DeleteOptions struct {
	DeleteElasticIP bool
	DeleteVolumes   bool
}

// DeleteInstance removes a stopped instance and its disk (OpsWorks:
// DeleteInstance). The machine is terminated first: when that fails, the
// record stays. A registered host is deregistered instead.
func (e *Engine) DeleteInstance(ctx context.Context, id models.InstanceID, opts DeleteOptions) error {
	i, err := e.instanceFor(ctx, id, "DeleteInstance")
	if err != nil {
		return err
	}
	if err := i.CanDelete(); err != nil {
		return err
	}
	if i.Registered() {
		return e.DeregisterInstance(ctx, id)
	}
	err = e.terminate(ctx, i)
	if err == nil && opts.DeleteVolumes {
		err = e.deleteDisks(ctx, i)
	}
	if err != nil {
		return models.Invalid("The machine of %s could not be removed, so the instance stays. The server's log has the details.", i.Hostname).Because(err)
	}
	defer e.dispatcher.Drop(id, protocol.RefusedIdentity, "the instance was deleted")
	return e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if err := i.CanDelete(); err != nil {
			return err
		}
		if err := t.endCommands(ctx, i, "the instance was deleted"); err != nil {
			return err
		}
		if err := t.releaseResources(ctx, i, opts); err != nil {
			return err
		}
		if err := t.Instances.Delete(ctx, id); err != nil {
			return err
		}
		t.tellInstance(i.StackID, id)
		t.tellStack(i.StackID)
		if err := t.event(ctx, models.StackEvent{StackID: i.StackID, Kind: "instance", Tone: "off", Text: i.Hostname + " was deleted", Cause: byWhom(ctx, "")}); err != nil {
			return err
		}
		return t.audit(ctx, "DeleteInstance", onInstance(i), i, nil, models.Cause{})
	})
}

func (e *Engine) terminate(ctx context.Context, i *models.Instance) error {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	p, err := e.provider(stack)
	if err != nil {
		return err
	}
	return p.Terminate(ctx, string(i.ID))
}

// StartInstance asks for a machine (OpsWorks: StartInstance). The status is
// requested before it returns.
func (e *Engine) StartInstance(ctx context.Context, id models.InstanceID) error {
	return e.onInstance(ctx, id, "StartInstance", func(t *tx, s *models.Stack, i *models.Instance) error {
		if err := canStart(i); err != nil {
			return err
		}
		return t.startBy(ctx, s, i, byWhom(ctx, "it was started"))
	})
}

func canStart(i *models.Instance) error {
	if err := i.CanStart(); err != nil {
		return err
	}
	return i.ByHand()
}

// StopInstance runs the Shutdown recipes and stops the machine; by force it
// skips the recipes (OpsWorks: StopInstance). The status is stopping or
// terminating before it returns.
func (e *Engine) StopInstance(ctx context.Context, id models.InstanceID, force bool) error {
	return e.onInstance(ctx, id, "StopInstance", func(t *tx, _ *models.Stack, i *models.Instance) error {
		if err := i.CanStop(force); err != nil {
			return err
		}
		if err := i.ByHand(); err != nil && !force {
			return err
		}
		return t.stopBy(ctx, i, force, byWhom(ctx, "it was stopped"))
	})
}

// RebootInstance restarts the machine with its disk; no lifecycle event
// (OpsWorks: RebootInstance).
func (e *Engine) RebootInstance(ctx context.Context, id models.InstanceID) error {
	return e.onInstance(ctx, id, "RebootInstance", func(t *tx, s *models.Stack, i *models.Instance) error {
		if err := i.CanReboot(); err != nil {
			return err
		}
		p, err := e.provider(s)
		if err != nil {
			return err
		}
		if !p.Caps().Reboot {
			return models.Invalid("The machines of provider %s cannot be rebooted; stop and start the instance.", p.Name())
		}
		return t.move(ctx, i, models.InstanceRebooting, byWhom(ctx, "it was rebooted"), store.InstanceChange{})
	})
}

func (e *Engine) onInstance(ctx context.Context, id models.InstanceID, action string, do func(*tx, *models.Stack, *models.Instance) error) error {
	if _, err := e.instanceFor(ctx, id, models.Action(action)); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		s, err := t.Stacks.Get(ctx, i.StackID)
		if err != nil {
			return err
		}
		was := i.Status
		if err := do(t, s, i); err != nil {
			return err
		}
		return t.audit(ctx, action, onInstance(i), map[string]any{"Status": was}, map[string]any{"Status": i.Status}, models.Cause{})
	})
}

// startBy starts an instance for a person.
func (t *tx) startBy(ctx context.Context, s *models.Stack, i *models.Instance, cause models.Cause) error {
	if err := t.start(ctx, s, i, cause); err != nil {
		return err
	}
	return t.wanted(ctx, i, models.WantOnline, cause)
}

// stopBy stops an instance for a person.
func (t *tx) stopBy(ctx context.Context, i *models.Instance, force bool, cause models.Cause) error {
	if err := t.stop(ctx, i, force, cause); err != nil {
		return err
	}
	return t.wanted(ctx, i, models.WantStopped, cause)
}

// start moves a stopped instance to requested.
func (t *tx) start(ctx context.Context, s *models.Stack, i *models.Instance, cause models.Cause) error {
	if _, err := t.e.provider(s); err != nil {
		return err
	}
	return t.move(ctx, i, models.InstanceRequested, cause, store.InstanceChange{ClearSetup: true})
}

// stop moves an instance to stopping (its disk is kept) or terminating.
func (t *tx) stop(ctx context.Context, i *models.Instance, force bool, cause models.Cause) error {
	to := models.InstanceTerminating
	if i.KeepsDisk() {
		to = models.InstanceStopping
	}
	wasOnline := i.Status == models.InstanceOnline || i.WasOnline && i.Status.InMotion()
	if !i.Status.CanBecome(to) {
		// By force: whatever state the stop hangs in, the machine is ended now.
		if err := t.Instances.Patch(ctx, i.ID, store.InstanceChange{ForceStop: &force}); err != nil {
			return err
		}
		t.tellInstance(i.StackID, i.ID)
		return t.lookAt(ctx, i.ID, i.Status)
	}
	return t.move(ctx, i, to, cause, store.InstanceChange{ForceStop: &force, WasOnline: &wasOnline})
}

// SuggestHostname proposes a free hostname for a new instance of a layer
// (OpsWorks: GetHostnameSuggestion).
func (e *Engine) SuggestHostname(ctx context.Context, id models.LayerID) (string, error) {
	layer, stack, err := e.layerFor(ctx, id, "GetHostnameSuggestion")
	if err != nil {
		return "", err
	}
	name := ""
	err = e.tx(ctx, func(t *tx) error {
		name, err = t.suggestHostname(ctx, stack, *layer)
		return err
	})
	return name, err
}

func (t *tx) suggestHostname(ctx context.Context, stack *models.Stack, layer models.Layer) (string, error) {
	taken, err := t.Instances.Hostnames(ctx, stack.ID)
	if err != nil {
		return "", err
	}
	return lifecycle.Hostname(stack.HostnameTheme, layer.Shortname, taken), nil
}
