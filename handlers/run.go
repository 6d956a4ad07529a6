package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

// namedTargets is the most instances that are offered one by one; larger
// stacks choose by layer, or begin at an instance's own page.
const namedTargets = 60

// showRun is the form that asks for a command. The address may fill it:
// ?command= ?app= ?layer= ?instance=, or ?again= with an older deployment.
func (h *Handlers) showRun(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	values, err := h.runDefaults(r.Context(), stack, r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page, err := h.runForm(w, r, stack, views.Form{Values: values})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.RunPage(page))
}

func (h *Handlers) runDefaults(ctx context.Context, stack *models.Stack, q url.Values) (url.Values, error) {
	v := url.Values{"Command": {q.Get("command")}, "AppId": {q.Get("app")}, "Targets": {"all"}}
	if q.Has("layer") {
		v["LayerIds"] = q["layer"]
	}
	if q.Has("instance") {
		v["InstanceIds"] = q["instance"]
	}
	if id := q.Get("plan"); id != "" {
		if err := h.fillPlanned(ctx, stack, models.PlanID(id), v); err != nil {
			return nil, err
		}
	}
	if id := q.Get("again"); id != "" {
		if err := h.fillAgain(ctx, stack, models.DeploymentID(id), v); err != nil {
			return nil, err
		}
	}
	if len(v["LayerIds"])+len(v["InstanceIds"]) > 0 {
		v.Set("Targets", "some")
	}
	if v.Get("Command") == "" {
		v.Set("Command", string(models.CommandExecuteRecipes))
	}
	return v, nil
}

// fillAgain takes command, arguments and targets from an older deployment.
func (h *Handlers) fillAgain(ctx context.Context, stack *models.Stack, id models.DeploymentID, v url.Values) error {
	d, err := h.Store.Deployments.Get(ctx, id)
	if err != nil {
		return err
	}
	if d.StackID != stack.ID {
		return models.NotFound("deployment", id)
	}
	fillCommand(v, d.Command, d.AppID, d.CustomJSON)
	fillRollout(v, d.Rollout)
	if d.Commands == 0 || d.Commands > namedTargets {
		return nil
	}
	ids, err := h.Store.Commands.InstancesWith(ctx, d.ID, models.CommandStatuses...)
	for _, id := range ids {
		v.Add("InstanceIds", string(id))
	}
	return err
}

func fillCommand(v url.Values, c models.DeploymentCommand, app models.AppID, customJSON string) {
	v.Set("Command", string(c.Name))
	v.Set("AppId", string(app))
	v.Set("Recipes", strings.Join(c.Args["recipes"], "\n"))
	v.Set("CustomJson", customJSON)
	v.Set("UpgradeOsTo", strings.Join(c.Args["upgrade_os_to"], ""))
	tick(v, "AllowReboot", c.Flag("allow_reboot"))
	tick(v, "Migrate", c.Flag("migrate"))
}

// fillPlanned takes everything from a plan.
func (h *Handlers) fillPlanned(ctx context.Context, stack *models.Stack, id models.PlanID, v url.Values) error {
	p, err := h.Store.Plans.Get(ctx, id)
	if err != nil {
		return err
	}
	if p.StackID != stack.ID {
		return models.NotFound("plan", id)
	}
	r := p.Request
	fillCommand(v, r.Command, r.AppID, r.CustomJSON)
	fillRollout(v, r.Rollout)
	v.Set("Comment", r.Comment)
	tick(v, "DryRun", r.DryRun)
	for _, id := range r.LayerIDs {
		v.Add("LayerIds", string(id))
	}
	for _, id := range r.InstanceIDs {
		v.Add("InstanceIds", string(id))
	}
	return nil
}

func (h *Handlers) runForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form) (views.RunForm, error) {
	ctx := r.Context()
	p := views.RunForm{Form: form, Manager: stack.ConfigurationManager}
	frame, counts, err := h.frame(ctx, stack)
	if err != nil {
		return p, err
	}
	p.Online = counts[models.InstanceOnline]
	if p.Apps, err = h.Store.Apps.InStack(ctx, stack.ID); err != nil {
		return p, err
	}
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	byLayer, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	for _, l := range layers {
		p.Layers = append(p.Layers, views.RunLayer{Layer: l, Online: byLayer[l.ID][models.InstanceOnline]})
	}
	if p.Named, err = h.targets(ctx, stack, form.Values["InstanceIds"], p.Online); err != nil {
		return p, err
	}
	p.Frame = h.framed(w, r, frame, "deployments", "Run a command", "",
		crumb("Deployments", frame.Href("/deployments")), crumb("Run a command", ""))
	p.Frame.Page.Scripts = []string{"js/run.js"}
	return p, nil
}

// targets are the instances offered one by one: the named ones, and all that
// are online when they are few.
func (h *Handlers) targets(ctx context.Context, stack *models.Stack, named []string, online int) ([]views.InstanceRef, error) {
	var list []models.Instance
	if online <= namedTargets {
		page, _, err := h.Store.Instances.Page(ctx, stack.ID, store.InstanceFilter{Statuses: []models.InstanceStatus{models.InstanceOnline}}, namedTargets, 0)
		if err != nil {
			return nil, err
		}
		list = page
	}
	for _, id := range named[:min(len(named), namedTargets)] {
		if slices.ContainsFunc(list, func(i models.Instance) bool { return string(i.ID) == id }) {
			continue
		}
		i, err := h.Store.Instances.Get(ctx, models.InstanceID(id))
		switch {
		case err == nil && i.StackID == stack.ID:
			list = append(list, *i)
		case err != nil && models.CodeOf(err) != models.CodeNotFound:
			return nil, err
		}
	}
	refs := make([]views.InstanceRef, len(list))
	for n, i := range list {
		refs[n] = views.InstanceRef{ID: i.ID, Hostname: i.Hostname, Status: i.Status, Since: i.StatusSince}
	}
	return refs, nil
}

// run asks the engine for a plan of the command, or for the command itself, and
// leads to its page.
func (h *Handlers) run(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	request, err := runRequest(stack.ID, r.PostForm)
	var d *models.Deployment
	var plan *models.Plan
	switch {
	case err != nil:
	case r.PostFormValue("do") == "review":
		plan, err = h.Engine.Plan(r.Context(), request)
	default:
		d, err = h.Engine.Deploy(r.Context(), request)
	}
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			page, err := h.runForm(w, r, stack, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.RunPage(page)
		})
		return
	}
	if plan != nil {
		h.done(w, r, views.PlanHref(plan.ID), "")
		return
	}
	h.done(w, r, views.DeploymentHref(d.ID), fmt.Sprintf("#%d runs on %s.", d.Number, views.Count(d.Commands, "instance")))
}

// commandArgs are the arguments of a command that the form has.
func commandArgs(name models.CommandName, form url.Values) map[string][]string {
	args := map[string][]string{}
	switch name {
	case models.CommandExecuteRecipes:
		args["recipes"] = strings.FieldsFunc(form.Get("Recipes"), func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })
	case models.CommandUpdateDependencies:
		if system := trimmed(form, "UpgradeOsTo"); system != "" {
			args["upgrade_os_to"] = []string{system}
		}
		if form.Get("AllowReboot") != "" {
			args["allow_reboot"] = []string{"true"}
		}
	case models.CommandDeploy:
		if form.Get("Migrate") != "" {
			args["migrate"] = []string{"true"}
		}
	}
	return args
}

func runRequest(stack models.StackID, form url.Values) (engine.DeploymentRequest, error) {
	q := engine.DeploymentRequest{
		StackID: stack, AppID: models.AppID(form.Get("AppId")), Comment: trimmed(form, "Comment"),
		CustomJSON: customJSON(form), DryRun: form.Get("DryRun") != "",
		Command: models.DeploymentCommand{Name: models.CommandName(form.Get("Command"))},
	}
	q.Command.Args = commandArgs(q.Command.Name, form)
	var err error
	if q.Rollout, err = rolloutOf(form); err != nil {
		return q, err
	}
	if form.Get("Targets") != "some" {
		return q, nil
	}
	for _, id := range form["LayerIds"] {
		q.LayerIDs = append(q.LayerIDs, models.LayerID(id))
	}
	for _, id := range form["InstanceIds"] {
		q.InstanceIDs = append(q.InstanceIDs, models.InstanceID(id))
	}
	if len(q.LayerIDs)+len(q.InstanceIDs) == 0 {
		return q, models.InvalidField("InstanceIds", "Instances: choose at least one layer or instance, or all online instances.")
	}
	return q, nil
}
