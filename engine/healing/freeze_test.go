package healing

import (
	"testing"
	"time"

	"opsyard/models"
)

// What vanished together stays frozen, and so does what follows soon; a machine
// that dies hours later is no part of it.
func TestFreezeEndsForOthers(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)
	rules := Rules{}.WithDefaults()
	lost := func(id models.InstanceID, layer models.LayerID, after time.Duration, registered bool) Instance {
		return Instance{
			ID: id, Stack: "s", Layers: []models.LayerID{layer}, Registered: registered, HeardAt: evening.Add(after), LostAt: evening.Add(after + 5*time.Minute),
		}
	}
	fleet := Fleet{
		Since: evening.Add(-time.Hour), Agents: map[models.StackID]int{"s": 10},
		Layers: map[models.LayerID]Layer{"lab": {Name: "Lab", Mode: models.HealingHeal, Size: 6}, "web": {Name: "Web", Mode: models.HealingHeal, Size: 5}},
		Lost: []Instance{
			lost("lab1", "lab", 0, true), lost("lab2", "lab", time.Second, true), lost("lab3", "lab", time.Minute, true), lost("lab4", "lab", 2*time.Minute, false),
			lost("soon", "web", 62*time.Minute, false), lost("late", "web", 63*time.Minute, false),
		},
	}
	now := evening.Add(70 * time.Minute)
	for n := range fleet.Lost {
		fleet.Lost[n].Evidence = &models.HealingEvidence{At: now, Machine: "stopped"}
	}
	want := map[models.InstanceID]models.HealingDecision{
		"lab1": models.DecisionOff, "lab2": models.DecisionOff, "lab3": models.DecisionOff,
		"lab4": models.DecisionFrozen, "soon": models.DecisionFrozen, "late": models.DecisionHeal,
	}
	for _, v := range rules.Decide(now, fleet) {
		if v.Decision != want[v.ID] {
			t.Errorf("%s: %s, want %s: %s", v.ID, v.Decision, want[v.ID], v.Sentence)
		}
	}
	if why := rules.Freezes(now, fleet)["s"].Why; why == "" {
		t.Error("the stack does not say that a machine of it is frozen")
	}
	fleet.Lost = fleet.Lost[:3] // hosts that nobody heals anyway
	if why := rules.Freezes(now, fleet)["s"].Why; why != "" {
		t.Errorf("the stack counts as frozen: %s", why)
	}
}
