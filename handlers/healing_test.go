package handlers

import (
	"context"
	"net/http"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/engine/healing"
	"opsyard/models"
	"opsyard/views"
)

// fakeHealing is how healing stands in every stack of the fake engine.
type fakeHealing struct {
	state  engine.HealingState
	lifted int
}

func (f *fakeEngine) HealingState(ctx context.Context, id models.StackID) (*engine.HealingState, error) {
	_, err := f.Authorize(ctx, id, models.ActionShow)
	f.mu.Lock()
	defer f.mu.Unlock()
	state := f.healing.state
	return &state, err
}

func (f *fakeEngine) HealingRules() healing.Rules { return healing.Rules{}.WithDefaults() }

func (f *fakeEngine) LiftHealingFreeze(ctx context.Context, id models.StackID) error {
	_, err := f.Authorize(ctx, id, models.ActionManage)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healing.lifted++
	return err
}

func (f *fakeEngine) MarkHealingWrong(ctx context.Context, id models.HealingID) (*models.Healing, error) {
	h, err := f.store.Healings.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	_, err = f.store.Healings.Wrong(ctx, id, models.ActorFrom(ctx).Name, time.Now())
	return h, err
}

// makeHealings writes what became of lost instances: one that was healed, one
// whose machine lives, and one that is gone.
func (f *fleet) makeHealings() {
	lost, web := f.find("worker-7"), f.find("php-3")
	at := func(ago time.Duration) time.Time { return f.now.Add(-ago) }
	over := at(8 * time.Minute)
	f.healed = models.Healing{
		ID: models.NewID[models.HealingID](), StackID: f.stack.ID, InstanceID: web.ID, Hostname: web.Hostname, LayerIDs: web.LayerIDs,
		LostAt: at(12 * time.Minute), At: at(11 * time.Minute), EndedAt: &over, Decision: models.DecisionHeal, Outcome: "It was online again after 3m0s.",
		Sentence: "Its agent is silent, and its provider says that its machine is stopped (killed). It is stopped and started again, with its disk.",
		Evidence: models.HealingEvidence{At: at(11 * time.Minute), Machine: "stopped", Reason: "killed"},
	}
	f.must(f.store.Healings.Create(f.ctx, f.healed, models.Healing{
		ID: models.NewID[models.HealingID](), StackID: f.stack.ID, InstanceID: lost.ID, Hostname: lost.Hostname, LayerIDs: lost.LayerIDs,
		LostAt: lost.StatusSince, At: at(5 * time.Minute), Decision: models.DecisionAlive,
		Sentence: "Its agent is silent, but its machine lives: worker-3 reaches it (port 22 refuses). It is not restarted.",
		Evidence: models.HealingEvidence{At: at(20 * time.Second), Machine: "running", Probes: []models.HealingProbe{
			{Detail: "no answer within 3s"}, {From: "worker-3", Alive: true, Detail: "port 22 refuses"},
		}},
	}, models.Healing{
		ID: models.NewID[models.HealingID](), StackID: f.stack.ID, InstanceID: "gone", Hostname: "php-99", LostAt: at(30 * time.Hour), At: at(29 * time.Hour),
		EndedAt: &over, Decision: models.DecisionNotify, Sentence: "It was healed at 02:12:40 UTC, and its agent has not called since. It is not healed again before that.", Outcome: "The instance was deleted.",
	}))
}

func (f *fleet) find(hostname string) *models.Instance {
	for n := range f.instances {
		if f.instances[n].Hostname == hostname {
			return &f.instances[n]
		}
	}
	return &f.instances[0] // a small fleet
}

func TestHealingPage(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	page := views.HealingHref(f.stack.ID)
	ana.get(page).want(t, http.StatusOK, "1 instance under treatment", "machine lives", "worker-3", "reaches it: port 22 refuses", "It was online again after 3m0s.",
		"php-99", "This was wrong", "one instance is healed in 10 min", views.HealingModeText(models.HealingOff))
	lost := f.find("worker-7")
	ana.get(views.InstanceHref(lost.ID)).want(t, http.StatusOK, "Why is it connection_lost?", "It is not restarted.", "From this server")
	ana.get(views.InstanceHref(f.find("php-3").ID)).want(t, http.StatusOK, "Why is it online?", "Its Setup succeeded")

	ana.post("/healings/"+string(f.healed.ID)+"/wrong").wantLocation(t, page)
	ana.get(page).want(t, http.StatusOK, "ana said that this was wrong", "Noted.")
	c.engine.healing.state.Frozen = "4 of the 10 agents of the stack vanished together."
	ana.get(page).want(t, http.StatusOK, "Healing is frozen.", "4 of the 10 agents", "Lift it for an hour")
	ana.post(page+"/lift").wantLocation(t, page)
	c.engine.healing.state.Lift = &models.HealingLift{Until: f.now.Add(time.Hour), By: "ana"}
	ana.get(page).want(t, http.StatusOK, "Healing acts, in spite of a freeze.", "ana lifted it until")
	if c.engine.healing.lifted != 1 {
		t.Errorf("it was lifted %d times", c.engine.healing.lifted)
	}
}

func TestHealingMode(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana, layer := c.as("ana"), f.layers[1]
	page := views.LayerHref(f.stack.ID, layer.ID)
	ana.get(page+"?tab=settings").want(t, http.StatusOK, "Auto healing", `value="heal" selected`)
	general := []string{"Name", layer.Name, "ExecutionTimeout", "60", "HealingMode"}
	ana.post(page+"/settings", append(general, "sometimes")...).want(t, http.StatusUnprocessableEntity, "choose heal, notify or off")
	for _, mode := range models.HealingModes {
		ana.post(page+"/settings", append(general, string(mode))...).wantLocation(t, page+"?tab=settings")
		l, err := c.store.Layers.Get(t.Context(), layer.ID)
		if err != nil || l.HealingMode() != mode {
			t.Errorf("got %s, %v; want %s", l.HealingMode(), err, mode)
		}
	}
}
