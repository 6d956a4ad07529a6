package handlers

import (
	"context"
	"net/http"
	"strconv"

	"opsyard/models"
	"opsyard/views"
)

// hostEngine is about registered hosts, and access to Windows instances.
type hostEngine interface {
	AssignInstance(ctx context.Context, id models.InstanceID, layers []models.LayerID) error
	UnassignInstance(ctx context.Context, id models.InstanceID) error
	DeregisterInstance(ctx context.Context, id models.InstanceID) error
	// GrantAccess is the only answer that holds the password.
	GrantAccess(ctx context.Context, id models.InstanceID, minutes int) (*models.TemporaryCredential, error)
}

// assignable are the layers that a registered host may join: custom ones only,
// if it is a machine of the cloud.
func assignable(i models.Instance, layers []models.Layer) []models.Layer {
	if i.InfrastructureClass != models.InfrastructureEC2 {
		return layers
	}
	var custom []models.Layer
	for _, l := range layers {
		if l.Type == models.LayerCustom {
			custom = append(custom, l)
		}
	}
	return custom
}

// mayGrant tells whether the page offers access: on a Windows instance that is
// online, to those who manage the stack or may log in.
func (h *Handlers) mayGrant(ctx context.Context, i models.Instance) (bool, error) {
	if i.Status != models.InstanceOnline || !models.IsWindows(i.Os) {
		return false, nil
	}
	return h.Engine.May(ctx, "GrantAccess", i.StackID)
}

// assignInstance puts a registered host into layers.
func (h *Handlers) assignInstance(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	h.acted(w, r, i, h.Engine.AssignInstance(r.Context(), i.ID, layerIDs(r.PostForm)), i.Hostname+" is being assigned; its Setup recipes run now.")
}

// unassignInstance takes a registered host out of its layers.
func (h *Handlers) unassignInstance(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	h.acted(w, r, i, h.Engine.UnassignInstance(r.Context(), i.ID), i.Hostname+" is leaving its layers; its Shutdown recipes run first.")
}

// deregisterInstance lets a host go; its hostname was typed.
func (h *Handlers) deregisterInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	err := typed(r, i.Hostname)
	if err == nil {
		err = h.Engine.DeregisterInstance(r.Context(), i.ID)
	}
	if err != nil {
		h.refused(w, r, err, views.InstanceHref(i.ID))
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/instances", i.Hostname+" is leaving the stack; the host itself keeps running.")
}

// grantAccess makes a password for some time and shows it: the answer to the
// form is the only place where it is ever seen.
func (h *Handlers) grantAccess(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	minutes, _ := strconv.Atoi(r.PostForm.Get("ValidForInMinutes")) // what is no number is refused as 0
	granted, err := h.Engine.GrantAccess(r.Context(), i.ID, minutes)
	if err != nil {
		h.refused(w, r, err, views.InstanceHref(i.ID))
		return
	}
	h.drawInstance(w, r, stack, i, granted)
}
