package handlers

import (
	"context"
	"net/http"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// keptCommands is how many commands of an instance are listed, as OpsWorks kept.
const keptCommands = 30

// showInstance is the page of one instance.
func (h *Handlers) showInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	h.drawInstance(w, r, stack, i, nil)
}

// drawInstance shows an instance, with the password that was just granted.
func (h *Handlers) drawInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, granted *models.TemporaryCredential) {
	page, err := h.instancePage(r.Context(), stack, i)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Credential = granted
	page.Frame = h.framed(w, r, page.Frame, "instances", i.Hostname, "instance/"+string(i.ID),
		crumb("Instances", views.StackHref(stack.ID)+"/instances"), crumb(i.Hostname, ""))
	h.render(w, r, http.StatusOK, views.InstancePage(page))
}

func (h *Handlers) instancePage(ctx context.Context, stack *models.Stack, i *models.Instance) (views.InstanceShow, error) {
	now := h.Now()
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return views.InstanceShow{}, err
	}
	p := views.InstanceShow{Frame: frame, Now: now, Instance: *i, Provider: stack.Provider, Actions: views.ActionsFor(*i)}
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Layers = layersOf(*i, layers)
	if p.Actions.Assign {
		p.All = assignable(*i, layers)
	}
	if p.Actions.Access, err = h.mayGrant(ctx, *i); err != nil {
		return p, err
	}
	if p.Volumes, err = h.Store.Volumes.OfInstance(ctx, i.ID); err != nil {
		return p, err
	}
	if !models.IsWindows(i.Os) {
		accounts, err := h.Engine.InstanceAccounts(ctx, i.ID)
		if err != nil {
			return p, err
		}
		p.Accounts = *accounts
	}
	if p.Wants, err = h.wants(ctx, i); err != nil {
		return p, err
	}
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	for _, l := range p.Layers {
		p.Actions.Impact = append(p.Actions.Impact, views.StopImpact(l, counts[l.ID], i.Status))
	}
	if p.Commands, err = h.history(ctx, stack.ID, i.ID); err != nil {
		return p, err
	}
	if len(p.Commands) > 0 {
		p.Last, p.Cause = &p.Commands[0].Command, p.Commands[0].Cause
	}
	if p.Healing, err = h.Store.Healings.Newest(ctx, i.ID); err != nil {
		return p, err
	}
	p.Errors, err = h.Store.ServiceErrors.OfInstance(ctx, i.ID)
	p.Errors = p.Errors[:min(len(p.Errors), 10)]
	return p, err
}

// history is what ran on an instance, with the cause of each.
func (h *Handlers) history(ctx context.Context, stack models.StackID, id models.InstanceID) ([]views.CommandRow, error) {
	commands, err := h.Store.Commands.OfInstance(ctx, id, keptCommands)
	if err != nil {
		return nil, err
	}
	ids := make([]models.DeploymentID, len(commands))
	for n, c := range commands {
		ids[n] = c.DeploymentID
	}
	deployments, err := h.Store.Deployments.ByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[models.DeploymentID]models.Deployment, len(deployments))
	for _, d := range deployments {
		byID[d.ID] = d
	}
	title, _, err := h.titles(ctx, stack)
	if err != nil {
		return nil, err
	}
	rows := make([]views.CommandRow, len(commands))
	for n, c := range commands {
		d := byID[c.DeploymentID]
		rows[n] = views.CommandRow{Command: c, Title: title(d), Cause: views.CauseText(d.Cause), Duration: views.CommandDuration(c, h.Now())}
	}
	return rows, nil
}

func (h *Handlers) liveInstance(ctx context.Context, key string) (liveView, error) {
	id := models.InstanceID(key)
	if _, _, err := h.openInstance(ctx, id, models.ActionShow); err != nil {
		return liveView{}, err
	}
	return liveView{
		Topics: []string{engine.TopicInstance(id)},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			stack, i, err := h.openInstance(ctx, id, models.ActionShow)
			if err != nil {
				return nil, err
			}
			p, err := h.instancePage(ctx, stack, i)
			if err != nil {
				return nil, err
			}
			return views.InstanceLive(p), nil
		},
	}, nil
}

// startInstance asks for an instance's machine.
func (h *Handlers) startInstance(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	h.acted(w, r, i, h.Engine.StartInstance(r.Context(), i.ID), i.Hostname+" is being started.")
}

// stopInstance stops an instance; by force it skips Shutdown recipes.
func (h *Handlers) stopInstance(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	force := r.PostForm.Get("force") == "true"
	sentence := i.Hostname + " is being stopped; its Shutdown recipes run first."
	if force {
		sentence = i.Hostname + " is being stopped by force."
	}
	h.acted(w, r, i, h.Engine.StopInstance(r.Context(), i.ID, force), sentence)
}

// rebootInstance reboots an instance.
func (h *Handlers) rebootInstance(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	h.acted(w, r, i, h.Engine.RebootInstance(r.Context(), i.ID), i.Hostname+" is being rebooted.")
}

// acted leads back to the instance with the result of a button, or to the list
// where the button stood.
func (h *Handlers) acted(w http.ResponseWriter, r *http.Request, i *models.Instance, err error, sentence string) {
	back := views.InstanceHref(i.ID)
	if from := refererPath(r); from != "" && r.PostForm.Get("stay") != "" {
		back = from
	}
	if err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, sentence)
}

// deleteInstance deletes a stopped instance; its hostname was typed to confirm.
func (h *Handlers) deleteInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	err := typed(r, i.Hostname)
	if err == nil {
		err = h.Engine.DeleteInstance(r.Context(), i.ID, engine.DeleteOptions{
			DeleteElasticIP: r.PostForm.Get("DeleteElasticIp") != "", DeleteVolumes: r.PostForm.Get("DeleteVolumes") != "",
		})
	}
	if err != nil {
		h.refused(w, r, err, views.InstanceHref(i.ID))
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/instances", i.Hostname+" was deleted.")
}
