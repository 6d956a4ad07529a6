package views

import (
	"fmt"
	"time"

	"opsyard/models"
)

// SchedulePage is the week of a time-based instance, hour by hour.
type SchedulePage struct {
	Frame    StackFrame
	Now      time.Time
	Instance models.Instance
	Schedule models.WeeklySchedule
	Unsaved  bool // the grid shows a pattern that is not stored yet
	Problem  string
}

// Sentence says how much it is on, and what changes next.
func (p SchedulePage) Sentence() Sentence {
	hours := scheduledHours(p.Schedule)
	switch {
	case p.Unsaved:
		return Sentence{Lead: "Not saved yet: on " + onHours(hours) + "."}
	case hours == 0:
		return Sentence{Lead: "No hour is on: this schedule never starts " + p.Instance.Hostname + "."}
	}
	s := Sentence{Lead: "On " + onHours(hours) + "."}
	now := "off"
	if p.Schedule.OnAt(p.Now) {
		now = "on"
	}
	text := "The schedule is " + now + " now"
	if at, on, ok := NextChange(p.Schedule, p.Now); ok {
		text += ", and turns " + word(on) + " " + at.Format("Mon 15:04") + " UTC"
	}
	s.Rest = []Phrase{{Text: text + "."}}
	return s
}

func onHours(n int) string {
	if n == 168 {
		return "all 168 hours of the week"
	}
	return fmt.Sprintf("%d of 168 hours a week", n)
}

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func scheduledHours(s models.WeeklySchedule) int {
	n := 0
	for _, day := range models.Weekdays {
		n += len(s.Hours(day))
	}
	return n
}

// NextChange is when a schedule turns on or off next; a week that is all the
// same never does.
func NextChange(s models.WeeklySchedule, now time.Time) (at time.Time, on, ok bool) {
	was := s.OnAt(now)
	at = now.UTC().Truncate(time.Hour)
	for range 7 * 24 {
		at = at.Add(time.Hour)
		if s.OnAt(at) != was {
			return at, !was, true
		}
	}
	return time.Time{}, was, false
}

// ScheduleSummary is the line of an instance's page.
func ScheduleSummary(s models.WeeklySchedule) string {
	n := scheduledHours(s)
	if n == 0 {
		return "no hour is on yet"
	}
	return "on " + onHours(n)
}

// everyDay tells whether the hour is on on all days.
func (p SchedulePage) everyDay(hour int) bool {
	for _, day := range models.Weekdays {
		if !p.Schedule.On(day, hour) {
			return false
		}
	}
	return true
}

func (p SchedulePage) isNow(day time.Weekday, hour int) bool {
	now := p.Now.UTC()
	return now.Weekday() == day && now.Hour() == hour
}

func hourLabel(day string, hour int) string {
	return fmt.Sprintf("%s %02d:00 to %02d:00", day, hour, hour+1)
}

func hourHead(hour int) string { return fmt.Sprintf("%02d", hour) }

// ScheduleHref is the page of an instance's schedule.
func ScheduleHref(id models.InstanceID) string { return InstanceHref(id) + "/schedule" }

// Preset is a pattern to begin with.
type Preset struct {
	Name, Label string
	On          func(day time.Weekday, hour int) bool
}

// Presets are the patterns that the schedule's page offers.
var Presets = []Preset{
	{"office", "Weekdays 8 to 18", func(day time.Weekday, hour int) bool {
		return day != time.Saturday && day != time.Sunday && hour >= 8 && hour < 18
	}},
	{"nights", "Nights off", func(_ time.Weekday, hour int) bool { return hour >= 6 && hour < 22 }},
	{"always", "Always on", func(time.Weekday, int) bool { return true }},
	{"never", "Always off", func(time.Weekday, int) bool { return false }},
}
