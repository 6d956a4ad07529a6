package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"opsyard/models"
)

// What follows is marked on charts: what people and rules did in a time.

// Asked reads the newest deployments of a stack that somebody asked for within
// [from, to), oldest first. Those that the lifecycle made by itself are left out.
func (s Deployments) Asked(ctx context.Context, stack models.StackID, from, to time.Time, limit int) ([]models.Deployment, error) {
	return oldestFirst[models.Deployment](s.r(ctx).Where("stack_id = ? AND created_at >= ? AND created_at < ? AND cause LIKE ?",
		stack, stamp(from), stamp(to), causeLike(models.CauseUser)).Order("created_at DESC, number DESC").Limit(limit), "list deployments of stack %s", stack)
}

// Caused reads the newest events of a stack's instances within [from, to) that
// have a cause of one of the kinds, oldest first. It looks at no event before
// from.
func (s Events) Caused(ctx context.Context, stack models.StackID, from, to time.Time, limit int, kinds ...models.CauseKind) ([]models.StackEvent, error) {
	var before int64 // the id of the last event that is too old: ids grow with time
	err := s.r(ctx).Raw("SELECT COALESCE((SELECT id FROM stack_events WHERE stack_id = ? AND at < ? ORDER BY id DESC LIMIT 1), 0)", stack, stamp(from)).Scan(&before).Error
	if err != nil {
		return nil, wrap(err, "read the timeline of stack %s", stack)
	}
	like := s.r(ctx).Where("1 = 0")
	for _, k := range kinds {
		like = like.Or("cause LIKE ?", causeLike(k))
	}
	return oldestFirst[models.StackEvent](s.r(ctx).Where("stack_id = ? AND id > ? AND at < ? AND instance_id <> ''", stack, before, stamp(to)).
		Where(like).Order("id DESC").Limit(limit), "read the timeline of stack %s", stack)
}

// causeLike finds a kind in the JSON of a cause, which begins with it.
func causeLike(k models.CauseKind) string { return `{"kind":"` + string(k) + `"%` }

// oldestFirst is find for the newest rows, turned round.
func oldestFirst[T any](db *gorm.DB, what string, args ...any) ([]T, error) {
	list, err := find[T](db, what, args...)
	slices.Reverse(list)
	return list, err
}
