package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showNewLayer offers the types of layers, and the form of the chosen one.
func (h *Handlers) showNewLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := views.Form{Values: url.Values{}}
	if kind := models.LayerType(r.URL.Query().Get("type")); slices.Contains(h.Engine.LayerTypes(), kind) {
		form = newLayerForm(stack, kind)
	}
	page, err := h.newLayer(w, r, stack, form)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.LayerNewPage(page))
}

// newLayerForm has the defaults of a type.
func newLayerForm(stack *models.Stack, kind models.LayerType) views.Form {
	l := models.NewLayer(stack.ID, kind)
	form := generalForm(&l)
	form.Values.Set("Type", string(kind))
	for _, a := range kind.Attributes() {
		if !a.Boolean && !a.Secret {
			form.Values.Set(views.AttributeField(a.Key), a.Default)
		}
	}
	tick(form.Values, "AutoAssignElasticIps", l.AutoAssignElasticIPs)
	return form
}

func (h *Handlers) newLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form) (views.LayerNew, error) {
	p := views.LayerNew{Form: form, Manager: stack.ConfigurationManager, NeedsGroups: !stack.UseOpsworksSecurityGroups}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return p, err
	}
	layers, err := h.Store.Layers.InStack(r.Context(), stack.ID)
	if err != nil {
		return p, err
	}
	for _, t := range h.Engine.LayerTypes() {
		choice := views.LayerChoice{Type: t, BuiltIn: h.Engine.HasRecipes(t), Reason: whyNot(stack, layers, t)}
		p.Types = append(p.Types, choice)
		if string(t) == form.Value("Type") {
			p.Chosen = &choice
		}
	}
	p.Frame = h.framed(w, r, frame, "layers", "New layer", "", crumb("Layers", frame.Href("/layers")), crumb("New layer", ""))
	return p, nil
}

// whyNot says why the stack cannot have a layer of the type; empty when it can.
func whyNot(stack *models.Stack, layers []models.Layer, t models.LayerType) string {
	if t != models.LayerCustom && slices.ContainsFunc(layers, func(l models.Layer) bool { return l.Type == t }) {
		return "This stack already has one."
	}
	l := models.NewLayer(stack.ID, t)
	if err := l.CheckStack(stack); err != nil && fieldOf(err) == "Type" {
		sentence := strings.TrimPrefix(models.Sentence(err), "Type: ")
		return strings.ToUpper(sentence[:1]) + sentence[1:]
	}
	return ""
}

// createLayer adds a layer.
func (h *Handlers) createLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	l := models.NewLayer(stack.ID, models.LayerType(form.Get("Type")))
	l.Name, l.Shortname = trimmed(form, "Name"), trimmed(form, "Shortname")
	if l.Name == "" && l.Type != models.LayerCustom {
		l.Name = views.LayerKind(l.Type)
	}
	if m := models.HealingMode(form.Get("HealingMode")); slices.Contains(models.HealingModes, m) {
		l.SetHealingMode(m)
	}
	if form.Get("form") == "whole" { // else the defaults of the type stay
		l.AutoAssignElasticIPs = form.Get("AutoAssignElasticIps") != ""
		l.CustomSecurityGroupIDs = strings.Fields(form.Get("CustomSecurityGroupIds"))
		l.Engine = form.Get("Engine")
		fillAttributes(&l, form)
	}
	made, err := h.Engine.CreateLayer(r.Context(), l)
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			if _, ok := l.Type.Attribute(field); ok {
				field = views.AttributeField(field)
			}
			page, err := h.newLayer(w, r, stack, views.Form{Values: form, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.LayerNewPage(page)
		})
		return
	}
	h.done(w, r, views.LayerHref(stack.ID, made.ID), "Layer "+made.Name+" was added. Its recipes run on each instance that you add to it.")
}
