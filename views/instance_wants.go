package views

import (
	"strings"

	"opsyard/models"
	"opsyard/views/ui"
)

// Wants is who wants what of an instance: what is open and why it waits, whose
// wishes are held, and what was wanted before.
type Wants struct {
	Open []WantRow
	Held []models.IntentPause
	Past []models.Intent // newest first
}

// WantRow is an open intent.
type WantRow struct {
	Intent models.Intent
	Waits  string // a sentence
}

func (w Wants) empty() bool { return len(w.Open)+len(w.Held)+len(w.Past) == 0 }

// wish is the sentence of an intent: "wants it restarted because its agent is
// silent."
func wish(n models.Intent, verb string) string {
	s := " " + verb + " it " + string(n.Want)
	if n.Cause.Text != "" && n.Author != models.ByUser {
		s += ", because " + n.Cause.Text
	}
	return s + "."
}

// wantTone is how an intent ended.
func wantTone(s models.IntentState) (ui.Tone, string) {
	switch s {
	case models.IntentDone:
		return ui.OK, "ok"
	case models.IntentFailed:
		return ui.Bad, "bad"
	case models.IntentOpen:
		return ui.Run, "run"
	}
	return ui.Off, "skip"
}

// ended says how an intent ended; what came about needs no word for it.
func ended(n models.Intent) string {
	switch n.State {
	case models.IntentDone, models.IntentOpen:
		return n.Outcome
	}
	state := string(n.State)
	return strings.ToUpper(state[:1]) + state[1:] + ". " + n.Outcome
}

// heldLabel names the button that ends a pause.
func heldLabel(p models.IntentPause, hostname string) string {
	if p.Author == models.ByConfigure {
		return "Tell its peers about " + hostname + " again"
	}
	return "Let " + strings.ToLower(p.Author.Label()) + " go on with " + hostname
}
