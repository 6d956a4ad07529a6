package store

import (
	"context"
	"time"

	"opsyard/models"
)

// Shells keeps models.ShellSession and models.ShellChunk.
type Shells struct{ *handle }

const kindShell = "shell session"

// Get reads one shell.
func (s Shells) Get(ctx context.Context, id models.ShellID) (*models.ShellSession, error) {
	return get[models.ShellSession](s.r(ctx), kindShell, id)
}

// GetForUpdate reads one shell and keeps other transactions from changing it.
func (s Shells) GetForUpdate(ctx context.Context, id models.ShellID) (*models.ShellSession, error) {
	return get[models.ShellSession](forUpdate(s.w(ctx)), kindShell, id)
}

// Create stores a new shell.
func (s Shells) Create(ctx context.Context, n *models.ShellSession) error {
	n.StartedAt, n.SeenAt = stamp(n.StartedAt), stamp(n.SeenAt)
	return wrap(s.w(ctx).Create(n).Error, "create shell session %s", n.ID)
}

// OpenOf counts the shells of a user on an instance that have not ended.
func (s Shells) OpenOf(ctx context.Context, instance models.InstanceID, user models.UserID) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.ShellSession{}).Where("instance_id = ? AND user_id = ? AND ended_at IS NULL", instance, user).Count(&n).Error
	return int(n), wrap(err, "count shells on instance %s", instance)
}

// OfInstance reads the newest shells on an instance; those of one user only,
// when one is named.
func (s Shells) OfInstance(ctx context.Context, id models.InstanceID, user models.UserID, limit int) ([]models.ShellSession, error) {
	query := s.r(ctx).Where("instance_id = ?", id)
	if user != "" {
		query = query.Where("user_id = ?", user)
	}
	return find[models.ShellSession](query.Order("started_at DESC, id DESC").Limit(limit), "list shells on instance %s", id)
}

// Append stores a piece of a recording, and how far the shell has come.
func (s Shells) Append(ctx context.Context, c models.ShellChunk, shown int64, at time.Time) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Create(&c).Error; err != nil {
			return wrap(err, "store the recording of shell %s", c.ShellID)
		}
		return affected(h.w(ctx).Exec("UPDATE shell_sessions SET bytes = bytes + ?, shown = ?, seen_at = ? WHERE id = ? AND ended_at IS NULL",
			c.Bytes, shown, stamp(at), c.ShellID), "record", kindShell, c.ShellID)
	})
}

// Seen notes that a shell lives which shows nothing.
func (s Shells) Seen(ctx context.Context, id models.ShellID, at time.Time) error {
	return affected(s.w(ctx).Exec("UPDATE shell_sessions SET seen_at = ? WHERE id = ? AND ended_at IS NULL", stamp(at), id), "note the life of", kindShell, id)
}

// End closes a shell and tells whether it was open.
func (s Shells) End(ctx context.Context, id models.ShellID, why string, shown int64, at time.Time) (bool, error) {
	result := s.w(ctx).Exec("UPDATE shell_sessions SET ended_at = ?, seen_at = ?, why = ?, shown = ? WHERE id = ? AND ended_at IS NULL",
		stamp(at), stamp(at), clip(why, 255), shown, id)
	return result.RowsAffected > 0, wrap(result.Error, "end shell %s", id)
}

// Chunks reads some pieces of a recording after one, in order.
func (s Shells) Chunks(ctx context.Context, id models.ShellID, after, limit int) ([]models.ShellChunk, error) {
	return find[models.ShellChunk](s.r(ctx).Where("shell_id = ? AND seq > ?", id, after).Order("seq").Limit(limit), "read the recording of shell %s", id)
}

// Missed reads the open shells of which nothing was heard since a time.
func (s Shells) Missed(ctx context.Context, since time.Time) ([]models.ShellSession, error) {
	return find[models.ShellSession](s.r(ctx).Where("ended_at IS NULL AND seen_at < ?", stamp(since)), "list shells whose server is gone")
}

// prunedAtOnce bounds what one transaction removes.
const prunedAtOnce = 50

// Prune removes shells that ended before a time, a few at a time, and tells
// whether there may be more.
func (s Shells) Prune(ctx context.Context, before time.Time) (more bool, err error) {
	var ids []models.ShellID
	err = s.r(ctx).Model(&models.ShellSession{}).Where("ended_at < ?", stamp(before)).Order("started_at").Limit(prunedAtOnce).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return false, wrap(err, "list old shells")
	}
	err = s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM shell_chunks WHERE shell_id IN ?", ids).Error; err != nil {
			return wrap(err, "remove old recordings")
		}
		return wrap(h.w(ctx).Exec("DELETE FROM shell_sessions WHERE id IN ?", ids).Error, "remove old shells")
	})
	return len(ids) == prunedAtOnce, err
}
