package engine

import (
	"context"
	"errors"

	"opsyard/models"
)

// takeBack moves on the lost instances whose agents are heard all the same. A
// line that never broke makes no agent call anew, and one server may have noted
// a loss while another one heard the agent all the time.
func (e *Engine) takeBack(ctx context.Context, lost []models.Instance) error {
	var errs []error
	for n := range lost {
		if e.heardSince(&lost[n]) {
			errs = append(errs, e.moveBack(ctx, lost[n].ID))
		}
	}
	return errors.Join(errs...)
}

// heardSince tells whether the agent goes on calling after the loss: what
// arrives in its first moments may have been on its way before.
func (e *Engine) heardSince(i *models.Instance) bool {
	return i.Status == models.InstanceConnectionLost && deref(i.AgentSeenAt).Sub(i.StatusSince) > e.times.Offline
}

func (e *Engine) moveBack(ctx context.Context, id models.InstanceID) error {
	err := e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil || !e.heardSince(i) {
			return err
		}
		return t.welcome(ctx, i)
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}
