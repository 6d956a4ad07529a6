package engine

import (
	"context"
	"crypto/rand"
	"strings"

	"opsyard/models"
)

// CreateToken makes a token with which a program acts for its user on the API,
// for oneself or, as an administrator, for anybody. Its text is told here and
// never again.
func (e *Engine) CreateToken(ctx context.Context, given models.Token) (*models.Token, string, error) {
	if err := e.onAccount(ctx, given.UserID, "CreateToken"); err != nil {
		return nil, "", err
	}
	secret := newTokenText()
	made := models.Token{
		ID: models.NewID[models.TokenID](), UserID: given.UserID, Name: given.Name, Scope: given.Scope,
		Hash: hashOf(secret), CreatedAt: e.Clock(), ExpiresAt: given.ExpiresAt,
	}
	made.Normalize()
	if err := made.Validate(e.Clock()); err != nil {
		return nil, "", err
	}
	if err := e.checkScope(ctx, made.Scope); err != nil {
		return nil, "", err
	}
	err := e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, made.UserID)
		if err != nil {
			return err
		}
		if err := t.Tokens.Create(ctx, &made); err != nil {
			return err
		}
		t.tell("user:"+string(u.ID), "token", string(made.ID))
		return t.audit(ctx, "CreateToken", onUser(u), nil, &made, models.Cause{})
	})
	if err != nil {
		return nil, "", err
	}
	return &made, secret, nil
}

// newTokenText has 160 bits of chance in 32 characters.
func newTokenText() string {
	text := rand.Text() + rand.Text()
	return models.TokenPrefix + text[:32]
}

// checkScope refuses stacks that the asker does not see: a typing mistake would
// make a token that never works.
func (e *Engine) checkScope(ctx context.Context, s models.Scope) error {
	for _, id := range s.Stacks {
		if _, err := e.Authorize(ctx, id, models.ActionShow); err != nil {
			return err
		}
	}
	return nil
}

// DeleteToken ends a token of one's own, or as an administrator of anybody; it
// is refused from the next request on.
func (e *Engine) DeleteToken(ctx context.Context, id models.TokenID) error {
	token, err := e.store.Tokens.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := e.onAccount(ctx, token.UserID, "DeleteToken"); err != nil {
		if models.CodeOf(err) == models.CodeForbidden {
			return models.NotFound("token", id) // whose it is, nobody else learns
		}
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, token.UserID)
		if err != nil {
			return err
		}
		if err := t.Tokens.Delete(ctx, id); err != nil {
			return err
		}
		t.tell("user:"+string(u.ID), "token", string(id))
		return t.audit(ctx, "DeleteToken", onUser(u), token, nil, models.Cause{})
	})
}

// TokenOf finds the token of a text that a program shows, while it lasts. To
// those who show another one, there is none.
func (e *Engine) TokenOf(ctx context.Context, text string) (*models.Token, error) {
	refused := &models.Error{Code: models.CodeUnauthenticated, Message: "The token is unknown, deleted or expired."}
	if !strings.HasPrefix(text, models.TokenPrefix) {
		return nil, refused
	}
	t, err := e.store.Tokens.ByHash(ctx, hashOf(text))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, refused
		}
		return nil, err
	}
	if !e.Clock().Before(t.ExpiresAt) {
		return nil, refused
	}
	return t, nil
}
