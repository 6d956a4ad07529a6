package handlers

import (
	"context"
	"net/http"
	"net/url"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"
)

// cloneEngine copies stacks.
type cloneEngine interface {
	CloneStack(ctx context.Context, r engine.CloneRequest) (*models.Stack, error)
}

// showClone is the form that copies a stack.
func (h *Handlers) showClone(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	apps, err := h.Store.Apps.InStack(r.Context(), stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	name := []rune(stack.Name)
	form := url.Values{
		"Name": {string(name[:min(len(name), 59)]) + " copy"}, "ClonePermissions": {"on"}, "Region": {stack.Region}, "VpcId": {stack.VpcID},
		"DefaultSubnetId": {stack.DefaultSubnetID}, "DefaultAvailabilityZone": {stack.DefaultAvailabilityZone},
	}
	for _, a := range apps {
		form.Add("CloneAppIds", string(a.ID))
	}
	h.drawClone(w, r, stack, views.Form{Values: form}, http.StatusOK)
}

// drawClone draws the form for those who may make stacks.
func (h *Handlers) drawClone(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form, status int) {
	ctx := r.Context()
	if err := h.may(ctx, "CloneStack", stack.ID, "Only an administrator may clone a stack."); err != nil {
		h.fail(w, r, err)
		return
	}
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.StackClone{Form: form, Layers: frame.Layers}
	if p.Apps, err = h.Store.Apps.InStack(ctx, stack.ID); err != nil {
		h.fail(w, r, err)
		return
	}
	people, err := h.Store.Permissions.OfStack(ctx, stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	groups, err := h.Store.Groups.PermissionsIn(ctx, stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.People, p.Groups = len(people), len(groups)
	p.Frame = h.framed(w, r, frame, "", "Clone "+stack.Name, "", crumb("Clone", ""))
	h.render(w, r, status, views.StackClonePage(p))
}

// cloneStack copies a stack and leads to the copy.
func (h *Handlers) cloneStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	request := engine.CloneRequest{
		SourceID: stack.ID, ClonePermissions: form.Get("ClonePermissions") != "",
		Change: func(s *models.Stack) error {
			if name := trimmed(form, "Name"); name != "" {
				s.Name = name
			}
			if region := trimmed(form, "Region"); region != "" {
				s.Region = region
			}
			s.VpcID, s.DefaultSubnetID = trimmed(form, "VpcId"), trimmed(form, "DefaultSubnetId")
			s.DefaultAvailabilityZone = trimmed(form, "DefaultAvailabilityZone")
			return nil
		},
	}
	for _, id := range form["CloneAppIds"] {
		request.AppIDs = append(request.AppIDs, models.AppID(id))
	}
	made, err := h.Engine.CloneStack(r.Context(), request)
	switch {
	case err == nil:
		h.done(w, r, views.StackHref(made.ID), "Stack "+made.Name+" is a clone of "+stack.Name+". It has no instances yet.")
	case refusal(err):
		h.drawClone(w, r, stack, refusedForm(form, err), http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
	}
}
