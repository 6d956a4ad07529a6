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
	return find[models.Intent](s.r(ctx).Where("instance_id = ? AND state = ?", id, models.IntentOpen).Order("created_at, id"), "list open intents of instance %s", id)
}

// OfInstance reads the newest intents of an instance.
func (s Intents) OfInstance(ctx context.Context, id models.InstanceID, limit int) ([]models.Intent, error) {
	return find[models.Intent](s.r(ctx).Where("instance_id = ?", id).Order("created_at DESC, id DESC").Limit(limit), "list intents of instance %s", id)
}

// CountSince counts how often an author has moved an instance to the same end
// since a time.
func (s Intents) CountSince(ctx context.Context, n *models.Intent, since time.Time) (int, error) {
	var count int64
	err := s.r(ctx).Model(&models.Intent{}).Where("instance_id = ? AND author = ? AND want = ? AND acted_at >= ?",
		n.InstanceID, n.Author, n.Want, stamp(since)).Count(&count).Error
	return int(count), wrap(err, "count intents of instance %s", n.InstanceID)
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

// Pause holds an author's intents of an instance, in place of a pause that has
// ended.
func (s Intents) Pause(ctx context.Context, p *models.IntentPause) error {
	p.At, p.Reason = stamp(p.At), clip(p.Reason, maxText)
	return wrap(s.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(p).Error, "pause the intents of instance %s", p.InstanceID)
}

// Resume ends a pause and tells whether there was one.
func (s Intents) Resume(ctx context.Context, id models.InstanceID, author models.IntentAuthor, at time.Time) (bool, error) {
	result := s.w(ctx).Exec("UPDATE intent_pauses SET ended_at = ? WHERE instance_id = ? AND author = ? AND ended_at IS NULL", stamp(at), id, author)
	return result.RowsAffected > 0, wrap(result.Error, "resume the intents of instance %s", id)
}

// LastPause reads an author's pause, ended or not; nil when there was none.
func (s Intents) LastPause(ctx context.Context, id models.InstanceID, author models.IntentAuthor) (*models.IntentPause, error) {
	list, err := find[models.IntentPause](s.r(ctx).Where("instance_id = ? AND author = ?", id, author), "read the pause of instance %s", id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// Pauses reads all pauses that hold.
func (s Intents) Pauses(ctx context.Context) ([]models.IntentPause, error) {
	return find[models.IntentPause](s.r(ctx).Where("ended_at IS NULL").Order("instance_id, author"), "list pauses")
}

// PausesOf reads the pauses that hold of an instance.
func (s Intents) PausesOf(ctx context.Context, id models.InstanceID) ([]models.IntentPause, error) {
	return find[models.IntentPause](s.r(ctx).Where("instance_id = ? AND ended_at IS NULL", id).Order("author"), "list pauses of instance %s", id)
}
