package engine

import (
	"context"
	"errors"
	"time"

	"opsyard/models"
)

// call is what this server noticed of the agent of a lost instance, by its own
// clock: when an agent was heard is written by whichever server hears it, whose
// clock may be another.
type call struct {
	lostAt time.Time // which loss it is about
	heard  time.Time // what was written when it was looked at last
	began  time.Time // when it was looked at first
	at     time.Time // when what was written had changed, zero: never
}

// hear notes which lost instances' agents call all the same.
func (h *healer) hear(lost []models.Instance, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := make(map[models.InstanceID]call, len(lost))
	for n := range lost {
		i := &lost[n]
		c, known := h.calls[i.ID]
		heard := deref(i.AgentSeenAt)
		switch {
		case !known || !c.lostAt.Equal(i.StatusSince):
			c = call{lostAt: i.StatusSince, heard: heard, began: now}
		case !c.heard.Equal(heard):
			c.heard, c.at = heard, now
		}
		calls[i.ID] = c
	}
	h.calls = calls
}

// goesOn tells whether the agent of a lost instance still calls after a while:
// what arrives in the first moments may have been on its way before.
func (h *healer) goesOn(i *models.Instance, while time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.calls[i.ID]
	return c.lostAt.Equal(i.StatusSince) && c.at.Sub(c.began) > while
}

// takeBack moves on the lost instances whose agents go on calling. A line that
// never broke makes no agent call anew, and one server may have noted a loss
// while another one heard the agent all the time.
func (e *Engine) takeBack(ctx context.Context, lost []models.Instance) error {
	var errs []error
	for n := range lost {
		if e.healer.goesOn(&lost[n], e.times.Offline) {
			errs = append(errs, e.moveBack(ctx, lost[n].ID))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) moveBack(ctx context.Context, id models.InstanceID) error {
	err := e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil || i.Status != models.InstanceConnectionLost || !e.healer.goesOn(i, e.times.Offline) {
			return err
		}
		return t.welcome(ctx, i)
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}
