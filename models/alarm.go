package models

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// AlarmID is the id of an Alarm.
type AlarmID string

// AlarmState is the state of an alarm, as CloudWatch spells it.
type AlarmState string

// States of alarms.
const (
	AlarmOK           AlarmState = "OK"
	AlarmOn           AlarmState = "ALARM"
	AlarmInsufficient AlarmState = "INSUFFICIENT_DATA" // nothing was measured, or the query failed
)

// AlarmStatistic says how the instances of a scope become one figure a minute.
type AlarmStatistic string

// Statistics of alarms.
const (
	StatisticAverage AlarmStatistic = "Average"
	StatisticMinimum AlarmStatistic = "Minimum"
	StatisticMaximum AlarmStatistic = "Maximum"
)

// AlarmStatistics is every statistic, the usual one first.
var AlarmStatistics = []AlarmStatistic{StatisticAverage, StatisticMinimum, StatisticMaximum}

// AlarmComparison is how a figure is held against the threshold.
type AlarmComparison string

// Comparisons of alarms.
const (
	Above        AlarmComparison = ">"
	AboveOrEqual AlarmComparison = ">="
	Below        AlarmComparison = "<"
	BelowOrEqual AlarmComparison = "<="
)

// AlarmComparisons is every comparison.
var AlarmComparisons = []AlarmComparison{Above, AboveOrEqual, Below, BelowOrEqual}

// Holds tells whether a figure stands so to the threshold; one that is not
// known never does.
func (c AlarmComparison) Holds(value, threshold float64) bool {
	switch c {
	case Above:
		return value > threshold
	case AboveOrEqual:
		return value >= threshold
	case Below:
		return value < threshold
	case BelowOrEqual:
		return value <= threshold
	}
	return false
}

// Words says the comparison in words.
func (c AlarmComparison) Words() string {
	return map[AlarmComparison]string{Above: "above", AboveOrEqual: "at or above", Below: "below", BelowOrEqual: "at or below"}[c]
}

// Worse tells whether a is further on the side that the alarm is about than b.
func (c AlarmComparison) Worse(a, b float64) bool {
	if c == Above || c == AboveOrEqual {
		return a > b
	}
	return a < b
}

// Figures that alarms know beside the metrics: what load-based scaling looks at.
const (
	MetricCPU    Metric = "cpu"    // per cent that is not idle
	MetricMemory Metric = "memory" // per cent that is used
)

// AlarmMetrics are the figures that an alarm can be about.
func AlarmMetrics() []Metric { return append([]Metric{MetricCPU, MetricMemory}, Metrics...) }

// MaxAlarmMinutes is how far back an alarm looks, at most.
const MaxAlarmMinutes = 60

// Alarm is a rule on stored metrics, or on the answer of a Prometheus server,
// with its state. Load-based scaling and people look at it.
type Alarm struct {
	ID      AlarmID `gorm:"primaryKey;size:36"`
	StackID StackID `gorm:"size:36;not null;uniqueIndex:alarm_name"`
	// Name is what load-based scaling calls the alarm by; upper and lower case
	// differ.
	Name string `gorm:"size:255;not null;uniqueIndex:alarm_name"`
	// LayerID or InstanceID narrow the scope; with neither it is the stack.
	LayerID    LayerID         `gorm:"size:36;index"`
	InstanceID InstanceID      `gorm:"size:36;index"`
	Metric     Metric          `gorm:"size:32"`
	Statistic  AlarmStatistic  `gorm:"size:16"`
	Comparison AlarmComparison `gorm:"size:2;not null"`
	Threshold  float64         `gorm:"not null"`
	// Minutes of the newest Of must stand so to the threshold.
	Minutes int `gorm:"not null"`
	Of      int `gorm:"column:of_minutes;not null"`
	// Query is PromQL; the metric, the statistic and the scope count for nothing then.
	Query string `gorm:"size:4096"`

	State       AlarmState `gorm:"size:32;not null"`
	StateSince  time.Time  `gorm:"not null"`
	StateReason string     // a sentence
	// Value is the figure of the newest minute, nil when it is not known.
	Value     *float64
	LookedAt  *time.Time // when the engine last looked
	CreatedAt time.Time  `gorm:"not null"`
	UpdatedAt time.Time  `gorm:"not null"`
}

// AlarmChange is one entry of an alarm's history.
type AlarmChange struct {
	ID      int64      `gorm:"primaryKey;autoIncrement"`
	AlarmID AlarmID    `gorm:"size:36;not null;index:alarm_change_at"`
	StackID StackID    `gorm:"size:36;not null;index"`
	At      time.Time  `gorm:"not null;index:alarm_change_at"`
	From    AlarmState `gorm:"column:from_state;size:32;not null"`
	To      AlarmState `gorm:"column:to_state;size:32;not null"`
	Reason  string
	Value   *float64
}

// Unit is what the figures of an alarm are in.
func (m Metric) unit() string {
	switch name := string(m); {
	case m == MetricCPU, m == MetricMemory, strings.HasPrefix(name, "cpu_"):
		return " %"
	case strings.HasPrefix(name, "memory_"):
		return " KB"
	}
	return ""
}

// Show writes a figure of the alarm with its unit.
func (a *Alarm) Show(v float64) string {
	unit := a.Metric.unit()
	if a.Query != "" {
		unit = ""
	}
	text := fmt.Sprintf("%.6g", math.Round(v*1000)/1000)
	return text + unit
}

// Normalize fills the defaults.
func (a *Alarm) Normalize() {
	a.Name, a.Query = strings.TrimSpace(a.Name), strings.TrimSpace(a.Query)
	if a.Comparison == "" {
		a.Comparison = Above
	}
	if a.Minutes == 0 {
		a.Minutes = 1
	}
	if a.Of == 0 {
		a.Of = a.Minutes
	}
	if a.Query != "" {
		a.LayerID, a.InstanceID, a.Metric, a.Statistic = "", "", "", ""
	} else if a.Statistic == "" {
		a.Statistic = StatisticAverage
	}
	if a.State == "" {
		a.State = AlarmInsufficient
	}
}

// Validate refuses an alarm that could never be looked at.
func (a *Alarm) Validate() error {
	switch {
	case a.Name == "" || len(a.Name) > 255 || strings.ContainsFunc(a.Name, unshowable):
		return InvalidField("Name", "Name: an alarm needs one of at most 255 characters.")
	case !contains(AlarmComparisons, a.Comparison):
		return InvalidField("Comparison", "Comparison: must be >, >=, < or <=.")
	case math.IsNaN(a.Threshold) || math.IsInf(a.Threshold, 0):
		return InvalidField("Threshold", "Threshold: must be a number.")
	case a.Of < 1 || a.Of > MaxAlarmMinutes:
		return InvalidField("Of", "Of: must be 1 to %d minutes.", MaxAlarmMinutes)
	case a.Minutes < 1 || a.Minutes > a.Of:
		return InvalidField("Minutes", "Minutes: must be 1 to %d, as many as are looked at.", a.Of)
	case len(a.Query) > 4096:
		return InvalidField("Query", "Query: at most 4096 characters.")
	case a.Query != "":
		return nil
	case !slices.Contains(AlarmMetrics(), a.Metric):
		return InvalidField("Metric", "Metric: choose one of the metrics, or give a query.")
	case !contains(AlarmStatistics, a.Statistic):
		return InvalidField("Statistic", "Statistic: must be Average, Minimum or Maximum.")
	case a.LayerID != "" && a.InstanceID != "":
		return InvalidField("InstanceId", "Instance: an alarm is about a layer or about an instance, not both.")
	}
	return nil
}

// Rule says in words when the alarm is on.
func (a *Alarm) Rule() string {
	what := a.Query
	if what == "" {
		what = strings.ToLower(string(a.Statistic)) + " " + string(a.Metric)
	}
	how := fmt.Sprintf("%s %s %s", what, a.Comparison.Words(), a.Show(a.Threshold))
	if a.Minutes == a.Of {
		return fmt.Sprintf("%s for %d min", how, a.Of)
	}
	return fmt.Sprintf("%s in %d of %d min", how, a.Minutes, a.Of)
}
