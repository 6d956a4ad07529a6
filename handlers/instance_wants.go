package handlers

import (
	"context"
	"net/http"

	"opsyard/engine/intent"
	"opsyard/models"
	"opsyard/views"
)

// intentEngine lets an author go on that is held.
type intentEngine interface {
	ResumeIntents(ctx context.Context, id models.InstanceID, author models.IntentAuthor) error
}

// shownIntents is how many intents of an instance its page tells of.
const shownIntents = 12

// wants is who wants what of an instance, and why it waits.
func (h *Handlers) wants(ctx context.Context, i *models.Instance) (views.Wants, error) {
	var w views.Wants
	held, err := h.Store.Intents.PausesOf(ctx, i.ID)
	if err != nil {
		return w, err
	}
	w.Held = held
	all, err := h.Store.Intents.OfInstance(ctx, i.ID, shownIntents)
	if err != nil {
		return w, err
	}
	var open []models.Intent
	for _, n := range all {
		if n.State == models.IntentOpen {
			open = append(open, n)
		} else {
			w.Past = append(w.Past, n)
		}
	}
	waits := map[models.IntentID]string{}
	decision := intent.Arbitrate(i, open, held, h.Now())
	for _, wait := range decision.Wait {
		waits[wait.Intent.ID] = wait.Why
	}
	for _, n := range open {
		w.Open = append(w.Open, views.WantRow{Intent: n, Waits: waits[n.ID]})
	}
	return w, nil
}

// resumeIntents lets an author go on.
func (h *Handlers) resumeIntents(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	author := models.IntentAuthor(r.PostForm.Get("author"))
	h.acted(w, r, i, h.Engine.ResumeIntents(r.Context(), i.ID, author), author.Label()+" goes on with "+i.Hostname+".")
}
