// Package load decides when a layer's load-based instances start and stop. It
// is pure: what was measured, the alarms, the instances and the time are handed
// in, and what comes out is a decision with its sentence.
package load

import (
	"math"
	"time"

	"opsyard/models"
)

// Minute is what a layer measured in one minute: averages over its online
// instances of all types. NaN is not known.
type Minute struct {
	At                time.Time // when it began
	CPU, Memory, Load float64   // per cent, per cent, load average
}

// Unknown is a minute of which nothing is known.
func Unknown(at time.Time) Minute {
	return Minute{At: at, CPU: math.NaN(), Memory: math.NaN(), Load: math.NaN()}
}

// Known tells whether anything was measured.
func (m Minute) Known() bool {
	return !math.IsNaN(m.CPU) || !math.IsNaN(m.Memory) || !math.IsNaN(m.Load)
}

// Alarm is the state of an alarm, and since when it has it.
type Alarm struct {
	State models.AlarmState
	Since time.Time
}

// Rules are a layer's thresholds, and how long its minutes are.
type Rules struct {
	Up, Down models.AutoScalingThresholds
	Minute   time.Duration
}

// Event is the layer's last scaling event; the zero value says that there was
// none.
type Event struct {
	Direction models.ScalingDirection
	At        time.Time
}

// Instance is a load-based instance of the layer.
type Instance struct {
	ID     models.InstanceID
	Zone   string
	Status models.InstanceStatus
	Since  time.Time // in its status
	// Held is set when somebody else has a wish for it: a person, or healing.
	// Scaling leaves it alone.
	Held bool
	// Needed is set when another layer that it is in needs it: it may start, but
	// does not stop.
	Needed bool
}

// Fleet are the layer's instances.
type Fleet struct {
	LoadBased []Instance
	// Zones counts the running instances of all types by availability zone.
	Zones map[string]int
}

// Decision is what is to be done now, and why. At most one of Start and Stop
// has members.
type Decision struct {
	// Wants is the direction in which the figures point, even when nothing can
	// be done about it.
	Wants       models.ScalingDirection
	Start, Stop []models.InstanceID
	// Sentence says what was decided with the figures, for people; Why is the
	// part of it that names the figures, and empty when nothing is wanted.
	Sentence, Why string
	// Blocked is set when the rules could not be looked at: an alarm without
	// data, or nothing measured.
	Blocked bool
	// Newest are the figures of the last whole minute.
	Newest Minute
}

// Acts tells whether there is anything to do.
func (d Decision) Acts() bool { return len(d.Start)+len(d.Stop) > 0 }

// Direction is that of what is to be done.
func (d Decision) Direction() models.ScalingDirection {
	switch {
	case len(d.Start) > 0:
		return models.ScaleUp
	case len(d.Stop) > 0:
		return models.ScaleDown
	}
	return ""
}

// Window is the time whose minutes a decision at now looks at.
func (r Rules) Window(now time.Time) (from, to time.Time) {
	to = r.Newest(now)
	return r.first(to), to
}

func (r Rules) first(end time.Time) time.Time {
	return end.Add(-time.Duration(max(r.Up.ThresholdsWaitTime, r.Down.ThresholdsWaitTime)) * r.Minute)
}

// Newest is the end of the last minute that counts. Agents report a minute
// shortly after its end, and it is averaged over the layer then, so it counts
// when half of the next one has gone by.
func (r Rules) Newest(now time.Time) time.Time {
	return now.Add(-r.lag()).Truncate(r.Minute)
}

func (r Rules) lag() time.Duration { return r.Minute / 2 }
