package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

const (
	failureGroups = 5
	failureNamed  = 8
)

// showDeployment is the page of one deployment.
func (h *Handlers) showDeployment(w http.ResponseWriter, r *http.Request, stack *models.Stack, d *models.Deployment) {
	q := known(r.URL.Query(), "state", "offset", "command")
	page, err := h.deploymentPage(r.Context(), stack, d, q)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	live := "deployment/" + string(d.ID)
	if query := q.Encode(); query != "" {
		live += "?" + query
	}
	name := fmt.Sprintf("#%d", d.Number)
	page.Frame = h.framed(w, r, page.Frame, "deployments", page.Title+" "+name, live,
		crumb("Deployments", views.StackHref(stack.ID)+"/deployments"), crumb(name, ""))
	if page.Chosen != nil && h.Logs != nil {
		page.LogPane = views.LogPane(h.logPane(r.Context(), page.Chosen))
		page.Frame.Page.Scripts = []string{"js/log.js"}
	}
	h.render(w, r, http.StatusOK, views.DeploymentPage(page))
}

// commandFilters are the choices above the table of commands.
var commandFilters = map[string][]models.CommandStatus{
	"failed":     {models.CommandFailed, models.CommandExpired},
	"running":    {models.CommandRunning},
	"pending":    {models.CommandPending, models.CommandSent},
	"successful": {models.CommandSuccessful},
}

// deploymentPage reads counts, failures and one page of commands: as much for
// a fleet of thousands as for three instances.
func (h *Handlers) deploymentPage(ctx context.Context, stack *models.Stack, d *models.Deployment, q url.Values) (views.DeploymentShow, error) {
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return views.DeploymentShow{}, err
	}
	p := views.DeploymentShow{Frame: frame, Now: h.Now(), Deployment: *d}
	title, apps, err := h.titles(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Title = title(*d)
	if n := slices.IndexFunc(apps, func(a models.App) bool { return a.ID == d.AppID }); n >= 0 {
		p.App = &apps[n]
	}
	counts, err := h.Store.Commands.CountByStatus(ctx, d.ID)
	if err != nil {
		return p, err
	}
	p.Progress = counts
	if err := h.rollout(ctx, &p); err != nil {
		return p, err
	}
	if p.Usual, err = h.Store.Deployments.Usual(ctx, d); err != nil {
		return p, err
	}
	if p.Sources, err = h.fetchedSources(ctx, d.ID); err != nil {
		return p, err
	}
	if err := h.commandRows(ctx, &p, q); err != nil {
		return p, err
	}
	if err := h.chooseCommand(ctx, &p, models.CommandID(q.Get("command"))); err != nil {
		return p, err
	}
	if err := h.failureGroups(ctx, &p); err != nil {
		return p, err
	}
	p.Strip, err = h.strip(ctx, &p)
	return p, err
}

func (h *Handlers) commandRows(ctx context.Context, p *views.DeploymentShow, q url.Values) error {
	statuses, ok := commandFilters[q.Get("state")]
	total := p.Progress.Total()
	if ok {
		p.Filter, total = q.Get("state"), 0
		for _, s := range statuses {
			total += p.Progress[s]
		}
	}
	commands, err := h.Store.Commands.Page(ctx, p.Deployment.ID, store.CommandFilter{Statuses: statuses}, perPage, offsetOf(q))
	if err != nil {
		return err
	}
	for _, c := range commands {
		p.Rows = append(p.Rows, views.CommandRow{Command: c, Duration: views.CommandDuration(c, p.Now)})
	}
	p.Pager = views.Pager{
		Path: views.DeploymentHref(p.Deployment.ID), Query: known(q, "state", "offset"), Offset: offsetOf(q), Limit: perPage,
		Total: total, Overall: p.Progress.Total(),
	}
	return nil
}

// chooseCommand picks whose log is shown: the one in the address, else the
// first failed, else the first that runs, else the first.
func (h *Handlers) chooseCommand(ctx context.Context, p *views.DeploymentShow, id models.CommandID) error {
	if id != "" {
		c, err := h.Store.Commands.Get(ctx, id)
		if err == nil && c.DeploymentID == p.Deployment.ID {
			p.Chosen = c
			return nil
		}
		if err != nil && models.CodeOf(err) != models.CodeNotFound {
			return err
		}
	}
	if len(p.Rows) > 0 {
		p.Chosen = &p.Rows[0].Command
	}
	return nil
}

// failureGroups reads the largest groups of what failed alike, each with a few
// instances, and how many groups there are.
func (h *Handlers) failureGroups(ctx context.Context, p *views.DeploymentShow) error {
	if p.Progress.Failed() == 0 {
		return nil
	}
	groups, n, err := h.Store.Commands.FailureGroups(ctx, p.Deployment.ID, failureGroups)
	if err != nil {
		return err
	}
	p.FailureGroups = n
	for _, g := range groups {
		commands, err := h.Store.Commands.FailedWith(ctx, p.Deployment.ID, g.Failure, failureNamed)
		if err != nil {
			return err
		}
		p.Failures = append(p.Failures, views.FailureGroup{Message: g.Message, N: g.N, Commands: commands})
	}
	return nil
}

// strip is the grid of instances and steps, for deployments small enough.
func (h *Handlers) strip(ctx context.Context, p *views.DeploymentShow) (*views.Strip, error) {
	if total := p.Progress.Total(); total == 0 || total > views.MaxCells {
		return nil, nil
	}
	commands, err := h.Store.Commands.OfDeployment(ctx, p.Deployment.ID)
	if err != nil {
		return nil, err
	}
	ids := make([]models.CommandID, len(commands))
	instances := make([]models.InstanceID, len(commands))
	for n, c := range commands {
		ids[n], instances[n] = c.ID, c.InstanceID
	}
	steps, err := h.Store.Commands.Steps(ctx, ids)
	if err != nil {
		return nil, err
	}
	groups, err := h.Store.Instances.FirstLayers(ctx, instances)
	if err != nil {
		return nil, err
	}
	return views.BuildStrip(commands, groups, steps), nil
}

func (h *Handlers) liveDeployment(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	if _, _, err := h.openDeployment(ctx, models.DeploymentID(id), models.ActionShow); err != nil {
		return liveView{}, err
	}
	return liveView{
		Topics: []string{engine.TopicDeployment(models.DeploymentID(id))},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			stack, d, err := h.openDeployment(ctx, models.DeploymentID(id), models.ActionShow)
			if err != nil {
				return nil, err
			}
			p, err := h.deploymentPage(ctx, stack, d, known(q, "state", "offset", "command"))
			if err != nil {
				return nil, err
			}
			return views.DeploymentLive(p), nil
		},
	}, nil
}

// cancelDeployment ends what has not finished.
func (h *Handlers) cancelDeployment(w http.ResponseWriter, r *http.Request, _ *models.Stack, d *models.Deployment) {
	if err := h.Engine.CancelDeployment(r.Context(), d.ID); err != nil {
		h.refused(w, r, err, views.DeploymentHref(d.ID))
		return
	}
	h.done(w, r, views.DeploymentHref(d.ID), fmt.Sprintf("#%d is being cancelled. What has finished stays as it is.", d.Number))
}

// retryDeployment runs the same command again where it failed and where it was
// not reached.
func (h *Handlers) retryDeployment(w http.ResponseWriter, r *http.Request, _ *models.Stack, d *models.Deployment) {
	again, err := h.Engine.RetryDeployment(r.Context(), d.ID)
	if err != nil {
		h.refused(w, r, err, views.DeploymentHref(d.ID))
		return
	}
	h.done(w, r, views.DeploymentHref(again.ID), fmt.Sprintf("Runs again on %s where #%d failed or was not run.", views.Count(again.Commands, "instance"), d.Number))
}

// cancelCommand ends one instance's part of a deployment.
func (h *Handlers) cancelCommand(w http.ResponseWriter, r *http.Request) {
	id := models.CommandID(r.PathValue("command"))
	c, err := h.Store.Commands.Get(r.Context(), id)
	if err == nil {
		_, err = h.inStackOf(r.Context(), c.StackID, "CancelCommand", "command", string(id))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	back := views.DeploymentHref(c.DeploymentID) + "#commands"
	if err := h.Engine.CancelCommand(r.Context(), id); err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "The command on "+c.Hostname+" is being cancelled.")
}
