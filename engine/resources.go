package engine

import (
	"context"

	"opsyard/models"
)

// stackOf authorizes a change of something that a stack has. Who may not see
// the stack is told that there is no such thing.
func (e *Engine) stackOf(ctx context.Context, stack models.StackID, action models.Action, missing error) (*models.Stack, error) {
	s, err := e.Authorize(ctx, stack, action)
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return nil, missing
	}
	return s, err
}

// member reads an instance of the stack and keeps others from changing it.
func (t *tx) member(ctx context.Context, stack *models.Stack, id models.InstanceID) (*models.Instance, error) {
	if id == "" {
		return nil, models.InvalidField("InstanceId", "Instance id: is missing.")
	}
	i, err := t.Instances.GetForUpdate(ctx, id)
	if err != nil {
		return nil, err
	}
	if i.StackID != stack.ID {
		return nil, models.NotFound("instance", id)
	}
	return i, nil
}

// changed counts a change to what recipes see of the stack and tells the
// watchers; told is its line in the timeline, empty for none.
func (t *tx) changed(ctx context.Context, stack models.StackID, told string) error {
	t.tellStack(stack)
	if _, err := t.Stacks.BumpVersion(ctx, stack); err != nil || told == "" {
		return err
	}
	return t.event(ctx, models.StackEvent{StackID: stack, Kind: "change", Text: told, Cause: byWhom(ctx, "")})
}

// configureFor is changed with a Configure on all online instances.
func (t *tx) configureFor(ctx context.Context, stack models.StackID, told string) error {
	if err := t.changed(ctx, stack, told); err != nil {
		return err
	}
	return t.noteChange(ctx, stack, told)
}

// releaseResources lets go of what is attached to an instance that is about to
// leave its stack, inside the transaction in which it leaves. What is not
// deleted stays registered with the stack (OpsWorks: DeleteInstance).
func (t *tx) releaseResources(ctx context.Context, i *models.Instance, opts DeleteOptions) error {
	addresses, err := t.ElasticIPs.OfInstance(ctx, i.ID)
	if err != nil {
		return err
	}
	for n := range addresses {
		if err := t.releaseElasticIP(ctx, &addresses[n], opts.DeleteElasticIP); err != nil {
			return err
		}
	}
	return t.releaseVolumes(ctx, i, opts.DeleteVolumes)
}
