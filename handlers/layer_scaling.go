package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// scalingEngine is what the page of load-based scaling asks of the engine.
type scalingEngine interface {
	SetLoadBasedAutoScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) error
}

// layerScaling reads a layer's rules; without any, the defaults.
func (h *Handlers) layerScaling(ctx context.Context, l *models.Layer) (views.ScalingShow, error) {
	p := views.ScalingShow{Config: models.NewLoadBasedAutoScaling(l)}
	switch config, err := h.Store.LoadBasedAutoScaling.Get(ctx, l.ID); {
	case err == nil:
		p.Config = *config
	case models.CodeOf(err) != models.CodeNotFound:
		return p, err
	}
	var err error
	p.LoadBased, err = h.Store.Instances.LoadBased(ctx, l.ID)
	return p, err
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
	err := h.Engine.SetLoadBasedAutoScaling(r.Context(), l.ID, func(c *models.LoadBasedAutoScaling) error {
		c.Enable = r.PostForm.Get("Enable") != ""
		if err := fillThresholds(&c.UpScaling, "UpScaling", r.PostForm); err != nil {
			return err
		}
		return fillThresholds(&c.DownScaling, "DownScaling", r.PostForm)
	})
	switch {
	case err == nil:
		h.done(w, r, views.LayerHref(stack.ID, l.ID)+"?tab=scaling", "The scaling rules were saved.")
	case refusal(err):
		form := views.Form{Values: r.PostForm, Problem: models.Sentence(err), Field: fieldOf(err)}
		h.layerAgain(w, r, stack, l, "scaling", form, http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
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
