package handlers

import (
	"context"
	"sync"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// liveFigures is the live part of a page of charts: the newest figures of its
// instances, which their agents are asked to send more often while somebody
// looks. A live view is opened anew every few seconds, so the asking goes on as
// long as the page.
func (h *Handlers) liveFigures(ctx context.Context, ids []models.InstanceID, charts func(models.MetricSample) []views.Chart) (liveView, error) {
	if due := h.watched.due(ids, time.Now()); len(due) > 0 {
		if err := h.Engine.WatchInstanceMetrics(ctx, due...); err != nil {
			return liveView{}, err
		}
	}
	topics := make([]string, len(ids))
	for n, id := range ids {
		topics[n] = engine.TopicMetrics(id)
	}
	return liveView{
		Topics: topics,
		Render: func(context.Context, []pubsub.Message) (templ.Component, error) {
			return views.LiveFigures(h.newestPoints(ids, charts)), nil
		},
	}, nil
}

// newestPoints are the values of charts that agents have sent last.
func (h *Handlers) newestPoints(ids []models.InstanceID, charts func(models.MetricSample) []views.Chart) map[string]views.LivePoint {
	points := map[string]views.LivePoint{}
	for _, id := range ids {
		s, _, ok := h.Engine.NewestMetrics(id)
		if !ok {
			continue
		}
		for _, c := range charts(s) {
			p := views.LivePoint{At: s.At.Unix()}
			for _, l := range c.Lines {
				p.Values = append(p.Values, l.Last())
			}
			points[c.ID] = p
		}
	}
	return points
}

// watchAgain is how often an agent is asked while it is looked at; it sends
// more for a minute each time.
const watchAgain = 20 * time.Second

// watched remembers which agents were asked, for all pages together.
type watched struct {
	mu    sync.Mutex
	asked map[models.InstanceID]time.Time
}

// due are those of the instances that are to be asked now.
func (w *watched) due(ids []models.InstanceID, now time.Time) []models.InstanceID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		w.asked = map[models.InstanceID]time.Time{}
	}
	for id, at := range w.asked {
		if now.Sub(at) >= watchAgain {
			delete(w.asked, id)
		}
	}
	var due []models.InstanceID
	for _, id := range ids {
		if _, ok := w.asked[id]; !ok {
			w.asked[id] = now
			due = append(due, id)
		}
	}
	return due
}

func (h *Handlers) liveInstanceFigures(ctx context.Context, key string) (liveView, error) {
	id := models.InstanceID(key)
	if _, _, err := h.openInstance(ctx, id, models.ActionShow); err != nil {
		return liveView{}, err
	}
	return h.liveFigures(ctx, []models.InstanceID{id}, func(s models.MetricSample) []views.Chart {
		return instanceChartsOf(key, "", gridAt(s))
	})
}

// watchedRows is how many instances of a layer are followed, as many as its
// page has rows.
const watchedRows = 50

func (h *Handlers) liveLayerFigures(ctx context.Context, key string) (liveView, error) {
	l, err := h.Store.Layers.Get(ctx, models.LayerID(key))
	if err != nil {
		return liveView{}, err
	}
	if _, err := h.inStackOf(ctx, l.StackID, models.ActionShow, "layer", key); err != nil {
		return liveView{}, err
	}
	instances, err := h.Store.Instances.InLayer(ctx, l.ID)
	if err != nil {
		return liveView{}, err
	}
	var ids []models.InstanceID
	for _, i := range instances[:min(len(instances), watchedRows)] {
		ids = append(ids, i.ID)
	}
	return h.liveFigures(ctx, ids, func(s models.MetricSample) []views.Chart {
		return overviewCharts(string(s.InstanceID), "", gridAt(s))
	})
}
