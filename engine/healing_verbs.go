package engine

import (
	"context"
	"time"

	"opsyard/engine/healing"
	"opsyard/engine/service"
	"opsyard/models"
)

// liftFor is how long a person lets healing act in spite of a freeze.
const liftFor = time.Hour

// HealingState is how healing stands in a stack.
type HealingState struct {
	// Frozen says why nothing is healed, empty if healing acts.
	Frozen string
	// Lift is a person's word that it acts all the same, nil without one.
	Lift *models.HealingLift
}

// HealingState tells whether healing acts in a stack.
func (e *Engine) HealingState(ctx context.Context, id models.StackID) (*HealingState, error) {
	if _, err := e.Authorize(ctx, id, "DescribeHealing"); err != nil {
		return nil, err
	}
	now := e.Clock()
	lifts, err := e.store.Healings.Lifts(ctx, now)
	if err != nil {
		return nil, err
	}
	state := &HealingState{}
	if l, ok := lifts[id]; ok {
		state.Lift = &l
	}
	lost, err := e.store.Instances.LostSince(ctx)
	if err != nil || len(lost) == 0 {
		return state, err
	}
	fleet := healing.Fleet{Lifted: map[models.StackID]time.Time{}}
	for n := range lost {
		i := &lost[n]
		fleet.Lost = append(fleet.Lost, healing.Instance{ID: i.ID, Stack: i.StackID, Registered: i.Registered() || i.InfrastructureClass == models.InfrastructureOnPremises, LostAt: i.StatusSince, HeardAt: deref(i.AgentSeenAt)})
	}
	if err := e.roundabout(ctx, &fleet, now); err != nil {
		return nil, err
	}
	state.Frozen = e.times.Healing.Freezes(now, fleet)[id].Why
	return state, nil
}

// HealingRules are the bounds of healing, for pages that explain it.
func (e *Engine) HealingRules() healing.Rules { return e.times.Healing }

// LiftHealingFreeze lets a stack's healing act for an hour although many agents
// are gone: a person has seen that the machines are, too.
func (e *Engine) LiftHealingFreeze(ctx context.Context, id models.StackID) error {
	stack, err := e.Authorize(ctx, id, "LiftHealingFreeze")
	if err != nil {
		return err
	}
	lift := models.HealingLift{StackID: id, Until: e.Clock().Add(liftFor), By: models.ActorFrom(ctx).Name}
	err = e.tx(ctx, func(t *tx) error {
		if err := t.Healings.Lift(ctx, &lift); err != nil {
			return err
		}
		t.tellStack(id)
		err := t.event(ctx, models.StackEvent{StackID: id, Kind: "change", Tone: "warn", Text: "The freeze of auto healing is lifted for an hour", Cause: byWhom(ctx, "")})
		if err != nil {
			return err
		}
		return t.audit(ctx, "LiftHealingFreeze", onStack(stack), nil, map[string]any{"Until": lift.Until}, models.Cause{})
	})
	service.Nudge(e.healer.nudge)
	return err
}

// MarkHealingWrong notes that a heal hit a machine that was healthy. For a day
// the layers of the instance wait twice as long between heals.
func (e *Engine) MarkHealingWrong(ctx context.Context, id models.HealingID) (*models.Healing, error) {
	h, err := e.store.Healings.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := e.Authorize(ctx, h.StackID, "MarkHealingWrong"); err != nil {
		return nil, hide(err, "healing", id)
	}
	if h.Decision != models.DecisionHeal {
		return nil, models.Invalid("%s was not healed then, so nothing was done that could be wrong.", h.Hostname)
	}
	return h, e.tx(ctx, func(t *tx) error {
		marked, err := t.Healings.Wrong(ctx, id, models.ActorFrom(ctx).Name, e.Clock())
		if err != nil || !marked {
			return err
		}
		t.tellStack(h.StackID)
		on := target{"instance", string(h.InstanceID), h.Hostname, h.StackID}
		return t.audit(ctx, "MarkHealingWrong", on, nil, map[string]any{"Healing": id, "At": h.At, "Decision": h.Sentence}, models.Cause{})
	})
}
