package engine

import (
	"context"
	"fmt"
	"time"

	"opsyard/models"
)

// endHealings closes the entries of what has come to an end: of instances that
// are not lost any more, and of heals that have brought theirs up or not.
func (e *Engine) endHealings(ctx context.Context, open []models.Healing, lost []models.Instance) error {
	since := map[models.InstanceID]time.Time{}
	for _, i := range lost {
		since[i.ID] = i.StatusSince
	}
	e.healer.forget(since)
	var over []models.Healing
	var ids []models.InstanceID
	for _, h := range open {
		if at, still := since[h.InstanceID]; !still || !at.Equal(h.LostAt) || h.Decision == models.DecisionHeal {
			over, ids = append(over, h), append(ids, h.InstanceID)
		}
	}
	if len(over) == 0 {
		return nil
	}
	rows, err := e.store.Instances.Some(ctx, ids)
	if err != nil {
		return err
	}
	now := map[models.InstanceID]*models.Instance{}
	for n := range rows {
		now[rows[n].ID] = &rows[n]
	}
	for _, h := range over {
		if err := e.endHealing(ctx, &h, now[h.InstanceID]); err != nil {
			return err
		}
	}
	return nil
}

// forget drops the evidence about instances that are not lost any more.
func (h *healer) forget(lost map[models.InstanceID]time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.evidence {
		if _, still := lost[id]; !still {
			delete(h.evidence, id)
		}
	}
}

func (e *Engine) endHealing(ctx context.Context, h *models.Healing, i *models.Instance) error {
	outcome, err := e.outcome(ctx, h, i)
	if err != nil || outcome == "" {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if i != nil {
			t.tellInstance(i.StackID, i.ID)
		}
		if h.Decision == models.DecisionWait {
			return t.Healings.Drop(ctx, h.ID)
		}
		return t.Healings.End(ctx, outcome, e.Clock(), h.ID)
	})
}

// outcome is how an entry ends; empty while it goes on.
func (e *Engine) outcome(ctx context.Context, h *models.Healing, i *models.Instance) (string, error) {
	if i == nil {
		return "The instance was deleted.", nil
	}
	if h.Decision == models.DecisionHeal {
		return e.healed(ctx, h, i)
	}
	switch i.Status {
	case models.InstanceStopping, models.InstanceTerminating, models.InstanceShuttingDown, models.InstanceStopped, models.InstanceTerminated, models.InstanceRequested, models.InstancePending:
		return fmt.Sprintf("%s was stopped.", i.Hostname), nil
	case models.InstanceConnectionLost:
		return "Its agent was back for a while.", nil
	case models.InstanceRebooting:
		return fmt.Sprintf("%s was rebooted.", i.Hostname), nil
	case models.InstanceDeregistering:
		return fmt.Sprintf("%s was deregistered.", i.Hostname), nil
	}
	return "Its agent is back.", nil
}

// healed is how a heal ended. One that is still under way has an open intent,
// or an instance in motion.
func (e *Engine) healed(ctx context.Context, h *models.Healing, i *models.Instance) (string, error) {
	took := span(e.Clock().Sub(h.At))
	switch i.Status {
	case models.InstanceOnline:
		return fmt.Sprintf("It was online again after %s.", took), nil
	case models.InstanceSetupFailed:
		return fmt.Sprintf("Its agent was back after %s, but Setup failed.", took), nil
	case models.InstanceStartFailed, models.InstanceStopFailed:
		return i.StatusReason, nil
	case models.InstanceStopped, models.InstanceConnectionLost:
	default:
		return "", nil
	}
	wishes, err := e.store.Intents.OfInstance(ctx, i.ID, 10)
	if err != nil {
		return "", err
	}
	for _, w := range wishes {
		if w.Author != models.ByHealing || w.CreatedAt.Before(h.At) {
			continue
		}
		if w.State == models.IntentOpen {
			return "", nil
		}
		return w.Outcome, nil
	}
	if i.Status == models.InstanceConnectionLost {
		return "It was lost again.", nil
	}
	return "It was stopped.", nil
}

// span writes a duration for people: "41 s", "3 min", "3 min 20 s".
func span(d time.Duration) string {
	minutes, seconds := int(d.Round(time.Second)/time.Minute), int(d.Round(time.Second)%time.Minute/time.Second)
	switch {
	case minutes <= 0:
		return fmt.Sprintf("%d s", max(seconds, 0))
	case seconds == 0 || minutes >= 10:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d min %d s", minutes, seconds)
}
