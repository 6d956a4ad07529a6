package engine

import (
	"context"
	"crypto/rand"
	"time"

	"opsyard/models"
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
	token, err := e.newEnrollToken(ctx, models.EnrollToken{StackID: s.ID, LayerID: layer, CreatedBy: models.ActorFrom(ctx).Name}, ttl)
	if err != nil {
		return "", err
	}
	err = e.tx(ctx, func(t *tx) error {
		return t.audit(ctx, "CreateEnrollToken", onStack(s), nil, given, models.Cause{})
	})
	return token, err
}

func (e *Engine) newEnrollToken(ctx context.Context, row models.EnrollToken, ttl time.Duration) (string, error) {
	token := "oye_" + rand.Text()
	row.Hash, row.CreatedAt, row.ExpiresAt = hashOf(token), e.Clock(), e.Clock().Add(ttl)
	return token, e.store.EnrollTokens.Create(ctx, &row)
}
