package models

import (
	"slices"
	"strings"
	"time"
)

// Weekdays are the days of a WeeklySchedule, in its order.
var Weekdays = [7]time.Weekday{
	time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday,
}

// WeeklySchedule says in which whole hours a time-based instance is on: Monday
// first, bit h stands for the hour that begins at h. They are hours of UTC, as
// in OpsWorks, unless the instance names another zone. OpsWorks:
// WeeklyAutoScalingSchedule.
type WeeklySchedule [7]uint32

const (
	hoursOfDay = 24
	everyHour  = 1<<hoursOfDay - 1
)

func dayIndex(day time.Weekday) int { return (int(day) + 6) % 7 }

// On tells whether the hour is an on-hour. Hours outside of 0 to 23 never are.
func (s WeeklySchedule) On(day time.Weekday, hour int) bool {
	return hour >= 0 && hour < hoursOfDay && s[dayIndex(day)]&(1<<hour) != 0
}

// ScheduleZone is the time zone of a name in the IANA database; empty means UTC.
func ScheduleZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > maxZone {
		return nil, InvalidField("ScheduleZone", "Time zone: %q is not a zone of the IANA database; use a name like Europe/Berlin.", name)
	}
	return loc, nil
}

const maxZone = 64

// Location is the zone of the instance's schedule, UTC where it names none.
func (i *Instance) Location() *time.Location {
	loc, err := ScheduleZone(i.ScheduleZone)
	if err != nil { // stored by a server that knew it
		return time.UTC
	}
	return loc
}

// ScheduleFiring is that a schedule has turned an instance on or off. Its key
// is unique: however many servers look, and however often they start again,
// each turn of a schedule acts once.
type ScheduleFiring struct {
	InstanceID InstanceID `gorm:"primaryKey;size:36"`
	SlotStart  time.Time  `gorm:"primaryKey"`
	Revision   int64      `gorm:"primaryKey;autoIncrement:false"` // of the schedule
	StackID    StackID    `gorm:"size:36;not null;index"`
	On         bool       `gorm:"column:turned_on;not null"`
	At         time.Time  `gorm:"not null"` // when it acted
}

// Set switches one hour; an hour outside of 0 to 23 is refused.
func (s *WeeklySchedule) Set(day time.Weekday, hour int, on bool) error {
	if hour < 0 || hour >= hoursOfDay {
		return InvalidField("AutoScalingSchedule", "Auto scaling schedule: %d is not an hour, use 0 to 23.", hour)
	}
	if on {
		s[dayIndex(day)] |= 1 << hour
	} else {
		s[dayIndex(day)] &^= 1 << hour
	}
	return nil
}

// Hours are the on-hours of a day, in order.
func (s WeeklySchedule) Hours(day time.Weekday) []int {
	var hours []int
	for h := range hoursOfDay {
		if s.On(day, h) {
			hours = append(hours, h)
		}
	}
	return hours
}

// IsZero tells whether there is no on-hour at all.
func (s WeeklySchedule) IsZero() bool { return s == WeeklySchedule{} }

// Validate refuses hours that no day has.
func (s WeeklySchedule) Validate() error {
	for n, day := range s {
		if day > everyHour {
			return InvalidField("AutoScalingSchedule", "Auto scaling schedule: %s has an hour beyond 23.", Weekdays[n])
		}
	}
	return nil
}

// Disabled is the value of a threshold that is not looked at.
const Disabled = -1

// Limits of load-based scaling.
const (
	MaxScalingMinutes = 100
	MaxScalingAlarms  = 5
)

// AutoScalingThresholds is when load-based scaling acts in one direction.
// OpsWorks: AutoScalingThresholds. A threshold that is nil was never set;
// that or Disabled means that it is not looked at.
type AutoScalingThresholds struct {
	InstanceCount      int      `json:"instance_count"`       // started or stopped at once
	ThresholdsWaitTime int      `json:"thresholds_wait_time"` // minutes over the threshold before it acts
	IgnoreMetricsTime  int      `json:"ignore_metrics_time"`  // minutes after it has acted
	CPUThreshold       *float64 `json:"cpu_threshold,omitempty"`
	MemoryThreshold    *float64 `json:"memory_threshold,omitempty"`
	LoadThreshold      *float64 `json:"load_threshold,omitempty"`
	Alarms             []string `json:"alarms,omitempty"`
}

// LoadBasedAutoScaling is a layer's load-based scaling. OpsWorks:
// LoadBasedAutoScalingConfiguration.
type LoadBasedAutoScaling struct {
	LayerID     LayerID `gorm:"primaryKey;size:36"`
	StackID     StackID `gorm:"size:36;not null;index"`
	Enable      bool
	UpScaling   AutoScalingThresholds `gorm:"serializer:json"`
	DownScaling AutoScalingThresholds `gorm:"serializer:json"`
	CreatedAt   time.Time             `gorm:"not null"`
	UpdatedAt   time.Time             `gorm:"not null"`
}

// NewLoadBasedAutoScaling has OpsWorks' defaults and is off.
func NewLoadBasedAutoScaling(l *Layer) LoadBasedAutoScaling {
	up, down := 80.0, 30.0
	return LoadBasedAutoScaling{
		LayerID: l.ID, StackID: l.StackID,
		UpScaling:   AutoScalingThresholds{InstanceCount: 1, ThresholdsWaitTime: 5, IgnoreMetricsTime: 5, CPUThreshold: &up},
		DownScaling: AutoScalingThresholds{InstanceCount: 1, ThresholdsWaitTime: 10, IgnoreMetricsTime: 10, CPUThreshold: &down},
	}
}

// Validate refuses what OpsWorks would refuse.
func (c *LoadBasedAutoScaling) Validate() error {
	if err := c.UpScaling.validate("UpScaling"); err != nil {
		return err
	}
	return c.DownScaling.validate("DownScaling")
}

func (t *AutoScalingThresholds) validate(direction string) error {
	label := map[string]string{"UpScaling": "Up scaling", "DownScaling": "Down scaling"}[direction]
	if t.InstanceCount < 1 {
		return InvalidField(direction+".InstanceCount", "%s: instance count must be at least 1.", label)
	}
	for _, m := range []struct {
		field, name string
		minutes     int
	}{
		{"ThresholdsWaitTime", "thresholds wait time", t.ThresholdsWaitTime},
		{"IgnoreMetricsTime", "ignore metrics time", t.IgnoreMetricsTime},
	} {
		if m.minutes < 1 || m.minutes > MaxScalingMinutes {
			return InvalidField(direction+"."+m.field, "%s: %s must be 1 to %d minutes.", label, m.name, MaxScalingMinutes)
		}
	}
	for _, p := range []struct {
		field, name string
		value       *float64
	}{{"CpuThreshold", "CPU", t.CPUThreshold}, {"MemoryThreshold", "memory", t.MemoryThreshold}} {
		if v := p.value; v != nil && *v != Disabled && !(*v >= 0 && *v <= 100) {
			return InvalidField(direction+"."+p.field, "%s: the %s threshold is a percentage, 0 to 100, or %d for none.", label, p.name, Disabled)
		}
	}
	if v := t.LoadThreshold; v != nil && *v != Disabled && !(*v >= 0) {
		return InvalidField(direction+".LoadThreshold", "%s: the load threshold must be 0 or more, or %d for none.", label, Disabled)
	}
	return t.validateAlarms(direction, label)
}

func (t *AutoScalingThresholds) validateAlarms(direction, label string) error {
	field := direction + ".Alarms"
	if len(t.Alarms) > MaxScalingAlarms {
		return InvalidField(field, "%s: at most %d alarms can be given.", label, MaxScalingAlarms)
	}
	for n, name := range t.Alarms {
		switch {
		case strings.TrimSpace(name) == "" || len(name) > 255 || strings.ContainsFunc(name, unshowable):
			return InvalidField(field, "%s: %q is not the name of an alarm.", label, name)
		case slices.Contains(t.Alarms[:n], name):
			return InvalidField(field, "%s: the alarm %q is given twice.", label, name)
		}
	}
	return nil
}
