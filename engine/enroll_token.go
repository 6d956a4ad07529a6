package engine

import (
	"context"
	"crypto/rand"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// MaxTokenTTL bounds the life of an enrolment token.
const MaxTokenTTL = 24 * time.Hour

func checkTokenTTL(ttl time.Duration) error {
	if ttl <= 0 || ttl > MaxTokenTTL {
		return models.InvalidField("Ttl", "Time to live: must be more than nothing and at most %s.", MaxTokenTTL)
	}
	return nil
}

// CreateEnrollToken makes a one-time token with which a host becomes an
// instance of a layer, or without one a registered host that can be assigned
// to layers later.
func (e *Engine) CreateEnrollToken(ctx context.Context, stack models.StackID, layer models.LayerID, ttl time.Duration) (string, error) {
	s, err := e.Authorize(ctx, stack, "CreateEnrollToken")
	if err != nil {
		return "", err
	}
	return e.enrollToken(ctx, s, layer, ttl)
}

func (e *Engine) enrollToken(ctx context.Context, s *models.Stack, layer models.LayerID, ttl time.Duration) (string, error) {
	if err := checkTokenTTL(ttl); err != nil {
		return "", err
	}
	given := map[string]string{"Ttl": ttl.String()}
	if layer != "" {
		l, err := e.store.Layers.Get(ctx, layer)
		if err != nil {
			return "", err
		}
		if l.StackID != s.ID {
			return "", models.NotFound("layer", layer)
		}
		given["Layer"] = l.Name
	}
	row := models.EnrollToken{StackID: s.ID, LayerID: layer, CreatedBy: models.ActorFrom(ctx).Name}
	return e.auditedEnrollToken(ctx, row, ttl, onStack(s), given)
}

// auditedEnrollToken makes a token that somebody has asked for, together with
// its entry.
func (e *Engine) auditedEnrollToken(ctx context.Context, row models.EnrollToken, ttl time.Duration, on target, given map[string]string) (token string, err error) {
	err = e.tx(ctx, func(t *tx) error {
		if token, err = e.newEnrollToken(ctx, t.Store, row, ttl); err != nil {
			return err
		}
		return t.audit(ctx, "CreateEnrollToken", on, nil, given, models.Cause{})
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// newEnrollToken makes a token in a store that may be a transaction.
func (e *Engine) newEnrollToken(ctx context.Context, in *store.Store, row models.EnrollToken, ttl time.Duration) (string, error) {
	token := "oye_" + rand.Text()
	row.Hash, row.CreatedAt, row.ExpiresAt = hashOf(token), e.Clock(), e.Clock().Add(ttl)
	return token, in.EnrollTokens.Create(ctx, &row)
}
