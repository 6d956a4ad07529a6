package handlers

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"opsyard/engine"
	"opsyard/engine/load"
	"opsyard/models"
	"opsyard/views"
)

// scalingEngine is what the page of load-based scaling asks of the engine.
type scalingEngine interface {
	SetLoadBasedAutoScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) error
	LoadNow(ctx context.Context, id models.LayerID) (engine.LoadNow, error)
	TestScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) (*engine.Backtest, error)
}

// scalingEvents is how many of a layer's scaling events its page lists.
const scalingEvents = 50

// layerScaling reads a layer's rules, how it stands to them, and what they did;
// without any rules, the defaults.
func (h *Handlers) layerScaling(ctx context.Context, l *models.Layer) (views.ScalingShow, error) {
	p := views.ScalingShow{Config: models.NewLoadBasedAutoScaling(l)}
	switch config, err := h.Store.LoadBasedAutoScaling.Get(ctx, l.ID); {
	case err == nil:
		p.Config = *config
	case models.CodeOf(err) != models.CodeNotFound:
		return p, err
	}
	var err error
	if p.LoadBased, err = h.Store.Instances.LoadBased(ctx, l.ID); err != nil {
		return p, err
	}
	if p.Events, err = h.Store.ScalingEvents.Newest(ctx, l.ID, scalingEvents); err != nil {
		return p, err
	}
	if p.Alarms, err = h.Store.Alarms.InStack(ctx, l.StackID); err != nil {
		return p, err
	}
	now, err := h.Engine.LoadNow(ctx, l.ID)
	p.Now, p.Blocked, p.Running = now.Decision.Sentence, now.Decision.Blocked, now.Running
	return p, err
}

// fillScaling completes the page with its form and with a back-test of the rules
// in it. Rules in the address are a draft: tried, and not stored.
func (h *Handlers) fillScaling(ctx context.Context, p *views.LayerShow, q url.Values) error {
	if p.Form.Values == nil {
		p.Form = scalingForm(p.Scaling.Config)
	}
	var change func(*models.LoadBasedAutoScaling) error
	if p.Scaling.Draft = q.Has("UpScaling.InstanceCount"); p.Scaling.Draft {
		p.Form = views.Form{Values: q}
		change = fillScalingRules(q)
	}
	test, err := h.scalingTest(ctx, p.Layer.ID, change)
	if refusal(err) {
		p.Form.Problem, p.Form.Field = models.Sentence(err), fieldOf(err)
	}
	p.Scaling.Test = test
	if test != nil {
		return nil
	}
	return err
}

// testScaling answers the script: what the rules in its query would have done.
func (h *Handlers) testScaling(w http.ResponseWriter, r *http.Request, _ *models.Stack, l *models.Layer) {
	test, err := h.scalingTest(r.Context(), l.ID, fillScalingRules(r.URL.Query()))
	if test == nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.ScalingTestPart(test))
}

// scalingTest tries rules. Rules that make no sense are no test, but still the
// figures of the stored ones: the error says what is wrong.
func (h *Handlers) scalingTest(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) (*views.ScalingTest, error) {
	var config models.LoadBasedAutoScaling
	seen := func(c *models.LoadBasedAutoScaling) error {
		if change != nil {
			if err := change(c); err != nil {
				return err
			}
		}
		config = *c
		return nil
	}
	got, err := h.Engine.TestScaling(ctx, id, seen)
	if err == nil {
		return showTest(got, config), nil
	}
	if change == nil || !refusal(err) {
		return nil, err
	}
	test, again := h.scalingTest(ctx, id, nil)
	if again != nil {
		return nil, again
	}
	test.Problem, test.Steps = models.Sentence(err), nil
	return test, err
}

// testStep is the time between two points of the back-test's charts.
const testStep = 5 * time.Minute

func showTest(b *engine.Backtest, c models.LoadBasedAutoScaling) *views.ScalingTest {
	t := &views.ScalingTest{
		Span:  views.ChartSpan{From: b.From.Truncate(testStep), To: b.To, Step: testStep},
		Added: b.Added, Removed: b.Removed, Flaps: b.Flaps, Short: b.Short, Prepared: b.Prepared, FlapTime: load.FlapTime,
		Measured: time.Duration(b.Measured) * b.Minute, Thresholds: map[string][]views.ScalingThreshold{},
	}
	for _, s := range b.Steps {
		t.Steps = append(t.Steps, views.ScalingStep{At: s.At, Up: s.Direction == models.ScaleUp, Count: s.Count, Sentence: s.Sentence})
	}
	for _, f := range []struct {
		id, title, unit, field string
		max                    float64
		of                     func(load.Minute) float64
		up, down               *float64
	}{
		{"cpu", "CPU", "%", "CpuThreshold", 100, func(m load.Minute) float64 { return m.CPU }, c.UpScaling.CPUThreshold, c.DownScaling.CPUThreshold},
		{"memory", "Memory", "%", "MemoryThreshold", 100, func(m load.Minute) float64 { return m.Memory }, c.UpScaling.MemoryThreshold, c.DownScaling.MemoryThreshold},
		{"load", "Load", "", "LoadThreshold", 0, func(m load.Minute) float64 { return m.Load }, c.UpScaling.LoadThreshold, c.DownScaling.LoadThreshold},
	} {
		chart := views.Chart{ID: f.id, Title: f.title, Unit: f.unit, Of: "the layer", Max: f.max, Lines: []views.ChartLine{{Label: f.title, Kind: "area", Shade: 1, Values: averaged(b.Minutes, t.Span, f.of)}}}
		t.Charts = append(t.Charts, chart)
		for _, level := range []struct {
			key, label, tone string
			value            *float64
		}{{"UpScaling", "up", "warn", f.up}, {"DownScaling", "down", "run", f.down}} {
			if level.value == nil || *level.value == models.Disabled {
				continue
			}
			t.Thresholds[f.id] = append(t.Thresholds[f.id], views.ScalingThreshold{
				Value: *level.value, Label: level.label + " " + chart.Value(*level.value), Tone: level.tone, Field: level.key + "." + f.field, Drag: true,
			})
		}
	}
	return t
}

// averaged are the averages of a figure over the steps of a time.
func averaged(minutes []load.Minute, span views.ChartSpan, of func(load.Minute) float64) []float64 {
	sums, counts := make([]float64, span.Len()), make([]int, span.Len())
	for _, m := range minutes {
		if n := int(m.At.Sub(span.From) / span.Step); n >= 0 && n < len(sums) && !m.At.Before(span.From) && !math.IsNaN(of(m)) {
			sums[n] += of(m)
			counts[n]++
		}
	}
	for n := range sums {
		sums[n] /= float64(counts[n]) // 0/0 is not known
	}
	return sums
}

func scalingForm(c models.LoadBasedAutoScaling) views.Form {
	v := url.Values{}
	tick(v, "Enable", c.Enable)
	for key, t := range map[string]models.AutoScalingThresholds{"UpScaling": c.UpScaling, "DownScaling": c.DownScaling} {
		v.Set(key+".CpuThreshold", views.ScalingValue(t.CPUThreshold))
		v.Set(key+".MemoryThreshold", views.ScalingValue(t.MemoryThreshold))
		v.Set(key+".LoadThreshold", views.ScalingValue(t.LoadThreshold))
		v.Set(key+".InstanceCount", strconv.Itoa(t.InstanceCount))
		v.Set(key+".ThresholdsWaitTime", strconv.Itoa(t.ThresholdsWaitTime))
		v.Set(key+".IgnoreMetricsTime", strconv.Itoa(t.IgnoreMetricsTime))
		v.Set(key+".Alarms", strings.Join(t.Alarms, "\n"))
	}
	return views.Form{Values: v}
}

// updateScaling stores a layer's load-based scaling.
func (h *Handlers) updateScaling(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	err := h.Engine.SetLoadBasedAutoScaling(r.Context(), l.ID, fillScalingRules(r.PostForm))
	switch {
	case err == nil:
		h.done(w, r, views.LayerHref(stack.ID, l.ID)+"?tab=scaling", "The scaling rules were saved.")
	case refusal(err):
		form := refusedForm(r.PostForm, err)
		h.layerAgain(w, r, stack, l, "scaling", form, http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
	}
}

// fillScalingRules takes the rules from a form.
func fillScalingRules(form url.Values) func(*models.LoadBasedAutoScaling) error {
	return func(c *models.LoadBasedAutoScaling) error {
		c.Enable = form.Get("Enable") != ""
		if err := fillThresholds(&c.UpScaling, "UpScaling", form); err != nil {
			return err
		}
		return fillThresholds(&c.DownScaling, "DownScaling", form)
	}
}

func fillThresholds(t *models.AutoScalingThresholds, key string, form url.Values) error {
	for name, value := range map[string]**float64{"CpuThreshold": &t.CPUThreshold, "MemoryThreshold": &t.MemoryThreshold, "LoadThreshold": &t.LoadThreshold} {
		text := strings.TrimSuffix(trimmed(form, key+"."+name), "%")
		off := *value == nil || **value == models.Disabled
		if text == "" && off {
			continue // unset stays unset: API clients see the difference
		}
		n := float64(models.Disabled)
		if text != "" {
			var err error
			if n, err = strconv.ParseFloat(strings.TrimSpace(text), 64); err != nil {
				return models.InvalidField(key+"."+name, "The threshold must be a number; empty is off.")
			}
		}
		*value = &n
	}
	for name, value := range map[string]*int{"InstanceCount": &t.InstanceCount, "ThresholdsWaitTime": &t.ThresholdsWaitTime, "IgnoreMetricsTime": &t.IgnoreMetricsTime} {
		n, err := strconv.Atoi(trimmed(form, key+"."+name))
		if err != nil {
			return models.InvalidField(key+"."+name, "This must be a whole number.")
		}
		*value = n
	}
	t.Alarms = nil
	for _, line := range strings.Split(form.Get(key+".Alarms"), "\n") {
		if name := strings.TrimSpace(line); name != "" {
			t.Alarms = append(t.Alarms, name)
		}
	}
	return nil
}
