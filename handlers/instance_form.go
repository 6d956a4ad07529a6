package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showNewInstance is the form for a new instance; ?layer= ticks a layer.
func (h *Handlers) showNewInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := views.Form{Values: url.Values{
		"LayerIds": r.URL.Query()["layer"], "Os": {stack.DefaultOs}, "Architecture": {"x86_64"},
		"RootDeviceType": {stack.DefaultRootDeviceType}, "AgentVersion": {"INHERIT"}, "InstallUpdatesOnBoot": {"on"},
		"SshKeyName": {stack.DefaultSSHKeyName}, "Start": {"on"},
	}}
	if offered := sizes[stack.Provider]; len(offered) > 2 {
		form.Values.Set("InstanceType", offered[2]) // small: the middle of what is usual
	}
	h.showInstanceForm(w, r, stack, nil, form, http.StatusOK)
}

// showEditInstance is the form for a stopped instance.
func (h *Handlers) showEditInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if err := i.CanUpdate(); err != nil {
		h.refused(w, r, err, views.InstanceHref(i.ID))
		return
	}
	form := views.Form{Values: url.Values{
		"Hostname": {i.Hostname}, "InstanceType": {i.InstanceType}, "Os": {i.Os}, "Architecture": {i.Architecture},
		"SshKeyName": {i.SSHKeyName}, "AgentVersion": {i.AgentVersion},
	}}
	for _, id := range i.LayerIDs {
		form.Values.Add("LayerIds", string(id))
	}
	tick(form.Values, "InstallUpdatesOnBoot", i.InstallUpdatesOnBoot)
	h.showInstanceForm(w, r, stack, i, form, http.StatusOK)
}

func tick(v url.Values, name string, on bool) {
	if on {
		v.Set(name, "on")
	}
}

func (h *Handlers) showInstanceForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, form views.Form, status int) {
	page, err := h.instanceForm(w, r, stack, i, form)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.InstanceFormPage(page))
}

func (h *Handlers) instanceForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, form views.Form) (views.InstanceForm, error) {
	ctx := r.Context()
	p := views.InstanceForm{Instance: i, Form: form}
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return p, err
	}
	if p.Layers, err = h.Store.Layers.InStack(ctx, stack.ID); err != nil {
		return p, err
	}
	if p.Suggested, err = h.suggestion(ctx, form, p.Layers); err != nil {
		return p, err
	}
	p.Sizes = sizes[stack.Provider]
	title, way := "New instance", crumb("New instance", "")
	if i != nil {
		title, way = "Edit "+i.Hostname, crumb("Edit "+i.Hostname, "")
	}
	p.Frame = h.framed(w, r, frame, "instances", title, "", crumb("Instances", views.StackHref(stack.ID)+"/instances"), way)
	return p, nil
}

// sizes are what the providers call their machines, to choose from; other
// names may be typed.
var sizes = map[string][]string{
	"local":   {"local.nano", "local.micro", "local.small", "local.medium", "local.large"},
	"process": {"local.nano", "local.micro", "local.small", "local.medium", "local.large"},
	"sim":     {"local.nano", "local.micro", "local.small", "local.medium", "local.large"},
	"aws":     {"t3.micro", "t3.small", "t3.medium", "t3.large", "m6i.large", "c6i.large"},
}

// suggestion is the hostname that the first ticked layer's next instance gets.
func (h *Handlers) suggestion(ctx context.Context, form views.Form, layers []models.Layer) (string, error) {
	for _, l := range layers {
		if form.Ticked("LayerIds", string(l.ID)) {
			return h.Engine.SuggestHostname(ctx, l.ID)
		}
	}
	return "", nil
}

// createInstance makes an instance, and starts it if that was ticked.
func (h *Handlers) createInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	i := models.Instance{
		StackID: stack.ID, AutoScalingType: form.Get("AutoScalingType"), RootDeviceType: form.Get("RootDeviceType"),
		AvailabilityZone: trimmed(form, "AvailabilityZone"), SubnetID: trimmed(form, "SubnetId"), EbsOptimized: form.Get("EbsOptimized") != "",
	}
	fillInstance(&i, form)
	made, err := h.Engine.CreateInstance(r.Context(), i)
	if err != nil {
		h.refusedInstance(w, r, stack, nil, err)
		return
	}
	sentence := made.Hostname + " was added. It costs nothing until it is started."
	if form.Get("Start") != "" && made.Is247() {
		if err := h.Engine.StartInstance(r.Context(), made.ID); err != nil {
			h.refused(w, r, err, views.InstanceHref(made.ID))
			return
		}
		sentence = made.Hostname + " was added and is being started."
	}
	h.done(w, r, views.InstanceHref(made.ID), sentence)
}

// updateInstance changes a stopped instance.
func (h *Handlers) updateInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	_, err := h.Engine.UpdateInstance(r.Context(), i.ID, func(i *models.Instance) error {
		fillInstance(i, r.PostForm)
		return nil
	})
	if err != nil {
		h.refusedInstance(w, r, stack, i, err)
		return
	}
	h.done(w, r, views.InstanceHref(i.ID), "The changes take effect when "+i.Hostname+" is started.")
}

// refusedInstance shows the form again with what was typed.
func (h *Handlers) refusedInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, err error) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		page, err := h.instanceForm(w, r, stack, i, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		if err != nil {
			return failed{err}
		}
		return views.InstanceFormPage(page)
	})
}

func fillInstance(i *models.Instance, form url.Values) {
	i.LayerIDs = nil
	for _, id := range form["LayerIds"] {
		i.LayerIDs = append(i.LayerIDs, models.LayerID(id))
	}
	i.Hostname, i.InstanceType = trimmed(form, "Hostname"), trimmed(form, "InstanceType")
	i.Os, i.Architecture = trimmed(form, "Os"), form.Get("Architecture")
	i.SSHKeyName, i.AgentVersion = trimmed(form, "SshKeyName"), trimmed(form, "AgentVersion")
	i.InstallUpdatesOnBoot = form.Get("InstallUpdatesOnBoot") != ""
}

func trimmed(form url.Values, name string) string { return strings.TrimSpace(form.Get(name)) }
