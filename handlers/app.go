package handlers

import (
	"context"
	"net/http"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

const appDeployments = 20

// showApps lists the apps of a stack.
func (h *Handlers) showApps(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	apps, err := h.Store.Apps.InStack(r.Context(), stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	rows, err := h.appVersions(r.Context(), stack.ID, apps)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	frame = h.framed(w, r, frame, "apps", "Apps of "+stack.Name, "", crumb("Apps", ""))
	h.render(w, r, http.StatusOK, views.AppsPage(views.AppList{Frame: frame, Now: h.Now(), Rows: rows}))
}

// showApp is the page of an app.
func (h *Handlers) showApp(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App) {
	page, err := h.appPage(r.Context(), stack, app)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Frame = h.framed(w, r, page.Frame, "apps", app.Name, "app/"+string(app.ID), crumb("Apps", page.Frame.Href("/apps")), crumb(app.Name, ""))
	h.render(w, r, http.StatusOK, views.AppPage(page))
}

func (h *Handlers) appPage(ctx context.Context, stack *models.Stack, app *models.App) (views.AppShow, error) {
	frame, counts, err := h.frame(ctx, stack)
	if err != nil {
		return views.AppShow{}, err
	}
	p := views.AppShow{Frame: frame, Now: h.Now(), App: *app, Online: counts[models.InstanceOnline]}
	list, err := h.Store.Deployments.OfApp(ctx, app.ID, appDeployments)
	if err != nil {
		return p, err
	}
	for _, d := range list {
		p.Deployments = append(p.Deployments, views.DeploymentRow{Deployment: d, Title: views.DeploymentTitle(d, app.Name)})
	}
	if len(list) > 0 {
		p.Last = &list[0]
	}
	return p, nil
}

func (h *Handlers) liveApp(ctx context.Context, key string) (liveView, error) {
	app, err := h.Store.Apps.Get(ctx, models.AppID(key))
	if err != nil {
		return liveView{}, err
	}
	view, err := h.liveInStack(ctx, string(app.StackID), func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		app, err := h.Store.Apps.Get(ctx, app.ID)
		if err != nil {
			return nil, err
		}
		p, err := h.appPage(ctx, stack, app)
		return views.AppLive(p), err
	})
	return onlyFor(view, "deployment", "stack"), err
}

// onlyFor leaves out the news that do not change a view.
func onlyFor(v liveView, kinds ...string) liveView {
	draw := v.Render
	v.Render = func(ctx context.Context, changed []pubsub.Message) (templ.Component, error) {
		for _, m := range changed {
			for _, k := range kinds {
				if m.Kind == k {
					return draw(ctx, changed)
				}
			}
		}
		if len(changed) > 0 {
			return nil, nil
		}
		return draw(ctx, changed)
	}
	return v
}

// deleteApp deletes an app; its short name was typed.
func (h *Handlers) deleteApp(w http.ResponseWriter, r *http.Request, stack *models.Stack, app *models.App) {
	err := typed(r, app.Shortname)
	if err == nil {
		err = h.Engine.DeleteApp(r.Context(), app.ID)
	}
	if err != nil {
		h.refused(w, r, err, views.AppHref(stack.ID, app.ID))
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/apps", "App "+app.Name+" was deleted; Undeploy removes it from its instances.")
}
