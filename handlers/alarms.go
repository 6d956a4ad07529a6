package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"

	"github.com/a-h/templ"
)

// alarmEngine is what the page of alarms asks of the engine.
type alarmEngine interface {
	CreateAlarm(ctx context.Context, a models.Alarm) (*models.Alarm, error)
	UpdateAlarm(ctx context.Context, id models.AlarmID, change func(*models.Alarm) error) (*models.Alarm, error)
	DeleteAlarm(ctx context.Context, id models.AlarmID) error
	// HasPrometheus tells whether alarms can have a query.
	HasPrometheus() bool
}

// alarmHistory is how many changes of an alarm its page lists.
const alarmHistory = 30

func (h *Handlers) alarmRoutes(mux *http.ServeMux) {
	const show, manage = models.ActionShow, models.ActionManage
	mux.HandleFunc("GET /stacks/{stack}/alarms", h.withStack(show, h.showAlarms))
	mux.HandleFunc("POST /stacks/{stack}/alarms", h.withStack("CreateAlarm", h.createAlarm))
	mux.HandleFunc("POST /stacks/{stack}/alarms/{alarm}", h.withStack("UpdateAlarm", h.updateAlarm))
	mux.HandleFunc("POST /stacks/{stack}/alarms/{alarm}/delete", h.withStack("DeleteAlarm", h.deleteAlarm))
	h.register("alarms", h.liveAlarms)
}

// showAlarms lists a stack's alarms; ?alarm= opens one of them.
func (h *Handlers) showAlarms(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	h.drawAlarms(w, r, stack, models.AlarmID(r.URL.Query().Get("alarm")), views.Form{}, http.StatusOK)
}

func (h *Handlers) drawAlarms(w http.ResponseWriter, r *http.Request, stack *models.Stack, chosen models.AlarmID, form views.Form, status int) {
	page, err := h.alarmsPage(r.Context(), stack, chosen)
	if err == nil && chosen != "" && page.Chosen == nil {
		err = models.NotFound("alarm", chosen)
	}
	if err == nil {
		page.Hostnames, err = h.hostnames(r.Context(), stack.ID)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if page.Form = form; form.Values == nil {
		page.Form = h.alarmForm(r.Context(), page.Chosen)
	}
	live := "alarms/" + string(stack.ID)
	if chosen != "" {
		live += "?alarm=" + string(chosen)
	}
	page.Frame = h.framed(w, r, page.Frame, "alarms", "Alarms of "+stack.Name, live, crumb("Alarms", ""))
	h.render(w, r, status, views.Alarms(page))
}

func (h *Handlers) alarmsPage(ctx context.Context, stack *models.Stack, chosen models.AlarmID) (views.AlarmsPage, error) {
	p := views.AlarmsPage{Now: h.Now(), Prometheus: h.Engine.HasPrometheus()}
	var err error
	if p.Frame, _, err = h.frame(ctx, stack); err != nil {
		return p, err
	}
	alarms, err := h.Store.Alarms.InStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	if p.Layers, err = h.Store.Layers.InStack(ctx, stack.ID); err != nil {
		return p, err
	}
	names, err := hostnamesOf(ctx, h.Store, alarms, func(a models.Alarm) models.InstanceID { return a.InstanceID })
	if err != nil {
		return p, err
	}
	used, err := h.alarmUsers(ctx, p.Layers)
	if err != nil {
		return p, err
	}
	for _, a := range alarms {
		row := views.AlarmRow{Alarm: a, UsedBy: used[a.Name]}
		row.Scope, row.Href = alarmScope(stack, &a, p.Layers, names)
		p.Rows = append(p.Rows, row)
		if a.ID == chosen {
			p.Chosen = &row
		}
	}
	p.Sort()
	if p.Chosen != nil {
		p.History, err = h.Store.Alarms.History(ctx, chosen, alarmHistory)
	}
	return p, err
}

// alarmUsers are the names of the layers whose scaling looks at an alarm, by
// its name.
func (h *Handlers) alarmUsers(ctx context.Context, layers []models.Layer) (map[string][]string, error) {
	ids, names := make([]models.LayerID, len(layers)), map[models.LayerID]string{}
	for n, l := range layers {
		ids[n], names[l.ID] = l.ID, l.Name
	}
	configs, err := h.Store.LoadBasedAutoScaling.OfLayers(ctx, ids)
	used := map[string][]string{}
	for _, c := range configs {
		for _, alarm := range slices.Concat(c.UpScaling.Alarms, c.DownScaling.Alarms) {
			if name := names[c.LayerID]; !slices.Contains(used[alarm], name) {
				used[alarm] = append(used[alarm], name)
			}
		}
	}
	return used, err
}

func alarmScope(stack *models.Stack, a *models.Alarm, layers []models.Layer, hostnames map[models.InstanceID]string) (text, href string) {
	switch {
	case a.Query != "":
		return "a query", ""
	case a.InstanceID != "":
		return hostnames[a.InstanceID], views.MonitoringHref(a.InstanceID)
	case a.LayerID == "":
		return "the stack", views.StackHref(stack.ID) + "/monitoring"
	}
	for _, l := range layers {
		if l.ID == a.LayerID {
			text = "layer " + l.Name
		}
	}
	return text, views.LayerHref(stack.ID, a.LayerID) + "/monitoring"
}

// alarmForm is the form of an alarm, or of a new one.
func (h *Handlers) alarmForm(ctx context.Context, row *views.AlarmRow) views.Form {
	if row == nil {
		return views.Form{Values: url.Values{"Metric": {string(models.MetricCPU)}, "Statistic": {string(models.StatisticAverage)}, "Comparison": {string(models.Above)}, "Minutes": {"5"}, "Of": {"5"}}}
	}
	a := &row.Alarm
	hostname := ""
	if i, err := h.Store.Instances.Get(ctx, a.InstanceID); err == nil {
		hostname = i.Hostname
	}
	return views.Form{Values: url.Values{
		"Name": {a.Name}, "Metric": {string(a.Metric)}, "Statistic": {string(a.Statistic)}, "LayerId": {string(a.LayerID)}, "InstanceId": {hostname}, "Query": {a.Query},
		"Comparison": {string(a.Comparison)}, "Threshold": {strconv.FormatFloat(a.Threshold, 'f', -1, 64)}, "Minutes": {strconv.Itoa(a.Minutes)}, "Of": {strconv.Itoa(a.Of)},
	}}
}

// fillAlarm takes an alarm's rule from its form.
func (h *Handlers) fillAlarm(ctx context.Context, stack models.StackID, a *models.Alarm, form url.Values) error {
	a.Name, a.Query = trimmed(form, "Name"), trimmed(form, "Query")
	a.Metric, a.Statistic, a.Comparison = models.Metric(form.Get("Metric")), models.AlarmStatistic(form.Get("Statistic")), models.AlarmComparison(form.Get("Comparison"))
	a.LayerID, a.InstanceID = models.LayerID(form.Get("LayerId")), ""
	var err error
	if a.Threshold, err = strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(trimmed(form, "Threshold"), "%")), 64); err != nil {
		return models.InvalidField("Threshold", "Threshold: must be a number.")
	}
	for name, value := range map[string]*int{"Minutes": &a.Minutes, "Of": &a.Of} {
		if *value, err = strconv.Atoi(trimmed(form, name)); err != nil {
			return models.InvalidField(name, "%s: must be a whole number.", name)
		}
	}
	hostname := trimmed(form, "InstanceId")
	if hostname == "" {
		return nil
	}
	i, err := h.Store.Instances.ByHostname(ctx, stack, hostname)
	if err != nil {
		return models.InvalidField("InstanceId", "Instance: the stack has no %s.", hostname).Because(err)
	}
	a.InstanceID = i.ID
	return nil
}

func (h *Handlers) createAlarm(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	a := &models.Alarm{StackID: stack.ID}
	err := h.fillAlarm(r.Context(), stack.ID, a, r.PostForm)
	if err == nil {
		a, err = h.Engine.CreateAlarm(r.Context(), *a)
	}
	if err != nil {
		h.alarmRefused(w, r, stack, "", err)
		return
	}
	h.done(w, r, views.AlarmHref(stack.ID, a.ID), "The alarm "+a.Name+" is looked at from the next minute on.")
}

// alarmOf finds the alarm of the path in its stack.
func (h *Handlers) alarmOf(r *http.Request, stack *models.Stack) (*models.Alarm, error) {
	id := models.AlarmID(r.PathValue("alarm"))
	a, err := h.Store.Alarms.Get(r.Context(), id)
	if err == nil && a.StackID != stack.ID {
		err = models.NotFound("alarm", id)
	}
	return a, err
}

func (h *Handlers) updateAlarm(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	a, err := h.alarmOf(r, stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	_, err = h.Engine.UpdateAlarm(r.Context(), a.ID, func(a *models.Alarm) error { return h.fillAlarm(r.Context(), stack.ID, a, r.PostForm) })
	if err != nil {
		h.alarmRefused(w, r, stack, a.ID, err)
		return
	}
	h.done(w, r, views.AlarmHref(stack.ID, a.ID), "The alarm was saved.")
}

func (h *Handlers) deleteAlarm(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	a, err := h.alarmOf(r, stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if err := h.Engine.DeleteAlarm(r.Context(), a.ID); err != nil {
		h.refused(w, r, err, views.AlarmHref(stack.ID, a.ID))
		return
	}
	h.done(w, r, views.AlarmsHref(stack.ID), "The alarm "+a.Name+" was deleted.")
}

// alarmRefused shows the form again, with what was typed.
func (h *Handlers) alarmRefused(w http.ResponseWriter, r *http.Request, stack *models.Stack, chosen models.AlarmID, err error) {
	if !refusal(err) {
		h.fail(w, r, err)
		return
	}
	h.drawAlarms(w, r, stack, chosen, refusedForm(r.PostForm, err), web.StatusOf(err))
}

func (h *Handlers) liveAlarms(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	return h.liveInStack(ctx, id, func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		p, err := h.alarmsPage(ctx, stack, models.AlarmID(q.Get("alarm")))
		return views.AlarmsLive(p), err
	})
}
