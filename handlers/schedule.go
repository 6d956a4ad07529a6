package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"opsyard/engine/schedule"
	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
)

// scheduleEngine stores schedules.
type scheduleEngine interface {
	SetSchedule(ctx context.Context, id models.InstanceID, week models.WeeklySchedule, zone string) error
}

// shownFirings is how many turns of a schedule its page tells of.
const shownFirings = 10

// showSchedule is the week of a time-based instance.
func (h *Handlers) showSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if i.AutoScalingType != models.ScalingTimer {
		h.refused(w, r, models.Invalid("%s is no time-based instance, so it has no schedule.", i.Hostname), views.InstanceHref(i.ID))
		return
	}
	h.drawSchedule(w, r, stack, views.SchedulePage{Instance: *i, Schedule: i.Schedule, Zone: i.ScheduleZone}, http.StatusOK)
}

func (h *Handlers) drawSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, p views.SchedulePage, status int) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if p.Fired, err = h.Store.ScheduleFirings.OfInstance(r.Context(), p.Instance.ID, shownFirings); err != nil {
		h.fail(w, r, err)
		return
	}
	p.Now = h.Now()
	foresee(&p)
	p.Frame = h.framed(w, r, frame, "instances", "Schedule of "+p.Instance.Hostname, "",
		crumb("Instances", frame.Href("/instances")), crumb(p.Instance.Hostname, views.InstanceHref(p.Instance.ID)), crumb("Schedule", ""))
	p.Frame.Page.Scripts = []string{"js/schedule.js"}
	h.render(w, r, status, views.ScheduleView(p))
}

// foresee fills in what the week will do, by the clock of its zone; that of a
// zone that does not exist is shown by UTC's.
func foresee(p *views.SchedulePage) {
	p.Zones = schedule.Zones()
	p.Loc = time.UTC
	if loc, err := models.ScheduleZone(p.Zone); err == nil {
		p.Loc = loc
	}
	p.On = schedule.OnAt(p.Schedule, p.Loc, p.Now)
	if next, ok := schedule.Next(p.Schedule, p.Loc, p.Now); ok {
		p.Next = next.At
	}
	for _, d := range schedule.Days(p.Schedule, p.Loc, p.Now, views.ScheduleDays) {
		day := views.ScheduleDay{Date: d.Date, Long: d.Long, Note: movedClock(d)}
		for _, s := range d.On {
			day.On = append(day.On, views.ScheduleStretch(s))
		}
		p.Days = append(p.Days, day)
	}
}

// movedClock says what a moved clock does to a day.
func movedClock(d schedule.Day) string {
	if d.By == 0 {
		return ""
	}
	way := "forward"
	if d.By < 0 {
		way = "back"
	}
	return fmt.Sprintf("%s long: the clock goes %s from %s to %s", views.Span(d.Long), way, d.Moved.Add(-d.By).Format("15:04"), d.Moved.Format("15:04"))
}

// setSchedule stores the week, or shows a pattern, or what was painted, without
// storing it.
func (h *Handlers) setSchedule(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	p := views.SchedulePage{Instance: *i, Zone: zoneOf(r.PostForm), Unsaved: true}
	if name := r.PostForm.Get("preset"); name != "" {
		p.Schedule = preset(name)
		h.drawSchedule(w, r, stack, p, http.StatusOK)
		return
	}
	var err error
	p.Schedule, err = scheduleOf(r.PostForm)
	if r.PostForm.Get("do") == "preview" {
		if err == nil {
			_, err = models.ScheduleZone(p.Zone)
		}
	} else if err == nil {
		err = h.Engine.SetSchedule(r.Context(), i.ID, p.Schedule, p.Zone)
		if err == nil {
			h.done(w, r, views.ScheduleHref(i.ID), "The schedule of "+i.Hostname+" is saved, and acts from now on.")
			return
		}
	}
	switch {
	case err == nil:
		h.drawSchedule(w, r, stack, p, http.StatusOK)
	case models.CodeOf(err) == models.CodeInvalid:
		p.Form = views.Form{Problem: models.Sentence(err), Field: fieldOf(err)}
		h.drawSchedule(w, r, stack, p, web.StatusOf(err))
	default:
		h.fail(w, r, err)
	}
}

// zoneOf is the zone that was typed; UTC has no name.
func zoneOf(form url.Values) string {
	zone := strings.TrimSpace(form.Get("ScheduleZone"))
	if strings.EqualFold(zone, "UTC") {
		return ""
	}
	return zone
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
