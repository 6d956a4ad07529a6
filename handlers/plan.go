package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"
)

// planEngine is what plans and rolling deployments ask of the engine.
type planEngine interface {
	Plan(ctx context.Context, r engine.DeploymentRequest) (*models.Plan, error)
	Replan(ctx context.Context, id models.PlanID) (*models.Plan, error)
	PauseRollout(ctx context.Context, id models.DeploymentID) error
	ContinueRollout(ctx context.Context, id models.DeploymentID) error
	StopRollout(ctx context.Context, id models.DeploymentID) error
	RetryDeployment(ctx context.Context, id models.DeploymentID) (*models.Deployment, error)
}

// withPlan loads the plan of the path and asks for a level in its stack.
func (h *Handlers) withPlan(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack, *models.Plan)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := h.Store.Plans.Get(r.Context(), models.PlanID(r.PathValue("plan")))
		var stack *models.Stack
		if err == nil {
			stack, err = h.inStackOf(r.Context(), p.StackID, action, "plan", string(p.ID))
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, p)
	}
}

// showPlan is the page of a plan.
func (h *Handlers) showPlan(w http.ResponseWriter, r *http.Request, stack *models.Stack, plan *models.Plan) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	title, _, err := h.titles(r.Context(), stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	q := plan.Request
	p := views.PlanShow{Now: h.Now(), Plan: *plan, Title: title(models.Deployment{CommandName: q.Command.Name, AppID: q.AppID, DryRun: q.DryRun})}
	p.Frame = h.framed(w, r, frame, "deployments", "Plan: "+p.Title, "",
		crumb("Deployments", frame.Href("/deployments")), crumb("Plan "+p.ShortID(), ""))
	h.render(w, r, http.StatusOK, views.PlanPage(p))
}

// runPlan runs what the plan has shown. When something has changed since, it
// leads to a new plan that says what.
func (h *Handlers) runPlan(w http.ResponseWriter, r *http.Request, stack *models.Stack, plan *models.Plan) {
	d, err := h.Engine.Deploy(r.Context(), engine.DeploymentRequest{StackID: stack.ID, PlanID: plan.ID})
	if err == nil {
		h.done(w, r, views.DeploymentHref(d.ID), fmt.Sprintf("#%d runs on %s, as the plan has shown.", d.Number, views.Count(d.Commands, "instance")))
		return
	}
	back := views.PlanHref(plan.ID)
	if models.CodeOf(err) == models.CodeConflict {
		again, failure := h.Engine.Replan(r.Context(), plan.ID)
		if failure != nil {
			h.refused(w, r, failure, back)
			return
		}
		err = models.Conflict("Nothing has run: something has changed since the plan was made. This is the new plan.")
		back = views.PlanHref(again.ID)
	}
	h.refused(w, r, err, back)
}

// rolloutDeed is a button of a rolling deployment.
func (h *Handlers) rolloutDeed(deed func(planEngine, context.Context, models.DeploymentID) error, said string) func(http.ResponseWriter, *http.Request, *models.Stack, *models.Deployment) {
	return func(w http.ResponseWriter, r *http.Request, _ *models.Stack, d *models.Deployment) {
		back := views.DeploymentHref(d.ID)
		if err := deed(h.Engine, r.Context(), d.ID); err != nil {
			h.refused(w, r, err, back)
			return
		}
		h.done(w, r, back, fmt.Sprintf(said, d.Number))
	}
}

// rollout reads what the page shows of batches, the plan and the first try.
func (h *Handlers) rollout(ctx context.Context, p *views.DeploymentShow) error {
	d := &p.Deployment
	if d.Batches > 0 {
		counts, err := h.Store.Commands.BatchCounts(ctx, d.ID)
		if err != nil {
			return err
		}
		p.ByBatch = make(map[int]views.Progress, len(counts))
		for n, c := range counts {
			p.ByBatch[n] = c
		}
	}
	if d.RetryOf != "" {
		first, err := h.Store.Deployments.Get(ctx, d.RetryOf)
		if err != nil && models.CodeOf(err) != models.CodeNotFound {
			return err
		}
		p.RetryOf = first
	}
	if d.PlanID == "" {
		return nil
	}
	var err error
	p.HasPlan, err = h.Store.Plans.Exists(ctx, d.PlanID)
	return err
}

// perCent is the unit of the numbers of a rollout that are not instances.
const perCent = "per cent"

// rolloutOf reads the options of a rolling deployment from a form.
func rolloutOf(form url.Values) (r models.Rollout, err error) {
	for _, f := range []struct {
		name         string
		count, ratio *int
	}{
		{"Batch", &r.BatchSize, &r.BatchPercent}, {"PauseSeconds", &r.PauseSeconds, &r.PauseSeconds}, {"StopAfter", &r.StopAfterFailures, &r.StopAfterPercent},
	} {
		text := trimmed(form, f.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return r, models.InvalidField(f.name, "%s: %q is not a number.", rolloutLabels[f.name], text)
		}
		if form.Get(f.name+"Unit") == perCent {
			*f.ratio = n
		} else {
			*f.count = n
		}
	}
	return r, fieldsOfForm(r.Validate())
}

var rolloutLabels = map[string]string{"Batch": "Instances at a time", "PauseSeconds": "Pause", "StopAfter": "Stop when so many have failed"}

// fieldsOfForm puts a refusal of a rollout where the form has the field.
func fieldsOfForm(err error) error {
	if err == nil {
		return nil
	}
	field := fieldOf(err)
	for _, name := range []string{"Batch", "StopAfter"} {
		if slices.Contains([]string{name + "Size", name + "Percent", name + "Failures"}, field) {
			field = name
		}
	}
	return models.InvalidField(field, "%s", models.Sentence(err))
}

func fillRollout(v url.Values, r models.Rollout) {
	set := func(name string, count, ratio int) {
		if ratio > 0 {
			v.Set(name+"Unit", perCent)
		}
		if n := max(count, ratio); n > 0 {
			v.Set(name, strconv.Itoa(n))
		}
	}
	set("Batch", r.BatchSize, r.BatchPercent)
	set("PauseSeconds", r.PauseSeconds, 0)
	set("StopAfter", r.StopAfterFailures, r.StopAfterPercent)
}
