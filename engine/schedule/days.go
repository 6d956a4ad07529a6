package schedule

import (
	"time"

	"opsyard/models"
)

// Day is one day of a zone's calendar, as it will really happen.
type Day struct {
	Date time.Time // its midnight, or the first moment that it has
	Long time.Duration
	On   []Stretch
	// Moved is when clocks are moved on that day, and by how much; zero on most.
	Moved time.Time
	By    time.Duration
}

// Stretch is a time in which an instance is on, within a day.
type Stretch struct {
	From, To time.Time // in the zone
	// Begins and Ends tell whether the instance is started and stopped there,
	// or the day before and after it is on too.
	Begins, Ends bool
}

// Total is how long the instance is on that day.
func (d *Day) Total() time.Duration {
	var sum time.Duration
	for _, s := range d.On {
		sum += s.To.Sub(s.From)
	}
	return sum
}

// Days are the next n days of a week, the one of from first and whole.
func Days(week models.WeeklySchedule, loc *time.Location, from time.Time, n int) []Day {
	list := make([]Day, n)
	for k := range list {
		start := midnight(loc, from, k)
		end := midnight(loc, from, k+1)
		list[k] = dayOf(week, loc, start, end)
	}
	return list
}

// midnight is the first moment of the day k days after t's. The clock may jump
// over midnight, or show it twice, so all moments are tried that it can be.
func midnight(loc *time.Location, t time.Time, k int) time.Time {
	y, m, d := t.In(loc).Date()
	noon := time.Date(y, m, d+k, 12, 0, 0, 0, loc)
	first := noon
	jump, _ := noon.ZoneBounds()
	_, now := noon.Zone()
	_, before := noon.Add(-24 * time.Hour).Zone()
	zero := time.Date(y, m, d+k, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{zero.Add(-seconds(now)), zero.Add(-seconds(before)), jump} {
		if at = at.In(loc); at.Before(first) && at.YearDay() == noon.YearDay() && at.Year() == noon.Year() {
			first = at
		}
	}
	return first
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func dayOf(week models.WeeklySchedule, loc *time.Location, start, end time.Time) Day {
	d := Day{Date: start, Long: end.Sub(start)}
	before := start.Add(-time.Nanosecond) // the clock may be moved at its first moment
	if _, moved := before.ZoneBounds(); !moved.IsZero() && moved.Before(end) {
		_, was := before.Zone()
		_, is := moved.In(loc).Zone()
		d.Moved, d.By = moved.In(loc), seconds(is-was)
	}
	on, began := OnAt(week, loc, start), start
	begins := on && !OnAt(week, loc, start.Add(-time.Nanosecond))
	for _, t := range Transitions(week, loc, start, end.Add(-time.Nanosecond)) {
		if on {
			d.On = append(d.On, Stretch{began, t.At, begins, true})
		}
		on, began, begins = t.On, t.At, true
	}
	if on {
		d.On = append(d.On, Stretch{began, end, begins, !OnAt(week, loc, end)})
	}
	return d
}
