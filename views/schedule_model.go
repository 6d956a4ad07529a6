package views

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
)

// SchedulePage is the week of a time-based instance, hour by hour, and what
// becomes of it on the days to come.
type SchedulePage struct {
	Frame    StackFrame
	Now      time.Time
	Instance models.Instance
	Schedule models.WeeklySchedule
	Unsaved  bool // the grid shows a week that is not stored yet
	Form     Form // the refusal of what was sent
	// Zone is the name of the time zone, as it was typed; empty means UTC.
	Zone  string
	Zones []string // that are offered
	Loc   *time.Location
	On    bool      // now
	Next  time.Time // when that changes; zero when it never does
	Days  []ScheduleDay
	Fired []models.ScheduleFiring // newest first
}

// ScheduleDay is a day of the zone as it will really happen.
type ScheduleDay struct {
	Date time.Time
	Long time.Duration
	On   []ScheduleStretch
	Note string // about a clock that is moved
}

// ScheduleStretch is a time in which the instance is on, within a day.
type ScheduleStretch struct {
	From, To     time.Time
	Begins, Ends bool // it is started and stopped there
}

// ScheduleDays is how many days to come the page shows.
const ScheduleDays = 14

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
	text := "The schedule is " + word(p.On) + " now"
	if !p.Next.IsZero() {
		text += ", and turns " + word(!p.On) + " " + p.Next.In(p.loc()).Format("Mon 2 Jan 15:04 MST")
	}
	s.Rest = []Phrase{{Text: text + "."}}
	return s
}

func (p SchedulePage) loc() *time.Location {
	if p.Loc == nil {
		return time.UTC
	}
	return p.Loc
}

// zone names the zone, UTC too.
func (p SchedulePage) zone() string {
	if p.Zone == "" {
		return "UTC"
	}
	return p.Zone
}

// total is how long the instance is on that day: "10 h", "9 h 30 min".
func (d ScheduleDay) total() string {
	var sum time.Duration
	for _, s := range d.On {
		sum += s.To.Sub(s.From)
	}
	if sum == 0 {
		return "–"
	}
	return Span(sum)
}

// hours are the stretches as text: "08:00 to 18:00", "from 22:00 on".
func (d ScheduleDay) hours() string {
	var parts []string
	for _, s := range d.On {
		from, to := s.From.Format("15:04"), s.To.Format("15:04")
		switch {
		case !s.Begins && !s.Ends:
			parts = append(parts, "all day")
		case !s.Begins:
			parts = append(parts, "until "+to)
		case !s.Ends:
			parts = append(parts, "from "+from+" on")
		default:
			parts = append(parts, from+" to "+to)
		}
	}
	if parts == nil {
		return "off"
	}
	return strings.Join(parts, ", ")
}

// bar is where a stretch lies in the day's bar, whose width is the day's length
// in minutes.
func (d ScheduleDay) bar(s ScheduleStretch) (x, width string) {
	minutes := func(t time.Duration) string { return strconv.Itoa(int(t.Minutes())) }
	return minutes(s.From.Sub(d.Date)), minutes(s.To.Sub(s.From))
}

func (d ScheduleDay) viewBox() string { return fmt.Sprintf("0 0 %d 10", int(d.Long.Minutes())) }

// fired says what a firing did, and how late it was.
func (p SchedulePage) fired(f models.ScheduleFiring) string {
	text := "Turned " + word(f.On)
	if f.SlotStart.Unix() <= 0 {
		return text + ": all hours are"
	}
	text += " for " + f.SlotStart.In(p.loc()).Format("Mon 2 Jan 15:04 MST")
	if late := f.At.Sub(f.SlotStart); late > time.Minute {
		text += ", " + Span(late.Truncate(time.Second)) + " into the hours: it was changed then, or no server ran"
	}
	return text
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

// ScheduleSummary is the line of an instance's page.
func ScheduleSummary(i models.Instance) string {
	n := scheduledHours(i.Schedule)
	switch {
	case n == 0:
		return "no hour is on yet"
	case i.ScheduleZone != "":
		return "on " + onHours(n) + ", " + i.ScheduleZone
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
	now := p.Now.In(p.loc())
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
