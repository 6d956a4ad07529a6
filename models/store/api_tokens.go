package store

import (
	"context"
	"time"

	"opsyard/models"
)

// Tokens keeps models.Token.
type Tokens struct{ *handle }

const kindToken = "token"

// Get reads one token.
func (s Tokens) Get(ctx context.Context, id models.TokenID) (*models.Token, error) {
	return get[models.Token](s.r(ctx), kindToken, id)
}

// ByHash reads the token whose text has a hash; whether it has expired is for
// the caller to see.
func (s Tokens) ByHash(ctx context.Context, hash string) (*models.Token, error) {
	return rememberRow(ctx, s.handle, question{what: kindToken, id: hash}, func() (*models.Token, error) {
		var row models.Token
		if err := s.r(ctx).Where("hash = ?", hash).Take(&row).Error; err != nil {
			return nil, found(err, kindToken, "given")
		}
		return &row, nil
	})
}

// OfUser reads a user's tokens, oldest first.
func (s Tokens) OfUser(ctx context.Context, id models.UserID) ([]models.Token, error) {
	return find[models.Token](s.r(ctx).Where("user_id = ?", id).Order("created_at, id"), "list tokens of user %s", id)
}

// Create stores a new token.
func (s Tokens) Create(ctx context.Context, t *models.Token) error {
	t.ExpiresAt = stamp(t.ExpiresAt)
	return wrap(s.w(ctx).Create(t).Error, "create token %s", t.ID)
}

// Used notes when a token was last used.
func (s Tokens) Used(ctx context.Context, id models.TokenID, at time.Time) error {
	return wrap(s.w(ctx).Exec("UPDATE tokens SET last_used = ? WHERE id = ?", stamp(at), id).Error, "note the use of token %s", id)
}

// Delete removes a token.
func (s Tokens) Delete(ctx context.Context, id models.TokenID) error {
	return affected(s.w(ctx).Exec("DELETE FROM tokens WHERE id = ?", id), "delete", kindToken, id)
}
