package load

import (
	"fmt"
	"math"
	"strings"
	"time"

	"opsyard/models"
)

// Decide looks at the rules once (OpsWorks: "Managing Load with Time-based and
// Load-based Instances"). Minutes are in the order of time; those that are
// missing are a break.
func Decide(r Rules, minutes []Minute, alarms map[string]Alarm, fleet Fleet, last Event, now time.Time) Decision {
	look := look{rules: r, alarms: alarms, end: r.Newest(now)}
	look.index(minutes)
	d := look.decide(last)
	d.Why = strings.TrimSuffix(d.Sentence, ".")
	switch d.Wants {
	case "":
		d.Why = ""
	case models.ScaleUp:
		d.Start = toStart(fleet, r.Up.InstanceCount)
		d.Sentence += started(len(d.Start), len(fleet.LoadBased))
	case models.ScaleDown:
		d.Stop = toStop(fleet, r.Down.InstanceCount)
		d.Sentence += stopped(len(d.Stop))
	}
	return d
}

// look is one look at the rules.
type look struct {
	rules  Rules
	alarms map[string]Alarm
	end    time.Time
	// newest first, without holes: a missing minute is an unknown one
	minutes []Minute
}

// index puts the minutes of the window into a row, newest first.
func (l *look) index(minutes []Minute) {
	from := l.rules.first(l.end)
	l.minutes = make([]Minute, int(l.end.Sub(from)/l.rules.Minute))
	for n := range l.minutes {
		l.minutes[n] = Unknown(l.end.Add(-time.Duration(n+1) * l.rules.Minute))
	}
	for k := len(minutes) - 1; k >= 0 && !minutes[k].At.Before(from); k-- {
		if back := l.end.Sub(minutes[k].At); back > 0 {
			l.minutes[(back-1)/l.rules.Minute] = minutes[k]
		}
	}
}

func (l *look) decide(last Event) Decision {
	d := Decision{Newest: Unknown(l.end.Add(-l.rules.Minute))}
	if len(l.minutes) > 0 {
		d.Newest = l.minutes[0]
	}
	if name, ok := l.insufficient(); ok {
		d.Blocked, d.Sentence = true, fmt.Sprintf("The alarm %s has insufficient data: nothing is started or stopped.", name)
		return d
	}
	deaf := l.deafUntil(last)
	if until := deaf; l.end.Before(until) {
		d.Sentence = fmt.Sprintf("It has scaled %s at %s and ignores all metrics until %s.", last.Direction, clock(last.At), clock(until))
		return d
	}
	if why, ok := l.up(deaf); ok {
		d.Wants, d.Sentence = models.ScaleUp, why
		return d
	}
	if why, ok := l.down(deaf); ok {
		d.Wants, d.Sentence = models.ScaleDown, why
		return d
	}
	d.Blocked = !d.Newest.Known() && !l.onlyAlarms()
	d.Sentence = l.quiet(d.Newest, deaf)
	return d
}

// deafUntil is the end of the time in which the last event lets all metrics be
// ignored, in both directions. What was measured before it counts for nothing.
// It is counted in whole minutes from the one in which the event was.
func (l *look) deafUntil(last Event) time.Time {
	var minutes int
	switch last.Direction {
	case models.ScaleUp:
		minutes = l.rules.Up.IgnoreMetricsTime
	case models.ScaleDown:
		minutes = l.rules.Down.IgnoreMetricsTime
	default:
		return time.Time{}
	}
	return last.At.Truncate(l.rules.Minute).Add(time.Duration(minutes) * l.rules.Minute)
}

// insufficient finds an alarm, of either direction, whose state is not known.
// OpsWorks: no scaling then, even when another alarm is on.
func (l *look) insufficient() (string, bool) {
	for _, names := range [][]string{l.rules.Up.Alarms, l.rules.Down.Alarms} {
		for _, name := range names {
			if s := l.alarms[name].State; s != models.AlarmOK && s != models.AlarmOn {
				return name, true
			}
		}
	}
	return "", false
}

// window are the minutes of a wait time; none when it reaches into the time
// that is ignored.
func (l *look) window(wait int, deaf time.Time) []Minute {
	if l.start(wait).Before(deaf) {
		return nil
	}
	return l.minutes[:wait]
}

func (l *look) start(wait int) time.Time { return l.end.Add(-time.Duration(wait) * l.rules.Minute) }

// up tells whether any one threshold was exceeded through all of the wait time.
func (l *look) up(deaf time.Time) (string, bool) {
	t := &l.rules.Up
	window := l.window(t.ThresholdsWaitTime, deaf)
	if len(window) == 0 {
		return "", false
	}
	for _, m := range measures(t) {
		if all(window, func(at Minute) bool { return m.of(at) > m.threshold }) {
			return fmt.Sprintf("%s was above %s for %d min, %s in the last.", m.name, m.show(m.threshold), t.ThresholdsWaitTime, m.show(m.of(window[0]))), true
		}
	}
	for _, name := range t.Alarms {
		if l.onThrough(name, t.ThresholdsWaitTime) {
			return fmt.Sprintf("The alarm %s was on for %d min.", name, t.ThresholdsWaitTime), true
		}
	}
	return "", false
}

// down tells whether every threshold was undercut through all of the wait time,
// while nothing asked for more.
func (l *look) down(deaf time.Time) (string, bool) {
	t := &l.rules.Down
	window := l.window(t.ThresholdsWaitTime, deaf)
	under := measures(t)
	if len(window) == 0 || len(under)+len(t.Alarms) == 0 {
		return "", false
	}
	var facts []string
	for _, m := range under {
		if !all(window, func(at Minute) bool { return m.of(at) < m.threshold }) {
			return "", false
		}
		facts = append(facts, fmt.Sprintf("%s was below %s, %s in the last minute", m.name, m.show(m.threshold), m.show(m.of(window[0]))))
	}
	for _, name := range t.Alarms {
		if !l.onThrough(name, t.ThresholdsWaitTime) {
			return "", false
		}
		facts = append(facts, "the alarm "+name+" was on")
	}
	if l.asksForMore(window) {
		return "", false
	}
	return fmt.Sprintf("For %d min, %s.", t.ThresholdsWaitTime, strings.Join(facts, ", and ")), true
}

// asksForMore tells whether a threshold of up-scaling was exceeded, or not
// known, in any of the minutes: then nothing is taken away.
func (l *look) asksForMore(window []Minute) bool {
	for _, m := range measures(&l.rules.Up) {
		if !all(window, func(at Minute) bool { return m.of(at) <= m.threshold }) {
			return true
		}
	}
	for _, name := range l.rules.Up.Alarms {
		if l.alarms[name].State == models.AlarmOn || l.alarms[name].Since.After(l.start(len(window))) {
			return true
		}
	}
	return false
}

// onThrough tells whether an alarm has been on through all of the wait time.
func (l *look) onThrough(name string, wait int) bool {
	a := l.alarms[name]
	return a.State == models.AlarmOn && !a.Since.After(l.start(wait))
}

func (l *look) onlyAlarms() bool { return len(measures(&l.rules.Up))+len(measures(&l.rules.Down)) == 0 }

// quiet says why nothing is done.
func (l *look) quiet(newest Minute, deaf time.Time) string {
	if l.onlyAlarms() {
		return "No alarm asks for more or for fewer instances."
	}
	if !newest.Known() {
		return "Nothing was measured in the last minute: no online instance of the layer sends metrics."
	}
	var facts []string
	for _, m := range all3 {
		if m.in(&l.rules.Up) || m.in(&l.rules.Down) {
			facts = append(facts, m.name+" "+m.show(m.of(newest)))
		}
	}
	text := "In the last minute: " + strings.Join(facts, ", ") + "."
	if n := l.rules.Up.ThresholdsWaitTime; l.start(n).Before(deaf) {
		return text + fmt.Sprintf(" Metrics count again since %s; up-scaling needs %d min of them.", clock(deaf), n)
	}
	return text + " No threshold was crossed for its whole wait time."
}

// measure is one of the three figures that thresholds look at.
type measure struct {
	name, unit string
	of         func(Minute) float64
	setting    func(*models.AutoScalingThresholds) *float64
	threshold  float64
}

var all3 = []measure{
	{name: "CPU", unit: " %", of: func(m Minute) float64 { return m.CPU }, setting: func(t *models.AutoScalingThresholds) *float64 { return t.CPUThreshold }},
	{name: "Memory", unit: " %", of: func(m Minute) float64 { return m.Memory }, setting: func(t *models.AutoScalingThresholds) *float64 { return t.MemoryThreshold }},
	{name: "Load", of: func(m Minute) float64 { return m.Load }, setting: func(t *models.AutoScalingThresholds) *float64 { return t.LoadThreshold }},
}

func (m measure) in(t *models.AutoScalingThresholds) bool {
	v := m.setting(t)
	return v != nil && *v != models.Disabled
}

// show writes a figure with its unit.
func (m measure) show(v float64) string {
	switch {
	case math.IsNaN(v):
		return "not known"
	case m.unit == "":
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4g", math.Round(v*10)/10) + m.unit
}

// measures are the thresholds that are looked at.
func measures(t *models.AutoScalingThresholds) []measure {
	var list []measure
	for _, m := range all3 {
		if m.in(t) {
			m.threshold = *m.setting(t)
			list = append(list, m)
		}
	}
	return list
}

// all asks every minute; a comparison with what is not known is false.
func all(minutes []Minute, holds func(Minute) bool) bool {
	for _, m := range minutes {
		if !holds(m) {
			return false
		}
	}
	return true
}

func clock(at time.Time) string { return at.UTC().Format("15:04") + " UTC" }
