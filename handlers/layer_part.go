package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// partForm is one part of a layer's settings as a form.
func partForm(tab string, stack *models.Stack, l *models.Layer) views.Form {
	switch tab {
	case "settings":
		return generalForm(l)
	case "json":
		return views.Form{Values: url.Values{"CustomJson": {l.CustomJSON}}}
	case "network":
		v := url.Values{}
		tick(v, "AutoAssignElasticIps", l.AutoAssignElasticIPs)
		tick(v, "AutoAssignPublicIps", l.AutoAssignPublicIPs)
		return views.Form{Values: v}
	case "security":
		return views.Form{Values: url.Values{
			"CustomSecurityGroupIds": {strings.Join(l.CustomSecurityGroupIDs, "\n")}, "CustomInstanceProfileArn": {l.CustomInstanceProfileArn},
		}}
	case "volumes":
		return views.Form{Values: views.VolumesForm(l.VolumeConfigurations)}
	case "logs":
		return views.Form{Values: views.StreamsForm(l.CloudWatchLogsConfiguration)}
	case "tags":
		return views.Form{Values: views.TagsForm(l.Tags, stack.Tags)}
	}
	return views.Form{}
}

// layerAgain draws a layer's page with a form as it was typed.
func (h *Handlers) layerAgain(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer, tab string, form views.Form, status int) {
	page, err := h.layerPage(r.Context(), stack, l, tab)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Form = form
	if tab == "scaling" {
		if err := h.fillScaling(r.Context(), &page, nil); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.drawLayer(w, r, status, page)
}

// savePart stores one part of a layer's settings and leaves the others alone.
func (h *Handlers) savePart(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer, tab, done string, fill func(*models.Layer, url.Values) error) {
	_, err := h.Engine.UpdateLayer(r.Context(), l.ID, func(l *models.Layer) error { return fill(l, r.PostForm) })
	switch {
	case err == nil:
		h.done(w, r, views.LayerHref(stack.ID, l.ID)+"?tab="+tab, done)
	case refusal(err):
		form := refusedForm(r.PostForm, err)
		if _, ok := l.Type.Attribute(form.Field); ok {
			form.Field = views.AttributeField(form.Field)
		}
		h.layerAgain(w, r, stack, l, tab, form, http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
	}
}

// updateLayer stores the general settings of a layer.
func (h *Handlers) updateLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	h.savePart(w, r, stack, l, "settings", "The settings were saved. Instances see them at their next event.", fillGeneral)
}

// generalForm holds a layer's names, attributes and shutdown; secrets show as
// Filtered, and writing that back keeps them.
func generalForm(l *models.Layer) views.Form {
	v := url.Values{
		"HealingMode": {string(l.HealingMode())}, "Name": {l.Name}, "Shortname": {l.Shortname}, "Engine": {l.Engine}, "ExecutionTimeout": {strconv.Itoa(l.Shutdown.ExecutionTimeout)},
		"Packages": {strings.Join(l.Packages, "\n")},
	}
	for name, on := range map[string]bool{
		"DelayUntilElbConnectionsDrained": l.Shutdown.DelayUntilElbConnectionsDrained,
		"InstallUpdatesOnBoot":            l.InstallUpdatesOnBoot, "UseEbsOptimizedInstances": l.UseEbsOptimizedInstances,
	} {
		tick(v, name, on)
	}
	for _, a := range l.Type.Attributes() {
		name := views.AttributeField(a.Key)
		switch value := l.Attributes[a.Key]; {
		case a.Boolean:
			tick(v, name, l.On(a.Key))
		case a.Secret:
			v.Set(name, filtered(value))
		default:
			v.Set(name, value)
		}
	}
	return views.Form{Values: v}
}

func fillGeneral(l *models.Layer, form url.Values) error {
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
	if form.Has("HealingMode") {
		if err := healingMode(l, form.Get("HealingMode")); err != nil {
			return err
		}
	}
	l.InstallUpdatesOnBoot = form.Get("InstallUpdatesOnBoot") != ""
	l.UseEbsOptimizedInstances = form.Get("UseEbsOptimizedInstances") != ""
	l.Packages = strings.Fields(form.Get("Packages"))
	if form.Has("Engine") { // a field that is fixed is not sent
		l.Engine = form.Get("Engine")
	}
	fillAttributes(l, form)
	return nil
}

// fillAttributes reads the attributes of the layer's type.
func fillAttributes(l *models.Layer, form url.Values) {
	if l.Attributes == nil {
		l.Attributes = map[string]string{}
	}
	for _, a := range l.Type.Attributes() {
		value := trimmed(form, views.AttributeField(a.Key))
		if a.Boolean {
			value = strconv.FormatBool(value != "")
		}
		l.Attributes[a.Key] = value
	}
}

// updateLayerJSON stores a layer's custom JSON.
func (h *Handlers) updateLayerJSON(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	h.savePart(w, r, stack, l, "json", "The custom JSON was saved. Instances see it at their next event.", func(l *models.Layer, form url.Values) error {
		l.CustomJSON = customJSON(form)
		return nil
	})
}

// updateLayerNetwork stores which addresses a layer's instances get.
func (h *Handlers) updateLayerNetwork(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	h.savePart(w, r, stack, l, "network", "The network settings were saved. Instances see them when they start.", func(l *models.Layer, form url.Values) error {
		l.AutoAssignPublicIPs = form.Get("AutoAssignPublicIps") != ""
		l.AutoAssignElasticIPs = form.Get("AutoAssignElasticIps") != ""
		return nil
	})
}

// updateLayerSecurity stores a layer's security groups and instance profile.
func (h *Handlers) updateLayerSecurity(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	h.savePart(w, r, stack, l, "security", "The security settings were saved. New instances get them.", func(l *models.Layer, form url.Values) error {
		l.CustomSecurityGroupIDs = strings.Fields(form.Get("CustomSecurityGroupIds"))
		l.CustomInstanceProfileArn = trimmed(form, "CustomInstanceProfileArn")
		return nil
	})
}

// updateLayerVolumes stores the volumes of a layer's instances.
func (h *Handlers) updateLayerVolumes(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	if editRows(r.PostForm, views.VolumeFields...) {
		h.layerAgain(w, r, stack, l, "volumes", views.Form{Values: r.PostForm}, http.StatusOK)
		return
	}
	h.savePart(w, r, stack, l, "volumes", "The volumes were saved. Instances get them when they are started the next time.", fillVolumes)
}

func fillVolumes(l *models.Layer, form url.Values) error {
	l.VolumeConfigurations = nil
	for n := range form["MountPoint"] {
		row := rowReader{form: form, n: n, field: "VolumeConfigurations", what: "Volume " + strconv.Itoa(n+1)}
		encrypted := row.text("Encrypted") == "yes"
		v := models.VolumeConfiguration{
			MountPoint: row.text("MountPoint"), Size: row.number("Size", "its size"), NumberOfDisks: 1,
			VolumeType: row.text("VolumeType"), Iops: row.optional("Iops", "its IOPS"), RaidLevel: row.optional("RaidLevel", "its RAID level"),
		}
		if row.text("NumberOfDisks") != "" {
			v.NumberOfDisks = row.number("NumberOfDisks", "its disks")
		}
		if encrypted {
			v.Encrypted = &encrypted
		}
		if row.err != nil {
			return row.err
		}
		l.VolumeConfigurations = append(l.VolumeConfigurations, v)
	}
	return nil
}

// updateLayerLogs stores the log streams of a layer.
func (h *Handlers) updateLayerLogs(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	if editRows(r.PostForm, views.StreamFields...) {
		h.layerAgain(w, r, stack, l, "logs", views.Form{Values: r.PostForm}, http.StatusOK)
		return
	}
	h.savePart(w, r, stack, l, "logs", "The log streams were saved.", fillStreams)
}

func fillStreams(l *models.Layer, form url.Values) error {
	c := models.CloudWatchLogsConfiguration{Enabled: form.Get("Enabled") != ""}
	for n := range form["File"] {
		row := rowReader{form: form, n: n, field: "CloudWatchLogsConfiguration", what: "Log stream " + strconv.Itoa(n+1)}
		s := models.CloudWatchLogsLogStream{
			File: row.text("File"), LogGroupName: row.text("LogGroupName"), DatetimeFormat: row.text("DatetimeFormat"),
			TimeZone: row.text("TimeZone"), InitialPosition: row.text("InitialPosition"), Encoding: row.text("Encoding"),
			FileFingerprintLines: row.text("FileFingerprintLines"), MultiLineStartPattern: row.text("MultiLineStartPattern"),
			BufferDuration: row.number("BufferDuration", "its buffer"), BatchCount: row.number("BatchCount", "its batch"), BatchSize: row.number("BatchSize", "its batch"),
		}
		if row.err != nil {
			return row.err
		}
		c.LogStreams = append(c.LogStreams, s)
	}
	l.CloudWatchLogsConfiguration = c
	return nil
}

// rowReader reads one row of a form of rows and keeps the first mistake.
type rowReader struct {
	form  url.Values
	n     int
	field string // the member that a mistake is about
	what  string // the row, in sentences
	err   error
}

func (r *rowReader) text(name string) string { return strings.TrimSpace(at(r.form[name], r.n)) }

// number reads a whole number; nothing is zero.
func (r *rowReader) number(name, what string) int {
	if n := r.optional(name, what); n != nil {
		return *n
	}
	return 0
}

// optional reads a whole number that may be left out.
func (r *rowReader) optional(name, what string) *int {
	text := r.text(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil && r.err == nil {
		r.err = models.InvalidField(r.field, "%s: %s must be a whole number.", r.what, what)
	}
	return &n
}
