package engine

import (
	"context"
	"crypto/rand"

	"opsyard/models"
)

// AccessKeys lists the asker's own keys for API clients, oldest first and
// without their secrets.
func (e *Engine) AccessKeys(ctx context.Context) ([]models.AccessKey, error) {
	keys, err := e.store.AccessKeys.OfUser(ctx, models.ActorFrom(ctx).UserID)
	for n := range keys {
		keys[n].Secret = ""
	}
	return keys, err
}

// CreateAccessKey makes a key pair for API clients, which sign and cannot use
// tokens: for oneself or, as an administrator, for anybody, with a scope and an
// end if they are given. The secret is shown here and never again.
func (e *Engine) CreateAccessKey(ctx context.Context, given models.AccessKey) (*models.AccessKey, error) {
	id := given.UserID
	if err := e.onAccount(ctx, id, "CreateAccessKey"); err != nil {
		return nil, err
	}
	if err := given.CheckLimits(e.Clock()); err != nil {
		return nil, err
	}
	if err := e.checkScope(ctx, given.Scope); err != nil {
		return nil, err
	}
	key := models.AccessKey{
		ID: "AKIA" + rand.Text()[:16], UserID: id, Secret: rand.Text() + rand.Text()[:14],
		Scope: given.Scope, CreatedAt: e.Clock(), ExpiresAt: given.ExpiresAt,
	}
	err := e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := t.AccessKeys.Create(ctx, &key); err != nil {
			return err
		}
		t.tell("user:"+string(id), "access_key", key.ID)
		return t.audit(ctx, "CreateAccessKey", onUser(u), nil, map[string]any{"AccessKeyId": key.ID, "Scope": key.Scope, "ExpiresAt": key.ExpiresAt}, models.Cause{})
	})
	return &key, err
}

// DeleteAccessKey ends a key of one's own, or as an administrator of anybody;
// requests that it signs are refused from now on.
func (e *Engine) DeleteAccessKey(ctx context.Context, id string) error {
	key, err := e.store.AccessKeys.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := e.onAccount(ctx, key.UserID, "DeleteAccessKey"); err != nil {
		if models.CodeOf(err) == models.CodeForbidden {
			return models.NotFound("access key", id) // whose it is, nobody else learns
		}
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, key.UserID)
		if err != nil {
			return err
		}
		if err := t.AccessKeys.Delete(ctx, id); err != nil {
			return err
		}
		t.tell("user:"+string(key.UserID), "access_key", id)
		return t.audit(ctx, "DeleteAccessKey", onUser(u), map[string]string{"AccessKeyId": id}, nil, models.Cause{})
	})
}
