package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
)

// scheduleEngine stores schedules.
type scheduleEngine interface {
	SetTimeBasedAutoScaling(ctx context.Context, id models.InstanceID, s models.WeeklySchedule) error
}

// showSchedule is the week of a time-based instance.
func (h *Handlers) showSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if i.AutoScalingType != models.ScalingTimer {
		h.refused(w, r, models.Invalid("%s is no time-based instance, so it has no schedule.", i.Hostname), views.InstanceHref(i.ID))
		return
	}
	h.drawSchedule(w, r, stack, views.SchedulePage{Instance: *i, Schedule: i.Schedule}, http.StatusOK)
}

func (h *Handlers) drawSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, p views.SchedulePage, status int) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Now = h.Now()
	p.Frame = h.framed(w, r, frame, "instances", "Schedule of "+p.Instance.Hostname, "",
		crumb("Instances", frame.Href("/instances")), crumb(p.Instance.Hostname, views.InstanceHref(p.Instance.ID)), crumb("Schedule", ""))
	p.Frame.Page.Scripts = []string{"js/schedule.js"}
	h.render(w, r, status, views.ScheduleView(p))
}

// setSchedule stores the week, or shows a pattern in the grid without storing it.
func (h *Handlers) setSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if name := r.PostForm.Get("preset"); name != "" {
		h.drawSchedule(w, r, stack, views.SchedulePage{Instance: *i, Schedule: preset(name), Unsaved: true}, http.StatusOK)
		return
	}
	asked, err := scheduleOf(r.PostForm)
	if err == nil {
		err = h.Engine.SetTimeBasedAutoScaling(r.Context(), i.ID, asked)
	}
	switch {
	case err == nil:
		h.done(w, r, views.ScheduleHref(i.ID), "The schedule of "+i.Hostname+" is saved.")
	case models.CodeOf(err) == models.CodeInvalid:
		p := views.SchedulePage{Instance: *i, Schedule: asked, Unsaved: true, Problem: models.Sentence(err)}
		h.drawSchedule(w, r, stack, p, web.StatusOf(err))
	default:
		h.fail(w, r, err)
	}
}

// preset is the week of a pattern; an unknown one is off.
func preset(name string) models.WeeklySchedule {
	var s models.WeeklySchedule
	n := slices.IndexFunc(views.Presets, func(p views.Preset) bool { return p.Name == name })
	if n < 0 {
		return s
	}
	for _, day := range models.Weekdays {
		for hour := range 24 {
			_ = s.Set(day, hour, views.Presets[n].On(day, hour)) // every hour of the loop is one
		}
	}
	return s
}

// scheduleOf reads the boxes. A box of every day counts only when it was
// changed: the boxes of the days stand for the rest.
func scheduleOf(form url.Values) (models.WeeklySchedule, error) {
	var s models.WeeklySchedule
	for _, day := range models.Weekdays {
		for _, text := range form[day.String()] {
			hour, err := strconv.Atoi(text)
			if err != nil {
				return s, models.Invalid("Auto scaling schedule: %q is not an hour.", text)
			}
			if err := s.Set(day, hour, true); err != nil {
				return s, err
			}
		}
	}
	for hour := range 24 {
		text := strconv.Itoa(hour)
		was, is := slices.Contains(form["EveryWas"], text), slices.Contains(form["Every"], text)
		if was == is {
			continue
		}
		for _, day := range models.Weekdays {
			if err := s.Set(day, hour, is); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}
