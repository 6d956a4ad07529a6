package store

import (
	"context"
	"slices"
	"time"

	"opsyard/models"
)

// Events keeps the timelines of stacks.
type Events struct{ *handle }

// Append adds an event and fills in its ID.
func (s Events) Append(ctx context.Context, e *models.StackEvent) error {
	if e.At.IsZero() {
		e.At = s.clock()
	}
	e.At, e.Text = stamp(e.At), clip(e.Text, maxText)
	return wrap(s.w(ctx).Create(e).Error, "add to the timeline of stack %s", e.StackID)
}

// InStack reads the newest events of a stack with an id above since, in order.
func (s Events) InStack(ctx context.Context, stack models.StackID, since int64, limit int) ([]models.StackEvent, error) {
	return s.newest(ctx, "stack_id", string(stack), since, limit)
}

// OfInstance reads the newest events of an instance with an id above since, in
// order.
func (s Events) OfInstance(ctx context.Context, id models.InstanceID, since int64, limit int) ([]models.StackEvent, error) {
	return s.newest(ctx, "instance_id", string(id), since, limit)
}

func (s Events) newest(ctx context.Context, column, id string, since int64, limit int) ([]models.StackEvent, error) {
	list, err := find[models.StackEvent](s.r(ctx).Where(column+" = ? AND id > ?", id, since).Order("id DESC").Limit(limit), "read the timeline of %s", id)
	slices.Reverse(list)
	return list, err
}

// Newest is the id of the newest event of an instance; 0 when it has none.
func (s Events) Newest(ctx context.Context, id models.InstanceID) (int64, error) {
	var newest int64
	err := s.r(ctx).Model(&models.StackEvent{}).Where("instance_id = ? AND kind = 'instance'", id).Select("COALESCE(MAX(id), 0)").Scan(&newest).Error
	return newest, wrap(err, "read the timeline of %s", id)
}

// CountSince counts the entries of an instance with the same text since a time.
func (s Events) CountSince(ctx context.Context, id models.InstanceID, text string, since time.Time) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.StackEvent{}).Where("instance_id = ? AND text = ? AND at >= ?", id, text, stamp(since)).Count(&n).Error
	return int(n), wrap(err, "count in the timeline of %s", id)
}

// ServiceErrors keeps models.ServiceError.
type ServiceErrors struct{ *handle }

const kindServiceError = "service error"

// Create stores a new service error.
func (s ServiceErrors) Create(ctx context.Context, e *models.ServiceError) error {
	e.Message = clip(e.Message, maxText)
	return wrap(s.w(ctx).Create(e).Error, "store service error")
}

// InStack reads a stack's service errors, newest first.
func (s ServiceErrors) InStack(ctx context.Context, id models.StackID) ([]models.ServiceError, error) {
	return find[models.ServiceError](s.r(ctx).Where("stack_id = ?", id).Order("created_at DESC, id"), "list service errors of stack %s", id)
}

// OfInstance reads an instance's service errors, newest first.
func (s ServiceErrors) OfInstance(ctx context.Context, id models.InstanceID) ([]models.ServiceError, error) {
	return find[models.ServiceError](s.r(ctx).Where("instance_id = ?", id).Order("created_at DESC, id"), "list service errors of instance %s", id)
}

// ByIDs reads service errors in the order of ids; a missing one is a NotFound.
func (s ServiceErrors) ByIDs(ctx context.Context, ids []models.ServiceErrorID) ([]models.ServiceError, error) {
	return byIDs(s.r(ctx), kindServiceError, ids, func(e *models.ServiceError) models.ServiceErrorID { return e.ID })
}
