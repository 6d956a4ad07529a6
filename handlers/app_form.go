package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

// spareVariables is how many empty lines the form of the environment offers.
const spareVariables = 3

// showNewApp is the form for a new app.
func (h *Handlers) showNewApp(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := views.Form{Values: url.Values{"Type": {string(models.AppStatic)}, "SourceType": {string(models.SourceGit)}}}
	h.showAppForm(w, r, stack, nil, form, http.StatusOK)
}

// showEditApp is the form for an app; secrets show as Filtered, and writing
// that back keeps them.
func (h *Handlers) showEditApp(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App) {
	v := url.Values{
		"Name": {app.Name}, "Type": {string(app.Type)}, "Description": {app.Description},
		"Domains":          {strings.Join(app.Domains, "\n")},
		"SslConfiguration": {app.SslConfiguration.Certificate}, "Chain": {app.SslConfiguration.Chain}, "PrivateKey": {filtered(app.SslConfiguration.PrivateKey)},
	}
	for _, key := range models.AppAttributes {
		v.Set(key, app.Attributes[key])
	}
	tick(v, "EnableSsl", app.EnableSsl)
	fillSource(v, app.AppSource)
	if len(app.DataSources) > 0 {
		d := app.DataSources[0]
		v.Set("DataSourceType", d.Type)
		v.Set("DatabaseName", d.DatabaseName)
		v.Set("RdsArn", d.Arn)
		if d.Type == models.DataSourceMysql {
			v.Set("MysqlArn", d.Arn)
			v.Del("RdsArn")
		}
	}
	for n, e := range app.Environment {
		value := e.Value
		if e.Secure {
			value = filtered(value)
			v.Add("EnvSecure", strconv.Itoa(n))
		}
		v.Add("EnvKey", e.Key)
		v.Add("EnvValue", value)
	}
	h.showAppForm(w, r, stack, app, views.Form{Values: v}, http.StatusOK)
}

// filtered stands for a stored secret.
func filtered(secret string) string {
	if secret == "" {
		return ""
	}
	return models.Filtered
}

// fillSource writes a source into a form, without its secrets.
func fillSource(v url.Values, s models.Source) {
	s = s.Redacted()
	v.Set("SourceType", string(s.Type))
	v.Set("SourceUrl", s.URL)
	v.Set("SourceRevision", s.Revision)
	v.Set("SourceUsername", s.Username)
	v.Set("SourcePassword", s.Password)
	v.Set("SourceSshKey", s.SSHKey)
}

// sourceOf reads a source out of a form.
func sourceOf(form url.Values) models.Source {
	if form.Get("SourceType") == "" {
		return models.Source{}
	}
	return models.Source{
		Type: models.SourceType(form.Get("SourceType")), URL: trimmed(form, "SourceUrl"), Revision: trimmed(form, "SourceRevision"),
		Username: trimmed(form, "SourceUsername"), Password: form.Get("SourcePassword"), SSHKey: pem(form, "SourceSshKey"),
	}
}

// pem is a key or certificate as it was pasted, with plain line ends; keys
// need the last one.
func pem(form url.Values, name string) string {
	text := strings.TrimSpace(strings.ReplaceAll(form.Get(name), "\r\n", "\n"))
	if text == "" || text == models.Filtered {
		return text
	}
	return text + "\n"
}

func (h *Handlers) showAppForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App, form views.Form, status int) {
	page, err := h.appForm(w, r, stack, app, form)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.AppFormPage(page))
}

func (h *Handlers) appForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App, form views.Form) (views.AppForm, error) {
	p := views.AppForm{App: app, Form: form, Env: environmentRows(form.Values)}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return p, err
	}
	if err := h.dataSources(r.Context(), stack.ID, &p); err != nil {
		return p, err
	}
	title := "New app"
	if app != nil {
		title = "Edit " + app.Name
	}
	p.Frame = h.framed(w, r, frame, "apps", title, "", crumb("Apps", frame.Href("/apps")), crumb(title, ""))
	p.Frame.Page.Scripts = []string{"js/fields.js"}
	return p, nil
}

// dataSources reads what the app's database can be: databases that are
// registered, the database layer, and its instances.
func (h *Handlers) dataSources(ctx context.Context, stack models.StackID, p *views.AppForm) error {
	databases, err := h.Store.RdsDbInstances.InStack(ctx, stack)
	if err != nil {
		return err
	}
	for _, d := range databases {
		p.Databases = append(p.Databases, views.ArnChoice{Arn: d.Arn, Name: d.DbInstanceIdentifier})
	}
	layers, err := h.Store.Layers.InStack(ctx, stack)
	if err != nil {
		return err
	}
	for _, l := range layers {
		if l.Type != models.LayerDBMaster {
			continue
		}
		p.Mysql = append(p.Mysql, views.ArnChoice{Arn: l.Arn, Name: "Layer " + l.Name + ", whichever instance serves"})
		list, _, err := h.Store.Instances.Page(ctx, stack, store.InstanceFilter{LayerID: l.ID}, offeredHosts, 0)
		if err != nil {
			return err
		}
		for _, i := range list {
			p.Mysql = append(p.Mysql, views.ArnChoice{Arn: i.Arn, Name: i.Hostname})
		}
	}
	return nil
}

// environmentRows are the lines of the form: what is there, and some empty ones.
func environmentRows(v url.Values) []views.EnvRow {
	var rows []views.EnvRow
	for n, key := range v["EnvKey"] {
		value := ""
		if n < len(v["EnvValue"]) {
			value = v["EnvValue"][n]
		}
		if key == "" && value == "" {
			continue
		}
		rows = append(rows, views.EnvRow{Key: key, Value: value, Secure: slices.Contains(v["EnvSecure"], strconv.Itoa(n))})
	}
	return append(rows, make([]views.EnvRow, spareVariables)...)
}

// withMoreRows is the form with empty lines added, for browsers that do not add
// them in the page.
func withMoreRows(form url.Values) views.Form {
	f := views.Form{Values: form}
	if forgetSecrets(form) {
		f.Problem = strings.TrimSpace(typeAgain)
	}
	return f
}

// createApp adds an app.
func (h *Handlers) createApp(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	if form.Get("do") == "more" {
		h.showAppForm(w, r, stack, nil, withMoreRows(form), http.StatusOK)
		return
	}
	app := models.App{StackID: stack.ID, Shortname: trimmed(form, "Shortname")}
	fillApp(&app, form)
	made, err := h.Engine.CreateApp(r.Context(), app)
	if err != nil {
		h.refusedApp(w, r, stack, nil, err)
		return
	}
	h.done(w, r, views.AppHref(stack.ID, made.ID), "App "+made.Name+" was added. Deploy brings it to its instances.")
}

// updateApp changes an app; running instances see it at the next deploy.
func (h *Handlers) updateApp(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App) {
	if r.PostForm.Get("do") == "more" {
		h.showAppForm(w, r, stack, app, withMoreRows(r.PostForm), http.StatusOK)
		return
	}
	_, err := h.Engine.UpdateApp(r.Context(), app.ID, func(a *models.App) error {
		fillApp(a, r.PostForm) // the engine puts back what was shown as filtered
		return nil
	})
	if err != nil {
		h.refusedApp(w, r, stack, app, err)
		return
	}
	h.done(w, r, views.AppHref(stack.ID, app.ID), "The changes were saved. The next deploy brings them to the instances.")
}

func (h *Handlers) refusedApp(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App, err error) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		page, err := h.appForm(w, r, stack, app, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		if err != nil {
			return failed{err}
		}
		return views.AppFormPage(page)
	})
}

func fillApp(a *models.App, form url.Values) {
	a.Name, a.Description, a.Type = trimmed(form, "Name"), trimmed(form, "Description"), models.AppType(form.Get("Type"))
	a.AppSource = sourceOf(form)
	a.Domains = strings.Fields(strings.ReplaceAll(form.Get("Domains"), ",", " "))
	a.EnableSsl = form.Get("EnableSsl") != ""
	a.SslConfiguration = models.SslConfiguration{Certificate: pem(form, "SslConfiguration"), PrivateKey: pem(form, "PrivateKey"), Chain: pem(form, "Chain")}
	attributes := map[string]string{} // a copy: the stored map must not change
	for key, value := range a.Attributes {
		attributes[key] = value
	}
	for _, key := range models.AppAttributes {
		delete(attributes, key)
		if value := trimmed(form, key); value != "" {
			attributes[key] = value
		}
	}
	a.Attributes = attributes
	a.DataSources = nil
	if kind := form.Get("DataSourceType"); kind != "" {
		arn := map[string]string{models.DataSourceRds: trimmed(form, "RdsArn"), models.DataSourceMysql: trimmed(form, "MysqlArn")}[kind]
		a.DataSources = []models.DataSource{{Type: kind, DatabaseName: trimmed(form, "DatabaseName"), Arn: arn}}
	}
	a.Environment = nil
	for _, row := range environmentRows(form) {
		if row.Key != "" || row.Value != "" {
			a.Environment = append(a.Environment, models.EnvironmentVariable{Key: strings.TrimSpace(row.Key), Value: row.Value, Secure: row.Secure})
		}
	}
}
