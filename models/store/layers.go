package store

import (
	"context"
	"slices"

	"opsyard/models"

	"gorm.io/gorm"
)

// Layers keeps models.Layer.
type Layers struct{ *handle }

const kindLayer = "layer"

// Get reads one layer.
func (s Layers) Get(ctx context.Context, id models.LayerID) (*models.Layer, error) {
	return get[models.Layer](s.r(ctx), kindLayer, id)
}

// InStack reads a stack's layers in traffic order.
func (s Layers) InStack(ctx context.Context, stack models.StackID) ([]models.Layer, error) {
	return find[models.Layer](s.r(ctx).Where("stack_id = ?", stack).Order("position, name"), "list layers of stack %s", stack)
}

// ByIDs reads layers in the order of ids; a missing one is a NotFound.
func (s Layers) ByIDs(ctx context.Context, ids []models.LayerID) ([]models.Layer, error) {
	return byIDs(s.r(ctx), kindLayer, ids, func(l *models.Layer) models.LayerID { return l.ID })
}

// Places reads layers in the order of ids with nothing but their ID and
// StackID; a missing one is a NotFound.
func (s Layers) Places(ctx context.Context, ids []models.LayerID) ([]models.Layer, error) {
	read := func() ([]models.Layer, error) {
		db := s.r(ctx).Select("id", "stack_id").Session(&gorm.Session{})
		return byIDs(db, kindLayer, ids, func(l *models.Layer) models.LayerID { return l.ID })
	}
	if len(ids) != 1 {
		return read()
	}
	list, err := remember(ctx, s.handle, question{what: "place of layer", id: string(ids[0])}, read)
	return slices.Clone(list), err
}

// Create stores a new layer.
func (s Layers) Create(ctx context.Context, layer *models.Layer) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, layer.StackID); err != nil {
			return err
		}
		return layerTaken(h.w(ctx).Create(layer).Error, layer)
	})
}

// Save writes all of a layer.
func (s Layers) Save(ctx context.Context, layer *models.Layer) error {
	return layerTaken(save(s.w(ctx), layer, kindLayer, layer.ID), layer)
}

func layerTaken(err error, l *models.Layer) error {
	switch brokenIndex(err) {
	case "layer_name":
		return models.InvalidField("Name", "There is already a layer named %q for this stack", l.Name).Because(err)
	case "layer_shortname":
		return models.InvalidField("Shortname", "There is already a layer with shortname %q for this stack", l.Shortname).Because(err)
	}
	return wrap(err, "store layer %s", l.ID)
}

// Delete removes a layer that has no instances.
func (s Layers) Delete(ctx context.Context, id models.LayerID) error {
	return s.inTx(ctx, func(h *handle) error {
		if _, err := get[models.Layer](forUpdate(h.w(ctx)), kindLayer, id); err != nil {
			return err // and nobody joins it from here on
		}
		n, err := Layers{h}.InstanceCount(ctx, id)
		if err != nil {
			return err
		}
		if n > 0 {
			return models.Invalid("The layer still has %d instances: delete them, or take them out of the layer, first.", n)
		}
		if err := h.w(ctx).Exec("DELETE FROM load_based_auto_scalings WHERE layer_id = ?", id).Error; err != nil {
			return wrap(err, "delete load-based auto scaling of layer %s", id)
		}
		if err := (Alarms{h}).forget(ctx, "layer_id", string(id)); err != nil {
			return err
		}
		if err := h.w(ctx).Exec("DELETE FROM scaling_events WHERE layer_id = ?", id).Error; err != nil {
			return wrap(err, "delete the scaling history of layer %s", id)
		}
		if err := h.w(ctx).Exec("DELETE FROM elastic_load_balancers WHERE layer_id = ?", id).Error; err != nil {
			return wrap(err, "detach the load balancer of layer %s", id)
		}
		return affected(h.w(ctx).Exec("DELETE FROM layers WHERE id = ?", id), "delete", kindLayer, id)
	})
}

// InstanceCount counts a layer's instances in any state.
func (s Layers) InstanceCount(ctx context.Context, id models.LayerID) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.InstanceLayer{}).Where("layer_id = ?", id).Count(&n).Error
	return int(n), wrap(err, "count instances of layer %s", id)
}
