package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
)

// metricsEngine is what the pages of charts ask of the engine.
type metricsEngine interface {
	MetricSeries(ctx context.Context, q models.MetricQuery) (*models.MetricSeries, error)
	WatchInstanceMetrics(ctx context.Context, ids ...models.InstanceID) error
	NewestMetrics(id models.InstanceID) (sample models.MetricSample, length time.Duration, ok bool)
}

// monitoringRoutes are the pages of charts, each with the figures beside it as
// JSON for the script.
func (h *Handlers) monitoringRoutes(mux *http.ServeMux) {
	const show = models.ActionShow
	mux.HandleFunc("GET /stacks/{stack}/monitoring", h.withStack(show, h.showStackCharts))
	mux.HandleFunc("GET /stacks/{stack}/monitoring/data", h.withStack(show, h.stackFigures))
	mux.HandleFunc("GET /stacks/{stack}/layers/{layer}/monitoring", h.withLayer(show, h.showLayerCharts))
	mux.HandleFunc("GET /stacks/{stack}/layers/{layer}/monitoring/data", h.withLayer(show, h.layerFigures))
	mux.HandleFunc("GET /instances/{instance}/monitoring", h.withInstance(show, h.showInstanceCharts))
	mux.HandleFunc("GET /instances/{instance}/monitoring/data", h.withInstance(show, h.instanceFigures))

	h.register("layer-figures", h.liveLayerFigures)
	h.register("instance-figures", h.liveInstanceFigures)
}

// drawCharts shows a page of charts.
func (h *Handlers) drawCharts(w http.ResponseWriter, r *http.Request, stack *models.Stack, p views.Monitoring, err error, tab, title, live string, crumbs ...ui.Crumb) {
	if err == nil {
		p.Frame, _, err = h.frame(r.Context(), stack)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if p.Layer != nil {
		p.Layer.Frame = p.Frame
	}
	p.Path = r.URL.Path
	p.Frame = h.framed(w, r, p.Frame, tab, title, live, crumbs...)
	p.Frame.Page.Scripts = []string{"js/monitoring.js"}
	h.render(w, r, http.StatusOK, views.MonitoringPage(p))
}

// sendFigures answers the script.
func (h *Handlers) sendFigures(w http.ResponseWriter, r *http.Request, p views.Monitoring, err error) {
	if err != nil {
		h.fail(w, r, err)
		return
	}
	web.JSON(w, http.StatusOK, p.Data())
}

// newMonitoring begins a page of charts.
func (h *Handlers) newMonitoring(r *http.Request) views.Monitoring {
	return views.Monitoring{Now: h.Now(), Range: views.RangeOf(r.URL.Query().Get("range"))}
}

// showStackCharts is the page of a stack's charts, one row a layer.
func (h *Handlers) showStackCharts(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	p, err := h.stackCharts(r, stack)
	h.drawCharts(w, r, stack, p, err, "monitoring", "Monitoring of "+stack.Name, "", crumb("Monitoring", ""))
}

func (h *Handlers) stackFigures(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	p, err := h.stackCharts(r, stack)
	h.sendFigures(w, r, p, err)
}

func (h *Handlers) stackCharts(r *http.Request, stack *models.Stack) (views.Monitoring, error) {
	ctx, p := r.Context(), h.newMonitoring(r)
	p.Title = "Monitoring"
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	got, err := h.Engine.MetricSeries(ctx, models.MetricQuery{Stack: stack.ID, Metrics: overviewMetrics, Range: p.Range.Key})
	if err != nil {
		return p, err
	}
	p.Span = spanOf(got)
	lines := gridLines(got)
	for _, l := range layers {
		c := views.StatusCounts(counts[l.ID])
		note := "no instances"
		if c.Total() > 0 {
			note = fmt.Sprintf("%s of %s online", views.Thousands(c[models.InstanceOnline]), views.Thousands(c.Total()))
		}
		p.Rows = append(p.Rows, views.ChartRow{
			ID: string(l.ID), Name: l.Name, Href: views.LayerHref(stack.ID, l.ID) + "/monitoring", Note: note,
			Charts: overviewCharts(string(l.ID), l.Name, gridOf(lines[string(l.ID)], p.Span)),
		})
	}
	views.Compare(p.Rows)
	p.Sentence = views.BusiestSentence(p.Rows, "layer", p.Range)
	p.Empty = emptyStack(p, stack, len(layers))
	p.Marks, err = h.stackMarks(ctx, stack, p.Span, nil)
	return p, err
}

func emptyStack(p views.Monitoring, stack *models.Stack, layers int) views.MonitoringEmpty {
	if layers == 0 {
		return views.MonitoringEmpty{
			Title: "No layers", Text: "Each layer has its own row of charts: processors, memory, load and processes, averaged over its instances.",
			Href: views.StackHref(stack.ID) + "/layers/new", Do: "Add a layer",
		}
	}
	return views.NothingMeasured("Agents send figures each minute, from the moment they are connected. Start an instance, and the charts of its layer begin.",
		views.StackHref(stack.ID)+"/instances", "Show instances")
}

// showLayerCharts is the page of a layer's charts: the average, then one row an
// instance.
func (h *Handlers) showLayerCharts(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	p, err := h.layerCharts(r, stack, l)
	h.drawCharts(w, r, stack, p, err, "layers", "Monitoring of "+l.Name, "layer-figures/"+string(l.ID),
		crumb("Layers", views.StackHref(stack.ID)+"/layers"), crumb(l.Name, views.LayerHref(stack.ID, l.ID)), crumb("Monitoring", ""))
}

func (h *Handlers) layerFigures(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	p, err := h.layerCharts(r, stack, l)
	h.sendFigures(w, r, p, err)
}

func (h *Handlers) layerCharts(r *http.Request, stack *models.Stack, l *models.Layer) (views.Monitoring, error) {
	ctx, p := r.Context(), h.newMonitoring(r)
	p.Title = l.Name
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Layer = &views.LayerShow{Now: p.Now, Layer: *l, Tab: "monitoring", Counts: counts[l.ID]}
	got, err := h.Engine.MetricSeries(ctx, models.MetricQuery{Layer: l.ID, Metrics: overviewMetrics, Range: p.Range.Key})
	if err != nil {
		return p, err
	}
	p.Span = spanOf(got)
	instances, err := h.Store.Instances.InLayer(ctx, l.ID)
	if err != nil {
		return p, err
	}
	lines := gridLines(got)
	rows, silent := instanceRowsOf(instances[:max(len(instances)-got.Left, 0)], lines, p.Span)
	views.Compare(rows)
	p.Sentence = views.BusiestSentence(rows, "instance", p.Range)
	p.Rows, p.Silent = rows, views.SilentSentence(silent, got.Left)
	if len(rows) > 1 {
		all := []views.ChartRow{{
			ID: string(l.ID), Name: "Average", Href: views.StackHref(stack.ID) + "/monitoring", Note: "over " + views.Count(len(rows)+got.Left, "instance"),
			Charts: overviewCharts(string(l.ID), "the layer on average", gridOf(lines[string(l.ID)], p.Span)),
		}}
		p.Rows = append(all, rows...)
		views.Compare(p.Rows)
	}
	p.Empty = views.NothingMeasured("Agents send figures each minute, from the moment they are connected. Older ones are under the longer times.",
		views.LayerHref(stack.ID, l.ID)+"?tab=instances", "Show instances")
	if len(instances) == 0 {
		p.Empty = views.MonitoringEmpty{
			Title: "No instances in " + l.Name, Text: "Each instance has its own row of charts: processors, memory, load and processes.",
			Href: views.StackHref(stack.ID) + "/instances/new?layer=" + string(l.ID), Do: "Add an instance",
		}
	}
	p.Marks, err = h.stackMarks(ctx, stack, p.Span, instances)
	return p, err
}

// instanceRowsOf are the rows of the instances that have figures, and those
// that have none.
func instanceRowsOf(instances []models.Instance, lines map[string]metricLines, span views.ChartSpan) (rows []views.ChartRow, silent []models.Instance) {
	for _, i := range instances {
		line, ok := lines[string(i.ID)]
		if !ok {
			silent = append(silent, i)
			continue
		}
		rows = append(rows, views.ChartRow{
			ID: string(i.ID), Name: i.Hostname, Href: views.MonitoringHref(i.ID), Status: i.Status,
			Charts: overviewCharts(string(i.ID), i.Hostname, gridOf(line, span)),
		})
	}
	return rows, silent
}

// showInstanceCharts is the page of an instance's charts: everything that its
// agent measures.
func (h *Handlers) showInstanceCharts(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	p, err := h.instanceCharts(r, stack, i)
	h.drawCharts(w, r, stack, p, err, "instances", "Monitoring of "+i.Hostname, "instance-figures/"+string(i.ID),
		crumb("Instances", views.StackHref(stack.ID)+"/instances"), crumb(i.Hostname, views.InstanceHref(i.ID)), crumb("Monitoring", ""))
}

func (h *Handlers) instanceFigures(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	p, err := h.instanceCharts(r, stack, i)
	h.sendFigures(w, r, p, err)
}

func (h *Handlers) instanceCharts(r *http.Request, stack *models.Stack, i *models.Instance) (views.Monitoring, error) {
	ctx, p := r.Context(), h.newMonitoring(r)
	p.Title, p.Instance = i.Hostname, i
	got, err := h.Engine.MetricSeries(ctx, models.MetricQuery{Instance: i.ID, Range: p.Range.Key})
	if err != nil {
		return p, err
	}
	p.Span = spanOf(got)
	grid := gridOf(gridLines(got)[string(i.ID)], p.Span)
	p.Rows = []views.ChartRow{{ID: string(i.ID), Name: i.Hostname, Charts: instanceChartsOf(string(i.ID), i.Hostname, grid)}}
	p.Sentence = views.NowSentence(overviewCharts("", i.Hostname, grid), p.Range)
	if !p.Known() && i.StatusReason != "" {
		p.Sentence = views.Sentence{Lead: i.StatusReason}
	}
	p.Empty = views.NothingMeasured("The agent sends figures each minute while the instance runs. What it sent before is under the longer times.",
		views.MonitoringHref(i.ID)+"?range="+string(models.Range24Hours), "Show the last 24 hours")
	if p.Range.Key != models.Range1Hour && p.Range.Key != models.Range8Hours {
		p.Empty.Href, p.Empty.Do = views.InstanceHref(i.ID), "Show the instance"
	}
	p.Marks, err = h.instanceMarks(ctx, stack, i, p.Span)
	return p, err
}
