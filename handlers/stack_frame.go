package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// frame is what surrounds a page inside a stack. Live parts have no request
// and take it as it is; pages add their Page with framed.
func (h *Handlers) frame(ctx context.Context, stack *models.Stack) (views.StackFrame, views.StatusCounts, error) {
	level, err := h.Engine.Level(ctx, stack.ID)
	if err != nil {
		return views.StackFrame{}, nil, err
	}
	sums, err := h.Store.Stacks.Summaries(ctx, []models.StackID{stack.ID})
	if err != nil {
		return views.StackFrame{}, nil, err
	}
	sum := sums[stack.ID]
	return views.StackFrame{
		ID: stack.ID, Name: stack.Name, Layers: sum.Layers, Instances: sum.Instances, Apps: sum.Apps,
		CanDeploy: level.Allows(models.ActionDeploy), CanManage: level.Allows(models.ActionManage),
	}, sum.ByStatus, nil
}

// framed completes a frame for a page: title, tab, the way to it, and the live
// parts it shows.
func (h *Handlers) framed(w http.ResponseWriter, r *http.Request, f views.StackFrame, tab, title, live string, crumbs ...ui.Crumb) views.StackFrame {
	way := append([]ui.Crumb{{Label: "Stacks", Href: "/stacks"}, {Label: f.Name, Href: templ.SafeURL(views.StackHref(f.ID))}}, crumbs...)
	f.Tab = tab
	f.Page = h.page(w, r, title, "stacks", way...)
	f.Page.Live = live
	return f
}

// crumb is one step of the way to a page; without an address it is the page.
func crumb(label, href string) ui.Crumb { return ui.Crumb{Label: label, Href: templ.SafeURL(href)} }

// titles names deployments after their apps; one whose app is gone keeps its
// command's name alone.
func (h *Handlers) titles(ctx context.Context, stack models.StackID) (func(models.Deployment) string, []models.App, error) {
	apps, err := h.Store.Apps.InStack(ctx, stack)
	if err != nil {
		return nil, nil, err
	}
	names := make(map[models.AppID]string, len(apps))
	for _, a := range apps {
		names[a.ID] = a.Name
	}
	return func(d models.Deployment) string { return views.DeploymentTitle(d, names[d.AppID]) }, apps, nil
}
