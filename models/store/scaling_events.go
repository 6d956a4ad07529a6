package store

import (
	"context"
	"time"

	"opsyard/models"
)

// Enabled reads those of all layers that are on.
func (s LoadBasedAutoScaling) Enabled(ctx context.Context) ([]models.LoadBasedAutoScaling, error) {
	return find[models.LoadBasedAutoScaling](s.r(ctx).Where("enable = ?", true).Order("layer_id"), "list enabled load-based auto scaling")
}

// GetForUpdate reads a layer's and keeps other transactions from changing it.
func (s LoadBasedAutoScaling) GetForUpdate(ctx context.Context, id models.LayerID) (*models.LoadBasedAutoScaling, error) {
	var row models.LoadBasedAutoScaling
	if err := forUpdate(s.w(ctx)).Where("layer_id = ?", id).Take(&row).Error; err != nil {
		return nil, found(err, "load-based auto scaling of layer", id)
	}
	return &row, nil
}

// ScalingEvents keeps models.ScalingEvent: what load-based scaling did.
type ScalingEvents struct{ *handle }

// Append stores an event and fills in its ID.
func (s ScalingEvents) Append(ctx context.Context, e *models.ScalingEvent) error {
	e.At, e.Sentence = stamp(e.At), clip(e.Sentence, maxText)
	return wrap(s.w(ctx).Create(e).Error, "store a scaling event of layer %s", e.LayerID)
}

// Newest reads a layer's newest events, newest first.
func (s ScalingEvents) Newest(ctx context.Context, id models.LayerID, limit int) ([]models.ScalingEvent, error) {
	return find[models.ScalingEvent](s.r(ctx).Where("layer_id = ?", id).Order("at DESC, id DESC").Limit(limit), "read the scaling history of layer %s", id)
}

// Since reads a stack's events since a time, oldest first.
func (s ScalingEvents) Since(ctx context.Context, id models.StackID, since time.Time) ([]models.ScalingEvent, error) {
	return find[models.ScalingEvent](s.r(ctx).Where("stack_id = ? AND at >= ?", id, stamp(since)).Order("at, id"), "read the scaling history of stack %s", id)
}

// Prune removes events from before a time.
func (s ScalingEvents) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM scaling_events WHERE at < ?", stamp(before)).Error, "remove old scaling events")
}
