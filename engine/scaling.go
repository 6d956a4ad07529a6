package engine

import (
	"context"
	"slices"

	"opsyard/models"
)

// SetLoadBasedAutoScaling lets change alter how a layer's load-based instances
// follow the load; a layer that has no setting yet begins with OpsWorks'
// defaults (OpsWorks: SetLoadBasedAutoScaling).
func (e *Engine) SetLoadBasedAutoScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) error {
	current, _, err := e.layerFor(ctx, id, "SetLoadBasedAutoScaling")
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		// The stack's lock keeps two changes of one layer apart.
		if _, err := t.Stacks.GetForUpdate(ctx, current.StackID); err != nil {
			return err
		}
		layer, err := t.Layers.Get(ctx, id)
		if err != nil {
			return err
		}
		next := models.NewLoadBasedAutoScaling(layer)
		next.CreatedAt = e.Clock()
		var was any
		switch before, err := t.LoadBasedAutoScaling.Get(ctx, id); {
		case err == nil:
			next = *before
			next.UpScaling.Alarms, next.DownScaling.Alarms = slices.Clone(before.UpScaling.Alarms), slices.Clone(before.DownScaling.Alarms)
			was = before
		case models.CodeOf(err) != models.CodeNotFound:
			return err
		}
		if err := change(&next); err != nil {
			return err
		}
		next.LayerID, next.StackID, next.UpdatedAt = id, layer.StackID, e.Clock()
		if err := next.Validate(); err != nil {
			return err
		}
		if err := t.LoadBasedAutoScaling.Save(ctx, &next); err != nil {
			return err
		}
		t.tellStack(layer.StackID)
		return t.audit(ctx, "SetLoadBasedAutoScaling", onLayer(layer), was, &next, models.Cause{})
	})
}
