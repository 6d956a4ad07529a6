package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Healings keeps models.Healing and models.HealingLift.
type Healings struct{ *handle }

const kindHealing = "healing"

// Get reads one entry.
func (s Healings) Get(ctx context.Context, id models.HealingID) (*models.Healing, error) {
	return get[models.Healing](s.r(ctx), kindHealing, id)
}

// Open reads the decisions that stand, of all stacks, oldest first.
func (s Healings) Open(ctx context.Context) ([]models.Healing, error) {
	return find[models.Healing](s.r(ctx).Where("ended_at IS NULL").Order("at, id"), "list open healings")
}

// OpenOf reads the open decisions about an instance. Whoever is to change them
// has locked the instance.
func (s Healings) OpenOf(ctx context.Context, id models.InstanceID) ([]models.Healing, error) {
	return find[models.Healing](s.w(ctx).Where("instance_id = ? AND ended_at IS NULL", id).Order("at, id"), "list open healings of instance %s", id)
}

// OpenInStack reads the open decisions of a stack. Whoever is to change them has
// locked the stack.
func (s Healings) OpenInStack(ctx context.Context, stack models.StackID) ([]models.Healing, error) {
	return find[models.Healing](s.w(ctx).Where("stack_id = ? AND ended_at IS NULL", stack).Order("at, id"), "list open healings of stack %s", stack)
}

// Done reads the heals that were begun since a time, or that somebody has called
// wrong since then, however old they are. The oldest comes first.
func (s Healings) Done(ctx context.Context, since time.Time) ([]models.Healing, error) {
	since = stamp(since)
	return find[models.Healing](s.w(ctx).Where("decision = ? AND (at >= ? OR wrong_at >= ?)", models.DecisionHeal, since, since).Order("at, id"), "list recent heals")
}

// Last tells when instances were last healed; those that never were are missing.
func (s Healings) Last(ctx context.Context, ids []models.InstanceID) (map[models.InstanceID]time.Time, error) {
	last := map[models.InstanceID]time.Time{}
	for part := range chunks(ids, batch) {
		rows, err := find[models.Healing](s.r(ctx).Select("instance_id", "at").Where("instance_id IN ? AND decision = ?", part, models.DecisionHeal), "list the last heals")
		if err != nil {
			return nil, err
		}
		for _, h := range rows {
			if h.At.After(last[h.InstanceID]) {
				last[h.InstanceID] = h.At
			}
		}
	}
	return last, nil
}

// InStack reads a part of a stack's history, newest first, and how long it is.
func (s Healings) InStack(ctx context.Context, stack models.StackID, limit, offset int) ([]models.Healing, int, error) {
	query := s.r(ctx).Model(&models.Healing{}).Where("stack_id = ?", stack)
	var total int64
	if err := query.Session(&gorm.Session{}).Count(&total).Error; err != nil {
		return nil, 0, wrap(err, "count healings of stack %s", stack)
	}
	list, err := find[models.Healing](query.Session(&gorm.Session{}).Order("at DESC, id DESC").Limit(limit).Offset(offset), "list healings of stack %s", stack)
	return list, int(total), err
}

// Newest reads the open entry about an instance, or else the newest, nil if
// there is none.
func (s Healings) Newest(ctx context.Context, id models.InstanceID) (*models.Healing, error) {
	list, err := find[models.Healing](s.r(ctx).Where("instance_id = ?", id).Order("ended_at IS NULL DESC, at DESC, id DESC").Limit(1), "read the newest healing of instance %s", id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// Create stores new entries.
func (s Healings) Create(ctx context.Context, all ...models.Healing) error {
	for n := range all {
		h := &all[n]
		h.At, h.LostAt, h.Sentence = stamp(h.At), stamp(h.LostAt), clip(h.Sentence, maxText)
	}
	for part := range chunks(all, batch/10) {
		if err := s.w(ctx).Create(part).Error; err != nil {
			return wrap(err, "store %d healings", len(part))
		}
	}
	return nil
}

// Decide writes another decision, sentence and evidence into an open entry, and
// tells whether it was open.
func (s Healings) Decide(ctx context.Context, h *models.Healing) (bool, error) {
	h.At, h.Sentence = stamp(h.At), clip(h.Sentence, maxText)
	result := s.w(ctx).Model(&models.Healing{}).Where("id = ? AND ended_at IS NULL", h.ID).
		Select("decision", "sentence", "evidence", "at").Updates(h)
	return result.RowsAffected > 0, wrap(result.Error, "change healing %s", h.ID)
}

// End closes open entries.
func (s Healings) End(ctx context.Context, outcome string, at time.Time, ids ...models.HealingID) error {
	for part := range chunks(ids, batch) {
		err := s.w(ctx).Exec("UPDATE healings SET ended_at = ?, outcome = ? WHERE id IN ? AND ended_at IS NULL", stamp(at), clip(outcome, maxText), part).Error
		if err != nil {
			return wrap(err, "end healings")
		}
	}
	return nil
}

// TakeUp removes the ended entries about the same loss with the same decision,
// and returns the first of them, nil if there is none.
func (s Healings) TakeUp(ctx context.Context, next *models.Healing) (first *models.Healing, err error) {
	list, err := find[models.Healing](s.w(ctx).Where("instance_id = ? AND lost_at = ? AND decision = ? AND ended_at IS NOT NULL",
		next.InstanceID, stamp(next.LostAt), next.Decision).Order("at, id"), "read what was decided before about instance %s", next.InstanceID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ids := make([]models.HealingID, len(list))
	for n := range list {
		ids[n] = list[n].ID
	}
	return &list[0], wrap(s.w(ctx).Exec("DELETE FROM healings WHERE id IN ?", ids).Error, "take up what was decided before about instance %s", next.InstanceID)
}

// Drop removes an open entry that led to nothing.
func (s Healings) Drop(ctx context.Context, id models.HealingID) error {
	return wrap(s.w(ctx).Exec("DELETE FROM healings WHERE id = ? AND ended_at IS NULL", id).Error, "drop healing %s", id)
}

// Wrong notes who says that a heal hit a healthy machine; false when somebody
// has said so before.
func (s Healings) Wrong(ctx context.Context, id models.HealingID, by string, at time.Time) (bool, error) {
	result := s.w(ctx).Exec("UPDATE healings SET wrong_at = ?, wrong_by = ? WHERE id = ? AND wrong_at IS NULL", stamp(at), clip(by, 64), id)
	return result.RowsAffected > 0, wrap(result.Error, "note that healing %s was wrong", id)
}

// Lift lets a stack's healing act until a time.
func (s Healings) Lift(ctx context.Context, l *models.HealingLift) error {
	l.Until, l.By = stamp(l.Until), clip(l.By, 64)
	return wrap(s.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(l).Error, "lift the freeze of stack %s", l.StackID)
}

// Lifts reads the freezes that are lifted at a time.
func (s Healings) Lifts(ctx context.Context, now time.Time) (map[models.StackID]models.HealingLift, error) {
	rows, err := find[models.HealingLift](s.r(ctx).Where("until > ?", stamp(now)), "list lifted freezes")
	lifts := map[models.StackID]models.HealingLift{}
	for _, l := range rows {
		lifts[l.StackID] = l
	}
	return lifts, err
}

// Prune removes entries that ended before a time.
func (s Healings) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM healings WHERE ended_at < ?", stamp(before)).Error, "remove old healings")
}

// Agents counts, by stack, the instances whose agents should be heard, the lost
// ones among them.
func (s Healings) Agents(ctx context.Context) (map[models.StackID]int, error) {
	var rows []struct {
		StackID models.StackID
		N       int
	}
	err := s.r(ctx).Raw("SELECT stack_id, COUNT(*) AS n FROM instances WHERE status IN ? GROUP BY stack_id", []models.InstanceStatus{
		models.InstanceOnline, models.InstanceRunningSetup, models.InstanceSetupFailed, models.InstanceRegistered, models.InstanceAssigning, models.InstanceConnectionLost,
	}).Scan(&rows).Error
	counts := map[models.StackID]int{}
	for _, r := range rows {
		counts[r.StackID] = r.N
	}
	return counts, wrap(err, "count agents")
}

// Sizes counts the instances with a machine of layers.
func (s Healings) Sizes(ctx context.Context, layers []models.LayerID) (map[models.LayerID]int, error) {
	sizes := map[models.LayerID]int{}
	for part := range chunks(layers, batch) {
		var rows []struct {
			LayerID models.LayerID
			N       int
		}
		err := s.r(ctx).Raw(`SELECT l.layer_id, COUNT(*) AS n FROM instance_layers l JOIN instances i ON i.id = l.instance_id
			WHERE l.layer_id IN ? AND i.status NOT IN ? GROUP BY l.layer_id`,
			part, []models.InstanceStatus{models.InstanceStopped, models.InstanceTerminated}).Scan(&rows).Error
		if err != nil {
			return nil, wrap(err, "count the machines of layers")
		}
		for _, r := range rows {
			sizes[r.LayerID] = r.N
		}
	}
	return sizes, nil
}
