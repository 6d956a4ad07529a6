package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"opsyard/engine"
	"opsyard/engine/healing"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// healingEngine is what the pages of healing ask of the engine.
type healingEngine interface {
	HealingState(ctx context.Context, id models.StackID) (*engine.HealingState, error)
	HealingRules() healing.Rules
	LiftHealingFreeze(ctx context.Context, id models.StackID) error
	MarkHealingWrong(ctx context.Context, id models.HealingID) (*models.Healing, error)
}

// healingRoutes are the pages of healing.
func (h *Handlers) healingRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /stacks/{stack}/healing", h.withStack(models.ActionShow, h.showHealing))
	mux.HandleFunc("POST /stacks/{stack}/healing/lift", h.withStack(models.ActionManage, h.liftFreeze))
	mux.HandleFunc("POST /healings/{healing}/wrong", h.markWrong)
	h.register("healing", h.liveHealing)
}

// showHealing is the history of a stack's lost instances.
func (h *Handlers) showHealing(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset")) // anything else is the first page
	p, err := h.healingPage(r.Context(), stack, max(offset, 0))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	live := ""
	if offset <= 0 {
		live = "healing/" + string(stack.ID)
	}
	p.Frame = h.framed(w, r, p.Frame, "healing", "Healing of "+stack.Name, live, crumb("Healing", ""))
	h.render(w, r, http.StatusOK, views.HealingHistory(p))
}

func (h *Handlers) healingPage(ctx context.Context, stack *models.Stack, offset int) (views.HealingPage, error) {
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return views.HealingPage{}, err
	}
	p := views.HealingPage{Frame: frame, Now: h.Now(), Limits: healingLimits(h.Engine.HealingRules())}
	state, err := h.Engine.HealingState(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Frozen, p.Lift = state.Frozen, state.Lift
	if p.Layers, err = h.Store.Layers.InStack(ctx, stack.ID); err != nil {
		return p, err
	}
	rows, total, err := h.Store.Healings.InStack(ctx, stack.ID, perPage, offset)
	if err != nil {
		return p, err
	}
	p.Pager = views.Pager{Path: frame.Href("/healing"), Offset: offset, Limit: perPage, Total: total, Overall: total}
	ids := make([]models.InstanceID, len(rows))
	for n := range rows {
		ids[n] = rows[n].InstanceID
	}
	names, err := h.Store.Instances.HostnamesOf(ctx, ids)
	for _, row := range rows {
		_, there := names[row.InstanceID]
		p.Rows = append(p.Rows, views.HealingRow{Healing: row, Gone: !there})
	}
	return p, err
}

// healingLimits says what may be healed at a time.
func healingLimits(r healing.Rules) string {
	return fmt.Sprintf("Of a layer, one instance is healed in %s, and at most %d %% (at least one) in %s.", views.Span(r.Between), int(100*r.Share+0.5), views.Span(r.Window))
}

func (h *Handlers) liveHealing(ctx context.Context, key string) (liveView, error) {
	id := models.StackID(key)
	if _, err := h.Engine.Authorize(ctx, id, models.ActionShow); err != nil {
		return liveView{}, err
	}
	return liveView{
		Topics: []string{engine.TopicStack(id)},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			stack, err := h.Engine.Authorize(ctx, id, models.ActionShow)
			if err != nil {
				return nil, err
			}
			p, err := h.healingPage(ctx, stack, 0)
			if err != nil {
				return nil, err
			}
			return views.Fragments(views.HealingState(p), views.HealingList(p)), nil
		},
	}, nil
}

// liftFreeze lets healing act for an hour.
func (h *Handlers) liftFreeze(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	back := views.HealingHref(stack.ID)
	if err := h.Engine.LiftHealingFreeze(r.Context(), stack.ID); err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "Healing acts for an hour.")
}

// markWrong notes that a heal hit a healthy machine.
func (h *Handlers) markWrong(w http.ResponseWriter, r *http.Request) {
	entry, err := h.Engine.MarkHealingWrong(r.Context(), models.HealingID(r.PathValue("healing")))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.done(w, r, views.HealingHref(entry.StackID), "Noted. For a day the layers of "+entry.Hostname+" wait twice as long between heals.")
}

// healingMode reads the mode of a layer from a form.
func healingMode(l *models.Layer, value string) error {
	for _, m := range models.HealingModes {
		if string(m) == value {
			l.SetHealingMode(m)
			return nil
		}
	}
	return models.InvalidField("HealingMode", "Auto healing: choose heal, notify or off.")
}
