package handlers

import (
	"context"
	"math"

	"opsyard/models"
	"opsyard/views"
)

// overviewMetrics are what the four charts of a row need.
var overviewMetrics = []models.Metric{
	models.MetricCPUIdle, models.MetricMemoryTotal, models.MetricMemoryUsed, models.MetricLoad1, models.MetricProcs,
}

// metricLines are the points of one layer or instance.
type metricLines = map[models.Metric][]models.MetricPoint

// gridLines sorts lines by their layer or instance.
func gridLines(s *models.MetricSeries) map[string]metricLines {
	of := map[string]metricLines{}
	for _, l := range s.Lines {
		id := string(l.InstanceID)
		if id == "" {
			id = string(l.LayerID)
		}
		if len(l.Points) == 0 {
			continue
		}
		if of[id] == nil {
			of[id] = metricLines{}
		}
		of[id][l.Metric] = l.Points
	}
	return of
}

func spanOf(s *models.MetricSeries) views.ChartSpan {
	return views.ChartSpan{From: s.From, To: s.To, Step: s.Step}
}

// grid has a value for each step and metric; NaN where nothing is known.
type grid struct {
	n      int
	values map[models.Metric][]float64
}

func gridOf(lines metricLines, span views.ChartSpan) grid {
	g := grid{span.Len(), map[models.Metric][]float64{}}
	for m, points := range lines {
		values := unknown(g.n)
		for _, p := range points {
			if n := int(p.At.Sub(span.From) / span.Step); n >= 0 && n < g.n {
				values[n] = p.Value
			}
		}
		g.values[m] = values
	}
	return g
}

// gridAt is a grid of one moment.
func gridAt(s models.MetricSample) grid {
	g := grid{1, map[models.Metric][]float64{}}
	for _, m := range models.Metrics {
		g.values[m] = []float64{s.Values.Get(m)}
	}
	return g
}

func unknown(n int) []float64 {
	values := make([]float64, n)
	for k := range values {
		values[k] = math.NaN()
	}
	return values
}

func (g grid) of(m models.Metric) []float64 {
	if v, ok := g.values[m]; ok {
		return v
	}
	return unknown(g.n)
}

// mapped makes values of others, step by step.
func (g grid) mapped(f func(v *models.MetricValues) float64) []float64 {
	out := make([]float64, g.n)
	for n := range out {
		v := models.UnknownMetrics()
		for m, values := range g.values {
			v.Set(m, values[n])
		}
		out[n] = f(&v)
	}
	return out
}

func (g grid) scaled(m models.Metric, by float64) []float64 {
	out := make([]float64, g.n)
	for n, v := range g.of(m) {
		out[n] = v * by
	}
	return out
}

// overviewCharts are the four charts of a row.
func overviewCharts(id, of string, g grid) []views.Chart {
	one := func(key, title, unit string, limit float64, values []float64) views.Chart {
		return views.Chart{ID: key + "-" + id, Title: title, Unit: unit, Of: of, Max: limit, Lines: []views.ChartLine{{Label: title, Kind: "area", Shade: 1, Values: values}}}
	}
	return []views.Chart{
		one("cpu", "CPU", "%", 100, g.mapped((*models.MetricValues).CPU)),
		one("memory", "Memory", "%", 100, g.mapped((*models.MetricValues).Memory)),
		one("load", "Load", "", 0, g.of(models.MetricLoad1)),
		one("procs", "Processes", "", 0, g.of(models.MetricProcs)),
	}
}

// layersBusy has the CPU of a stack's layers in the last hour, for lists.
func (h *Handlers) layersBusy(ctx context.Context, stack models.StackID) (func(models.Layer) views.Chart, error) {
	got, err := h.Engine.MetricSeries(ctx, models.MetricQuery{Stack: stack, Metrics: []models.Metric{models.MetricCPUIdle}, Range: models.Range1Hour})
	if err != nil {
		return nil, err
	}
	lines, span := gridLines(got), spanOf(got)
	return func(l models.Layer) views.Chart {
		return overviewCharts(string(l.ID), l.Name, gridOf(lines[string(l.ID)], span))[0]
	}, nil
}

// instanceChartsOf are the charts of all that an agent measures.
func instanceChartsOf(id, of string, g grid) []views.Chart {
	large := func(key, title, unit string, lines ...views.ChartLine) views.Chart {
		return views.Chart{ID: key + "-" + id, Title: title, Unit: unit, Of: of, Large: true, Lines: lines}
	}
	band := func(label string, shade int, values []float64) views.ChartLine {
		return views.ChartLine{Label: label, Kind: "stack", Shade: shade, Values: values}
	}
	total := views.ChartLine{Values: g.of(models.MetricMemoryTotal)}.Last()
	unit, by := memoryUnit(total)
	cpu := large("cpu", "CPU", "%",
		band("user", 1, g.of(models.MetricCPUUser)), band("system", 2, g.of(models.MetricCPUSystem)), band("nice", 3, g.of(models.MetricCPUNice)),
		band("waiting for disk", 4, g.of(models.MetricCPUWaitIO)), band("stolen by the host", 5, g.of(models.MetricCPUSteal)), band("idle", 6, g.of(models.MetricCPUIdle)))
	cpu.Max = 100
	memory := large("memory", "Memory", unit,
		band("used", 1, g.scaled(models.MetricMemoryUsed, by)), band("buffers", 3, g.scaled(models.MetricMemoryBuffers, by)),
		band("cached", 4, g.scaled(models.MetricMemoryCached, by)), band("free", 6, g.scaled(models.MetricMemoryFree, by)))
	if total > 0 {
		memory.Max = total * by
	}
	load := large("load", "Load", "",
		views.ChartLine{Label: "1 min", Kind: "area", Shade: 1, Values: g.of(models.MetricLoad1)},
		views.ChartLine{Label: "5 min", Kind: "line", Shade: 2, Values: g.of(models.MetricLoad5)},
		views.ChartLine{Label: "15 min", Kind: "line", Shade: 2, Dash: true, Values: g.of(models.MetricLoad15)})
	load.Least = 1
	procs := large("procs", "Processes", "", views.ChartLine{Label: "processes", Kind: "area", Shade: 1, Values: g.of(models.MetricProcs)})
	swap := large("swap", "Swap", "MiB", views.ChartLine{Label: "in use", Kind: "area", Shade: 1, Values: g.scaled(models.MetricMemorySwap, 1.0/(1<<10))})
	swap.Least = 64
	return []views.Chart{cpu, memory, load, procs, swap}
}

// memoryUnit is how KB are shown: in the unit that suits the machine's memory.
func memoryUnit(total float64) (unit string, by float64) {
	if total >= 1<<20 {
		return "GiB", 1.0 / (1 << 20)
	}
	return "MiB", 1.0 / (1 << 10)
}
