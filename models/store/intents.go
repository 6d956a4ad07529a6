package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// Intents keeps models.Intent and models.IntentPause.
type Intents struct{ *handle }

const kindIntent = "intent"

// Get reads one intent.
func (s Intents) Get(ctx context.Context, id models.IntentID) (*models.Intent, error) {
	return get[models.Intent](s.r(ctx), kindIntent, id)
}

// Create stores a new intent. A second open one of the same author and
// instance is a Conflict.
func (s Intents) Create(ctx context.Context, n *models.Intent) error {
	n.CreatedAt, n.Actor, n.Outcome = stamp(n.CreatedAt), clip(n.Actor, 128), clip(n.Outcome, maxText)
	return wrap(s.w(ctx).Create(n).Error, "create intent %s", n.ID)
}

// Open reads the open intents of all stacks, by instance, oldest first.
func (s Intents) Open(ctx context.Context) ([]models.Intent, error) {
	return find[models.Intent](s.r(ctx).Where("state = ?", models.IntentOpen).Order("instance_id, created_at, id"), "list open intents")
}

// OpenInStack reads the open intents of a stack's instances, oldest first.
func (s Intents) OpenInStack(ctx context.Context, stack models.StackID) ([]models.Intent, error) {
	return find[models.Intent](s.r(ctx).Where("stack_id = ? AND state = ?", stack, models.IntentOpen).Order("created_at, id"), "list open intents of stack %s", stack)
}

// OpenOf reads the open intents of an instance, oldest first. Whoever is to
// act on them has locked the instance.
func (s Intents) OpenOf(ctx context.Context, id models.InstanceID) ([]models.Intent, error) {
	return find[models.Intent](s.w(ctx).Where("instance_id = ? AND state = ?", id, models.IntentOpen).Order("created_at, id"), "list open intents of instance %s", id)
}

// OfInstance reads the newest intents of an instance.
func (s Intents) OfInstance(ctx context.Context, id models.InstanceID, limit int) ([]models.Intent, error) {
	return find[models.Intent](s.r(ctx).Where("instance_id = ?", id).Order("created_at DESC, id DESC").Limit(limit), "list intents of instance %s", id)
}

// CountSince counts what an author has wanted of an instance since a time.
func (s Intents) CountSince(ctx context.Context, id models.InstanceID, author models.IntentAuthor, since time.Time) (int, error) {
	var n int64
	err := s.w(ctx).Model(&models.Intent{}).Where("instance_id = ? AND author = ? AND created_at >= ?", id, author, stamp(since)).Count(&n).Error
	return int(n), wrap(err, "count intents of instance %s", id)
}

// End closes an open intent and tells whether it was open.
func (s Intents) End(ctx context.Context, id models.IntentID, state models.IntentState, outcome string, at time.Time) (bool, error) {
	result := s.w(ctx).Exec("UPDATE intents SET state = ?, outcome = ?, ended_at = ? WHERE id = ? AND state = ?",
		state, clip(outcome, maxText), stamp(at), id, models.IntentOpen)
	return result.RowsAffected > 0, wrap(result.Error, "end intent %s", id)
}

// Acted notes that the instance was moved for an intent.
func (s Intents) Acted(ctx context.Context, id models.IntentID, at time.Time) error {
	return wrap(s.w(ctx).Exec("UPDATE intents SET acted_at = ? WHERE id = ?", stamp(at), id).Error, "note what was done for intent %s", id)
}

// Stopped notes that a restart is half done.
func (s Intents) Stopped(ctx context.Context, id models.IntentID, at time.Time) error {
	return wrap(s.w(ctx).Exec("UPDATE intents SET stopped_at = ? WHERE id = ? AND stopped_at IS NULL", stamp(at), id).Error, "note the first half of intent %s", id)
}

// Prune removes intents that ended before a time.
func (s Intents) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM intents WHERE state <> ? AND ended_at < ?", models.IntentOpen, stamp(before)).Error, "remove old intents")
}

// Pause holds an author's intents of an instance; a pause that is there stays.
func (s Intents) Pause(ctx context.Context, p *models.IntentPause) error {
	p.At, p.Reason = stamp(p.At), clip(p.Reason, maxText)
	return wrap(s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(p).Error, "pause the intents of instance %s", p.InstanceID)
}

// Resume ends a pause and tells whether there was one.
func (s Intents) Resume(ctx context.Context, id models.InstanceID, author models.IntentAuthor) (bool, error) {
	result := s.w(ctx).Exec("DELETE FROM intent_pauses WHERE instance_id = ? AND author = ?", id, author)
	return result.RowsAffected > 0, wrap(result.Error, "resume the intents of instance %s", id)
}

// Pauses reads all pauses.
func (s Intents) Pauses(ctx context.Context) ([]models.IntentPause, error) {
	return find[models.IntentPause](s.r(ctx).Order("instance_id, author"), "list pauses")
}

// PausesOf reads the pauses of an instance.
func (s Intents) PausesOf(ctx context.Context, id models.InstanceID) ([]models.IntentPause, error) {
	return find[models.IntentPause](s.w(ctx).Where("instance_id = ?", id).Order("author"), "list pauses of instance %s", id)
}
