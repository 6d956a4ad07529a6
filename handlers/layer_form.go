package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showNewLayer is the form for a new layer.
func (h *Handlers) showNewLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := views.Form{Values: url.Values{"Type": {r.URL.Query().Get("type")}, "EnableAutoHealing": {"on"}}}
	page, err := h.newLayer(w, r, stack, form)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.LayerNewPage(page))
}

func (h *Handlers) newLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form) (views.LayerNew, error) {
	p := views.LayerNew{Form: form}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return p, err
	}
	layers, err := h.Store.Layers.InStack(r.Context(), stack.ID)
	if err != nil {
		return p, err
	}
	for _, t := range h.Engine.LayerTypes() {
		choice := views.LayerChoice{Type: t}
		if t != models.LayerCustom && slices.ContainsFunc(layers, func(l models.Layer) bool { return l.Type == t }) {
			choice.Reason = "This stack already has one."
		}
		p.Types = append(p.Types, choice)
	}
	p.Frame = h.framed(w, r, frame, "layers", "New layer", "", crumb("Layers", frame.Href("/layers")), crumb("New layer", ""))
	return p, nil
}

// createLayer adds a layer.
func (h *Handlers) createLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	l := models.NewLayer(stack.ID, models.LayerType(form.Get("Type")))
	l.Name, l.Shortname = trimmed(form, "Name"), trimmed(form, "Shortname")
	if l.Name == "" && l.Type != models.LayerCustom {
		l.Name = views.LayerKind(l.Type)
	}
	l.EnableAutoHealing = form.Get("EnableAutoHealing") != ""
	made, err := h.Engine.CreateLayer(r.Context(), l)
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
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

// layerForm is a layer's settings as a form; secrets show as Filtered, and
// writing that back keeps them.
func layerForm(l *models.Layer) views.Form {
	v := url.Values{
		"Name": {l.Name}, "Shortname": {l.Shortname}, "ExecutionTimeout": {strconv.Itoa(l.Shutdown.ExecutionTimeout)},
		"Packages": {strings.Join(l.Packages, "\n")}, "CustomJson": {l.CustomJSON},
		"CustomSecurityGroupIds": {strings.Join(l.CustomSecurityGroupIDs, "\n")}, "CustomInstanceProfileArn": {l.CustomInstanceProfileArn},
	}
	for name, on := range map[string]bool{
		"EnableAutoHealing": l.EnableAutoHealing, "DelayUntilElbConnectionsDrained": l.Shutdown.DelayUntilElbConnectionsDrained,
		"InstallUpdatesOnBoot": l.InstallUpdatesOnBoot, "AutoAssignPublicIps": l.AutoAssignPublicIPs,
		"AutoAssignElasticIps": l.AutoAssignElasticIPs, "UseEbsOptimizedInstances": l.UseEbsOptimizedInstances,
	} {
		tick(v, name, on)
	}
	for _, a := range views.LayerAttributes(l.Type) {
		value, set := l.Attributes[a.Key]
		if !set {
			value = a.Default
		}
		switch {
		case a.Secret && value != "":
			v.Set("attr-"+a.Key, models.Filtered)
		case a.Bool:
			tick(v, "attr-"+a.Key, value == "true")
		default:
			v.Set("attr-"+a.Key, value)
		}
	}
	return views.Form{Values: v}
}

// updateLayer stores a layer's settings.
func (h *Handlers) updateLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	_, err := h.Engine.UpdateLayer(r.Context(), l.ID, func(l *models.Layer) error { return fillLayer(l, r.PostForm) })
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			page, err := h.layerPage(r.Context(), stack, l, "settings")
			if err != nil {
				return failed{err}
			}
			page.Form = views.Form{Values: r.PostForm, Problem: sentence, Field: field}
			return views.LayerPage(h.framedLayer(w, r, page))
		})
		return
	}
	h.done(w, r, views.LayerHref(stack.ID, l.ID)+"?tab=settings", "The settings were saved. Instances see them at their next event.")
}

func fillLayer(l *models.Layer, form url.Values) error {
	l.Name = trimmed(form, "Name")
	if l.Type == models.LayerCustom {
		l.Shortname = trimmed(form, "Shortname")
	}
	timeout, err := strconv.Atoi(trimmed(form, "ExecutionTimeout"))
	if err != nil {
		return models.InvalidField("ExecutionTimeout", "Shutdown timeout: write a whole number of seconds.")
	}
	l.Shutdown.ExecutionTimeout = timeout
	l.Shutdown.DelayUntilElbConnectionsDrained = form.Get("DelayUntilElbConnectionsDrained") != ""
	l.EnableAutoHealing = form.Get("EnableAutoHealing") != ""
	l.InstallUpdatesOnBoot = form.Get("InstallUpdatesOnBoot") != ""
	l.AutoAssignPublicIPs = form.Get("AutoAssignPublicIps") != ""
	l.AutoAssignElasticIPs = form.Get("AutoAssignElasticIps") != ""
	l.UseEbsOptimizedInstances = form.Get("UseEbsOptimizedInstances") != ""
	l.CustomInstanceProfileArn = trimmed(form, "CustomInstanceProfileArn")
	l.CustomJSON = customJSON(form)
	l.Packages, l.CustomSecurityGroupIDs = strings.Fields(form.Get("Packages")), strings.Fields(form.Get("CustomSecurityGroupIds"))
	for _, a := range views.LayerAttributes(l.Type) {
		value := trimmed(form, "attr-"+a.Key)
		if a.Bool {
			value = strconv.FormatBool(value != "")
		}
		l.Attributes[a.Key] = value
	}
	return nil
}

// customJSON is the text of the editor, with the line ends of the browser made
// plain.
func customJSON(form url.Values) string {
	return strings.TrimSpace(strings.ReplaceAll(form.Get("CustomJson"), "\r\n", "\n"))
}
