package handlers

import (
	"context"
	"net/http"
	"net/url"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showDeployments lists the deployments and commands of a stack.
func (h *Handlers) showDeployments(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	q := known(r.URL.Query(), "state", "kind", "app", "offset")
	page, err := h.deploymentList(r.Context(), stack, q)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	live := "deployments/" + string(stack.ID)
	if query := q.Encode(); query != "" {
		live += "?" + query
	}
	page.Frame = h.framed(w, r, page.Frame, "deployments", "Deployments of "+stack.Name, live, crumb("Deployments", ""))
	h.render(w, r, http.StatusOK, views.DeploymentsPage(page))
}

func (h *Handlers) deploymentList(ctx context.Context, stack *models.Stack, q url.Values) (views.DeploymentList, error) {
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return views.DeploymentList{}, err
	}
	p := views.DeploymentList{Frame: frame, Now: h.Now(), Filter: q.Get("state"), Kind: q.Get("kind"), AppID: models.AppID(q.Get("app"))}
	title, apps, err := h.titles(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Apps = apps
	list, total, err := h.Store.Deployments.Page(ctx, stack.ID, deploymentFilter(q), perPage, offsetOf(q))
	if err != nil {
		return p, err
	}
	for _, d := range list {
		p.Rows = append(p.Rows, views.DeploymentRow{Deployment: d, Title: title(d)})
	}
	_, overall, err := h.Store.Deployments.Page(ctx, stack.ID, store.DeploymentFilter{}, 1, 0)
	if err != nil {
		return p, err
	}
	_, p.Running, err = h.Store.Deployments.Page(ctx, stack.ID, store.DeploymentFilter{Status: models.DeploymentRunning}, 1, 0)
	p.Pager = views.Pager{Path: frame.Href("/deployments"), Query: q, Offset: offsetOf(q), Limit: perPage, Total: total, Overall: overall}
	return p, err
}

func deploymentFilter(q url.Values) store.DeploymentFilter {
	f := store.DeploymentFilter{AppID: models.AppID(q.Get("app"))}
	for _, s := range models.DeploymentStatuses {
		if string(s) == q.Get("state") {
			f.Status = s
		}
	}
	switch q.Get("kind") {
	case "asked":
		f.Asked = true
	case "deploy":
		f.Commands = []models.CommandName{models.CommandDeploy}
	case "event":
		f.Commands = []models.CommandName{models.CommandSetup, models.CommandConfigure, models.CommandDeploy, models.CommandUndeploy, models.CommandShutdown}
		f.ByEngine = true
	}
	return f
}

func (h *Handlers) liveDeployments(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	return h.liveInStack(ctx, id, func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		p, err := h.deploymentList(ctx, stack, known(q, "state", "kind", "app", "offset"))
		return views.DeploymentsTable(p), err
	})
}
