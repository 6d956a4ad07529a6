package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// HealingPage is the page of a stack's healing: how it stands, and its history.
type HealingPage struct {
	Frame StackFrame
	Now   time.Time
	// Frozen says why nothing is healed; Lift is a person's word against it.
	Frozen string
	Lift   *models.HealingLift
	Layers []models.Layer
	Rows   []HealingRow
	Pager  Pager
	Limits string // what may be healed at a time, as a sentence
}

// HealingRow is an entry of the history; Gone when its instance was deleted.
type HealingRow struct {
	models.Healing
	Gone bool
}

// HealingHref is the page of a stack's healing.
func HealingHref(id models.StackID) string { return StackHref(id) + "/healing" }

func (p HealingPage) lead() (string, string) {
	open := 0
	for _, r := range p.Rows {
		if r.Open() {
			open++
		}
	}
	switch {
	case p.Frozen != "" && p.Lift == nil:
		return "Healing is frozen.", "Lost instances are shown, and nothing is restarted."
	case p.Frozen != "":
		return "Healing acts, in spite of a freeze.", p.Lift.By + " lifted it until " + moment(&p.Lift.Until) + "."
	case open > 0:
		return Count(open, "instance") + " under treatment.", "Each line says what was found and what was done."
	}
	return "No instance is lost.", p.Limits
}

// State is the decision as a state of the console: a tone and a word.
func (r HealingRow) tone() ui.Tone {
	switch {
	case r.Decision == models.DecisionHeal && r.Open():
		return ui.Run
	case r.Decision == models.DecisionHeal:
		return ui.OK
	case r.Decision == models.DecisionNotify:
		return ui.Bad
	case r.Decision == models.DecisionFrozen, r.Decision == models.DecisionAlive:
		return ui.Warn
	case r.Decision == models.DecisionWait:
		return ui.Wait
	}
	return ui.Off
}

func (r HealingRow) word() string {
	switch r.Decision {
	case models.DecisionHeal:
		if r.Open() {
			return "healing"
		}
		return "healed"
	case models.DecisionWait:
		return "waits"
	case models.DecisionAlive:
		return "machine lives"
	case models.DecisionNotify:
		return "needs a person"
	case models.DecisionFrozen:
		return "frozen"
	}
	return "not healed"
}

func (r HealingRow) href() string { return "/healings/" + string(r.ID) }

// HealingModeText is a mode in words.
func HealingModeText(m models.HealingMode) string {
	switch m {
	case models.HealingHeal:
		return "heal"
	case models.HealingNotify:
		return "notify only"
	}
	return "off"
}

func healingModes(selected string) []ui.Option {
	all := []ui.Option{
		{Value: string(models.HealingHeal), Label: "Heal: restart or replace what is lost"},
		{Value: string(models.HealingNotify), Label: "Notify: look and report, a person acts"},
		{Value: string(models.HealingOff), Label: "Off"},
	}
	for n := range all {
		all[n].Selected = all[n].Value == selected
	}
	return all
}

const healingHint = "An instance whose agent is silent gets a second opinion first; it is healed if all its layers say so."
