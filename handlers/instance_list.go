package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

const perPage = 50

// unassignedListed is how many unassigned hosts stand above the list.
const unassignedListed = 5

// showInstances lists the instances of a stack; the address is the filter.
func (h *Handlers) showInstances(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	page, err := h.instanceList(r.Context(), stack, r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	live := "instances/" + string(stack.ID)
	if q := page.Query.Encode(); q != "" {
		live += "?" + q
	}
	page.Frame = h.framed(w, r, page.Frame, "instances", "Instances of "+stack.Name, live, crumb("Instances", ""))
	h.render(w, r, http.StatusOK, views.InstancesPage(page))
}

func (h *Handlers) instanceList(ctx context.Context, stack *models.Stack, q url.Values) (views.InstanceList, error) {
	now := h.Now()
	frame, counts, err := h.frame(ctx, stack)
	if err != nil {
		return views.InstanceList{}, err
	}
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return views.InstanceList{}, err
	}
	query := known(q, "state", "layer", "q", "sort", "dir", "offset")
	f := instanceFilter(query)
	offset := offsetOf(query)
	rows, total, err := h.Store.Instances.Page(ctx, stack.ID, f, perPage, offset)
	if err != nil {
		return views.InstanceList{}, err
	}
	trouble, err := h.Store.Instances.InStatus(ctx, stack.ID, troubleListed, views.TroubleStatuses()...)
	if err != nil {
		return views.InstanceList{}, err
	}
	waiting := counts[models.InstanceRegistered] + counts[models.InstanceRegistering]
	var unassigned []models.Instance
	if waiting > 0 {
		in := store.InstanceFilter{Statuses: []models.InstanceStatus{models.InstanceRegistered, models.InstanceRegistering}, Sort: "since"}
		if unassigned, _, err = h.Store.Instances.Page(ctx, stack.ID, in, unassignedListed, 0); err != nil {
			return views.InstanceList{}, err
		}
	}
	return views.InstanceList{
		Unassigned: unassigned, UnassignedTotal: waiting,
		Frame: frame, Now: now, Layers: layers, Rows: instanceRows(rows, layers), Counts: counts, Query: query,
		Sentence: views.StackSentence(counts, instanceRefs(trouble), now),
		Pager: views.Pager{
			Path: frame.Href("/instances"), Query: query, Offset: offset, Limit: perPage, Total: total, Overall: frame.Instances,
		},
	}, nil
}

// instanceFilter reads the address; what it does not know filters nothing.
func instanceFilter(q url.Values) store.InstanceFilter {
	f := store.InstanceFilter{LayerID: models.LayerID(q.Get("layer")), Search: q.Get("q")}
	switch state := q.Get("state"); {
	case state == views.StateTrouble:
		f.Statuses = views.TroubleStatuses()
	case slices.Contains(models.InstanceStatuses, models.InstanceStatus(state)):
		f.Statuses = []models.InstanceStatus{models.InstanceStatus(state)}
	}
	f.Sort, f.Descending = q.Get("sort"), q.Get("dir") == "desc"
	return f
}

// known keeps the parameters that a page understands, one value each.
func known(q url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, name := range names {
		if v := q.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	return out
}

func offsetOf(q url.Values) int {
	n, err := strconv.Atoi(q.Get("offset"))
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

func instanceRows(list []models.Instance, layers []models.Layer) []views.InstanceRow {
	rows := make([]views.InstanceRow, len(list))
	for n, i := range list {
		rows[n] = views.InstanceRow{Instance: i, Layers: layersOf(i, layers)}
	}
	return rows
}

// layersOf are an instance's layers in its own order.
func layersOf(i models.Instance, layers []models.Layer) []models.Layer {
	var out []models.Layer
	for _, id := range i.LayerIDs {
		if n := slices.IndexFunc(layers, func(l models.Layer) bool { return l.ID == id }); n >= 0 {
			out = append(out, layers[n])
		}
	}
	return out
}

func (h *Handlers) liveInstances(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	return h.liveInStack(ctx, id, func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		p, err := h.instanceList(ctx, stack, q)
		return views.InstancesLive(p), err
	})
}

// liveInStack is a live view that any news of a stack draws again.
func (h *Handlers) liveInStack(ctx context.Context, id string, draw func(context.Context, *models.Stack) (templ.Component, error)) (liveView, error) {
	stack := models.StackID(id)
	if _, err := h.Engine.Authorize(ctx, stack, models.ActionShow); err != nil {
		return liveView{}, err
	}
	return liveView{
		Topics: []string{engine.TopicStack(stack)},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			s, err := h.Engine.Authorize(ctx, stack, models.ActionShow)
			if err != nil {
				return nil, err
			}
			part, err := draw(ctx, s)
			if err != nil {
				return nil, err
			}
			return part, nil
		},
	}, nil
}
