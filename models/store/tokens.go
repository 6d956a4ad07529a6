package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// EnrollTokens keeps models.EnrollToken by hash.
type EnrollTokens struct{ *handle }

// Get reads one token; whether it is used or expired is for the caller to see.
func (s EnrollTokens) Get(ctx context.Context, hash string) (*models.EnrollToken, error) {
	var t models.EnrollToken
	if err := s.r(ctx).Where("hash = ?", hash).Take(&t).Error; err != nil {
		return nil, found(err, "enrolment token", "given")
	}
	return &t, nil
}

// Create stores a new token.
func (s EnrollTokens) Create(ctx context.Context, t *models.EnrollToken) error {
	return wrap(s.w(ctx).Create(t).Error, "create enrolment token")
}

// Use spends a token, once: the second use is a Conflict. The instance and the
// key are kept, so that the same agent's repeat can be answered alike.
func (s EnrollTokens) Use(ctx context.Context, hash string, instance models.InstanceID, key []byte, at time.Time) error {
	result := s.w(ctx).Exec(`UPDATE enroll_tokens SET used_at = ?, used_key = ?, instance_id = ?
		WHERE hash = ? AND used_at IS NULL AND expires_at > ?`, stamp(at), key, instance, hash, stamp(at))
	if result.Error == nil && result.RowsAffected == 0 {
		return models.Conflict("The enrolment token has been used or has expired.")
	}
	return wrap(result.Error, "use enrolment token")
}

// DeleteExpired removes tokens that expired before a time, used or not.
func (s EnrollTokens) DeleteExpired(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM enroll_tokens WHERE expires_at <= ?", stamp(before)).Error, "remove expired enrolment tokens")
}

// SetupTokens keeps the one-time address of the first-run page.
type SetupTokens struct{ *handle }

// Replace stores a token in place of all others: only the address printed last
// works.
func (s SetupTokens) Replace(ctx context.Context, t *models.SetupToken) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM setup_tokens").Error; err != nil {
			return wrap(err, "remove setup tokens")
		}
		return wrap(h.w(ctx).Create(t).Error, "create setup token")
	})
}

// Get reads a token.
func (s SetupTokens) Get(ctx context.Context, hash string) (*models.SetupToken, error) {
	var t models.SetupToken
	if err := s.r(ctx).Where("hash = ?", hash).Take(&t).Error; err != nil {
		return nil, found(err, "setup token", "given")
	}
	return &t, nil
}

// Use spends a token; a second use is NotFound.
func (s SetupTokens) Use(ctx context.Context, hash string) error {
	return affected(s.w(ctx).Exec("DELETE FROM setup_tokens WHERE hash = ?", hash), "use", "setup token", "given")
}

// Contents keeps models.Content by digest.
type Contents struct{ *handle }

// Put stores a document; the same digest again only makes it young again, so
// that Prune keeps what is in use.
func (s Contents) Put(ctx context.Context, c *models.Content) error {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.clock()
	}
	result := s.w(ctx).Exec("UPDATE contents SET created_at = ? WHERE digest = ?", stamp(c.CreatedAt), c.Digest)
	if result.Error != nil || result.RowsAffected > 0 {
		return wrap(result.Error, "store content %s", c.Digest)
	}
	err := s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(c).Error
	return wrap(err, "store content %s", c.Digest)
}

// Get reads a document.
func (s Contents) Get(ctx context.Context, digest string) (*models.Content, error) {
	var c models.Content
	if err := s.r(ctx).Where("digest = ?", digest).Take(&c).Error; err != nil {
		return nil, found(err, "content", digest)
	}
	return &c, nil
}

// Prune removes documents last put before a time.
func (s Contents) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM contents WHERE created_at < ?", stamp(before)).Error, "remove old contents")
}

// Touch makes a document count as new.
func (s Contents) Touch(ctx context.Context, digest string, at time.Time) error {
	err := s.w(ctx).Exec("UPDATE contents SET created_at = ? WHERE digest = ?", stamp(at), digest).Error
	return wrap(err, "keep content %s", digest)
}
