package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showLayers lists the layers of a stack in traffic order.
func (h *Handlers) showLayers(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	page, err := h.layerList(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Frame = h.framed(w, r, page.Frame, "layers", "Layers of "+stack.Name, "layers/"+string(stack.ID), crumb("Layers", ""))
	h.render(w, r, http.StatusOK, views.LayersPage(page))
}

func (h *Handlers) layerList(ctx context.Context, stack *models.Stack) (views.LayerList, error) {
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return views.LayerList{}, err
	}
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return views.LayerList{}, err
	}
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return views.LayerList{}, err
	}
	p := views.LayerList{Frame: frame}
	busy, err := h.layersBusy(ctx, stack.ID)
	if err != nil {
		return views.LayerList{}, err
	}
	for _, l := range layers {
		p.Rows = append(p.Rows, views.LayerRow{Layer: l, Counts: counts[l.ID], CPU: busy(l)})
	}
	return p, nil
}

func (h *Handlers) liveLayers(ctx context.Context, key string) (liveView, error) {
	return h.liveInStack(ctx, key, func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		p, err := h.layerList(ctx, stack)
		return views.LayerTable(p), err
	})
}

// showLayer is the page of a layer; ?tab= chooses its part.
func (h *Handlers) showLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	q := r.URL.Query()
	page, err := h.layerPage(r.Context(), stack, l, q.Get("tab"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Editing = page.Tab == "recipes" && q.Get("edit") != "" && page.Frame.CanManage
	page.Form = partForm(page.Tab, stack, l)
	if page.Tab == "scaling" {
		page.Form.Values = nil
		if err := h.fillScaling(r.Context(), &page, q); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.drawLayer(w, r, http.StatusOK, page)
}

func (h *Handlers) drawLayer(w http.ResponseWriter, r *http.Request, status int, page views.LayerShow) {
	page = h.framedLayer(w, r, page)
	h.render(w, r, status, views.LayerPage(page))
}

func (h *Handlers) framedLayer(w http.ResponseWriter, r *http.Request, page views.LayerShow) views.LayerShow {
	l := page.Layer
	page.Frame = h.framed(w, r, page.Frame, "layers", l.Name, "layer/"+string(l.ID)+"?tab="+page.Tab,
		crumb("Layers", page.Frame.Href("/layers")), crumb(l.Name, ""))
	if page.Editing {
		page.Frame.Page.Scripts = []string{"js/recipes.js"}
	}
	if page.Tab == "scaling" {
		page.Frame.Page.Scripts = []string{"js/layer-scaling.js"}
	}
	return page
}

func (h *Handlers) layerPage(ctx context.Context, stack *models.Stack, l *models.Layer, tab string) (views.LayerShow, error) {
	p := views.LayerShow{Now: h.Now(), Layer: *l, Tab: tabOf(tab)}
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return p, err
	}
	p.Frame = frame
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Counts = counts[l.ID]
	if p.Tab == "json" && !frame.CanManage {
		p.Tab = "recipes" // custom JSON may hold passwords
	}
	switch p.Tab {
	case "instances":
		list, _, err := h.Store.Instances.Page(ctx, stack.ID, store.InstanceFilter{LayerID: l.ID}, perPage, 0)
		p.Instances = instanceRows(list, nil)
		return p, err
	case "json":
		p.Merged, err = mergedJSON(stack, l)
		return p, err
	case "tags":
		p.Inherited, p.Tags = stack.Tags, views.TagRows(l.Tags, stack.Tags)
	case "scaling":
		p.Scaling, err = h.layerScaling(ctx, l)
		return p, err
	case "recipes":
		builtIn, err := h.Engine.RunLists(ctx, l)
		if err != nil {
			return p, err
		}
		for _, e := range models.Events {
			p.Events = append(p.Events, views.EventRecipes{
				Event: e, When: views.EventWhen(e, l.Shutdown.ExecutionTimeout), BuiltIn: builtIn.For(e), Custom: l.CustomRecipes.For(e),
			})
		}
	}
	return p, nil
}

// tabOf is the tab of that name; the first one for any other.
func tabOf(name string) string {
	if slices.ContainsFunc(views.LayerTabs, func(t views.LayerTab) bool { return t.Key == name }) {
		return name
	}
	return views.LayerTabs[0].Key
}

// mergedJSON is the custom JSON of stack and layer as recipes get it.
func mergedJSON(stack *models.Stack, l *models.Layer) (string, error) {
	merged, err := lifecycle.MergeJSON(stack.CustomJSON, l.CustomJSON)
	if err != nil || merged == nil {
		return "", err
	}
	text := &strings.Builder{}
	e := json.NewEncoder(text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(merged); err != nil {
		return "", fmt.Errorf("write merged custom JSON: %w", err)
	}
	return text.String(), nil
}

func (h *Handlers) liveLayer(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	l, err := h.Store.Layers.Get(ctx, models.LayerID(id))
	if err != nil {
		return liveView{}, err
	}
	return h.liveInStack(ctx, string(l.StackID), func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		l, err := h.Store.Layers.Get(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		p, err := h.layerPage(ctx, stack, l, q.Get("tab"))
		return views.LayerLive(p), err
	})
}

// deleteLayer deletes a layer without instances; its short name was typed.
func (h *Handlers) deleteLayer(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	err := typed(r, l.Shortname)
	if err == nil {
		err = h.Engine.DeleteLayer(r.Context(), l.ID)
	}
	if err != nil {
		h.refused(w, r, err, views.LayerHref(stack.ID, l.ID)+"?tab=settings")
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/layers", "Layer "+l.Name+" was deleted.")
}
