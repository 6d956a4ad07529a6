// Package schedule says when a time-based instance is on: a week of whole
// hours of the clock on the wall of a time zone, OpsWorks' UTC by default.
//
// The clock on the wall decides, always. In the spring it jumps over an hour,
// whose box has no effect that day; in the autumn it shows an hour twice, and
// both are as their box says. Where clocks move by half an hour, or differ
// from UTC by one, an hour is what their own clock calls that hour.
package schedule

import (
	_ "embed"
	"strings"
	"time"
	_ "time/tzdata" // zones are known where the system has none

	"opsyard/models"
)

//go:embed zones.txt
var zones string

// Zones are the names of the IANA time zones that the console offers; any
// other name of the database is good too.
func Zones() []string { return strings.Fields(zones) }

// OnAt tells whether the week is on at a moment.
func OnAt(week models.WeeklySchedule, loc *time.Location, t time.Time) bool {
	t = t.In(loc)
	return week.On(t.Weekday(), t.Hour())
}

// nextHour is the first moment after t at which the wall shows another hour.
func nextHour(loc *time.Location, t time.Time) time.Time {
	local := t.In(loc)
	into := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	next := local.Add(time.Hour - into)
	if _, end := local.ZoneBounds(); !end.IsZero() && end.Before(next) {
		return end.In(loc)
	}
	return next
}

// hourBegan is the last moment, t itself included, at which the wall began to
// show the hour that it shows at t, or at which the clock was moved.
func hourBegan(loc *time.Location, t time.Time) time.Time {
	local := t.In(loc)
	into := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	began := local.Add(-into)
	if start, _ := local.ZoneBounds(); start.After(began) {
		return start.In(loc)
	}
	return began
}

// Transition is a moment at which a week turns on or off.
type Transition struct {
	At time.Time // in the zone
	On bool
}

// Transitions are the turns of a week after from, up to and including to.
func Transitions(week models.WeeklySchedule, loc *time.Location, from, to time.Time) []Transition {
	var list []Transition
	on := OnAt(week, loc, from)
	for t := nextHour(loc, from); !t.After(to); t = nextHour(loc, t) {
		if now := OnAt(week, loc, t); now != on {
			on = now
			list = append(list, Transition{t, on})
		}
	}
	return list
}

// horizon is further than two turns of any week that turns can be apart: a
// single hour of the week may fall into the one that spring leaves out.
const horizon = 15 * 24 * time.Hour

// Next is the first turn after t; a week that is all the same has none.
func Next(week models.WeeklySchedule, loc *time.Location, t time.Time) (Transition, bool) {
	on := OnAt(week, loc, t)
	for at := nextHour(loc, t); at.Sub(t) <= horizon; at = nextHour(loc, at) {
		if OnAt(week, loc, at) != on {
			return Transition{at, !on}, true
		}
	}
	return Transition{}, false
}

// Slot is a stretch of time in which a week stays on or off.
type Slot struct {
	Start time.Time // in UTC; of a week that never turns, the beginning of all time
	On    bool
}

// beginning starts the slot of a week that is always the same. It is no zero
// time, which databases do not all keep.
var beginning = time.Unix(0, 0).UTC()

// SlotAt is the slot that t lies in.
func SlotAt(week models.WeeklySchedule, loc *time.Location, t time.Time) Slot {
	on := OnAt(week, loc, t)
	for at := hourBegan(loc, t); t.Sub(at) <= horizon; at = hourBegan(loc, at.Add(-time.Nanosecond)) {
		if OnAt(week, loc, at.Add(-time.Nanosecond)) != on {
			return Slot{at.UTC(), on}
		}
	}
	return Slot{beginning, on}
}
