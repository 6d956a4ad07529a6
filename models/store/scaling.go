package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// SetSchedule stores when a time-based instance is on, as a new revision.
func (s Instances) SetSchedule(ctx context.Context, id models.InstanceID, schedule models.WeeklySchedule, zone string) error {
	result := s.w(ctx).Model(&models.Instance{ID: id}).Select("schedule", "schedule_zone", "updated_at").
		Updates(&models.Instance{Schedule: schedule, ScheduleZone: zone, UpdatedAt: s.clock()})
	if err := affected(result, "set the schedule of", kindInstance, id); err != nil {
		return err
	}
	err := s.w(ctx).Exec("UPDATE instances SET schedule_revision = schedule_revision + 1 WHERE id = ?", id).Error
	return wrap(err, "count the schedules of instance %s", id)
}

// Scheduled reads all time-based instances. The condition that says nothing
// new is what lets SQLite use the small index.
func (s Instances) Scheduled(ctx context.Context) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Where("auto_scaling_type = ? AND auto_scaling_type <> ''", models.ScalingTimer).Order("stack_id, hostname"), "list time-based instances")
}

// ScheduleFirings keeps models.ScheduleFiring.
type ScheduleFirings struct{ *handle }

// clocksApart is how far the clocks of two servers may be apart. It is less than
// the shortest slot.
const clocksApart = 5 * time.Minute

// Fire notes that a schedule acts, and tells whether it is the first to say so
// and no later turn has been acted on. The instance is locked.
func (s ScheduleFirings) Fire(ctx context.Context, f *models.ScheduleFiring) (bool, error) {
	f.SlotStart, f.At = stamp(f.SlotStart), stamp(f.At)
	var later int64
	err := s.w(ctx).Model(&models.ScheduleFiring{}).Where("instance_id = ? AND (revision > ? OR revision = ? AND slot_start >= ?)",
		f.InstanceID, f.Revision, f.Revision, f.SlotStart).Count(&later).Error
	if err != nil || later > 0 {
		return false, wrap(err, "look for what the schedule of instance %s did", f.InstanceID)
	}
	result := s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(f)
	return result.RowsAffected > 0, wrap(result.Error, "note that the schedule of instance %s acts", f.InstanceID)
}

// Ahead tells whether a turn was acted on that lies in the future: by a server
// whose clock ran ahead, or this one's is behind. A turn that is nearly there is
// no sign of that, the clocks of servers are a little apart.
func (s ScheduleFirings) Ahead(ctx context.Context, f *models.ScheduleFiring) (bool, error) {
	var ahead int64
	err := s.w(ctx).Model(&models.ScheduleFiring{}).Where("instance_id = ? AND revision = ? AND slot_start > ?",
		f.InstanceID, f.Revision, stamp(f.At.Add(clocksApart))).Count(&ahead).Error
	return ahead > 0, wrap(err, "look for what the schedule of instance %s did ahead of time", f.InstanceID)
}

// ForgetFrom removes the turns from one on. What was done ahead of time stands
// in the way of the present slot, so that acts again, and each of the others
// will when its time comes.
func (s ScheduleFirings) ForgetFrom(ctx context.Context, f *models.ScheduleFiring) error {
	err := s.w(ctx).Exec("DELETE FROM schedule_firings WHERE instance_id = ? AND revision = ? AND slot_start >= ?", f.InstanceID, f.Revision, stamp(f.SlotStart)).Error
	return wrap(err, "forget what the schedule of instance %s did ahead of time", f.InstanceID)
}

// OfInstance reads the newest firings of an instance.
func (s ScheduleFirings) OfInstance(ctx context.Context, id models.InstanceID, limit int) ([]models.ScheduleFiring, error) {
	return find[models.ScheduleFiring](s.r(ctx).Where("instance_id = ?", id).Order("revision DESC, slot_start DESC").Limit(limit), "list what the schedule of instance %s did", id)
}

// Prune forgets firings made before a time, but for the newest of each
// instance, which still stands for the present.
func (s ScheduleFirings) Prune(ctx context.Context, before time.Time) error {
	err := s.w(ctx).Exec(`DELETE FROM schedule_firings WHERE at < ? AND EXISTS (SELECT 1 FROM schedule_firings newer
		WHERE newer.instance_id = schedule_firings.instance_id AND (newer.revision > schedule_firings.revision
			OR newer.revision = schedule_firings.revision AND newer.slot_start > schedule_firings.slot_start))`, stamp(before)).Error
	return wrap(err, "forget what schedules did")
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
