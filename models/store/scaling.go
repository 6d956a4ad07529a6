package store

import (
	"context"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// SetSchedule stores when a time-based instance is on.
func (s Instances) SetSchedule(ctx context.Context, id models.InstanceID, schedule models.WeeklySchedule) error {
	result := s.w(ctx).Model(&models.Instance{ID: id}).Select("schedule", "updated_at").
		Updates(&models.Instance{Schedule: schedule, UpdatedAt: s.clock()})
	return affected(result, "set the schedule of", kindInstance, id)
}

// LoadBasedAutoScaling keeps models.LoadBasedAutoScaling, at most one of a layer.
type LoadBasedAutoScaling struct{ *handle }

// Get reads a layer's; NotFound when none was ever set.
func (s LoadBasedAutoScaling) Get(ctx context.Context, id models.LayerID) (*models.LoadBasedAutoScaling, error) {
	var row models.LoadBasedAutoScaling
	if err := s.r(ctx).Where("layer_id = ?", id).Take(&row).Error; err != nil {
		return nil, found(err, "load-based auto scaling of layer", id)
	}
	return &row, nil
}

// OfLayers reads those that are set, in the order of the layers.
func (s LoadBasedAutoScaling) OfLayers(ctx context.Context, ids []models.LayerID) ([]models.LoadBasedAutoScaling, error) {
	rows := map[models.LayerID]models.LoadBasedAutoScaling{}
	for part := range chunks(ids, batch) {
		some, err := find[models.LoadBasedAutoScaling](s.r(ctx).Where("layer_id IN ?", part), "list load-based auto scaling")
		if err != nil {
			return nil, err
		}
		for _, row := range some {
			rows[row.LayerID] = row
		}
	}
	list := make([]models.LoadBasedAutoScaling, 0, len(rows))
	for _, id := range ids {
		if row, ok := rows[id]; ok {
			list = append(list, row)
			delete(rows, id)
		}
	}
	return list, nil
}

// Save stores a layer's in place of the one before.
func (s LoadBasedAutoScaling) Save(ctx context.Context, row *models.LoadBasedAutoScaling) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "layers", kindLayer, row.LayerID); err != nil {
			return err
		}
		err := h.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(row).Error
		return wrap(err, "store load-based auto scaling of layer %s", row.LayerID)
	})
}
