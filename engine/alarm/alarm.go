// Package alarm decides the state of alarms from the figures of some minutes.
// It is pure.
package alarm

import (
	"fmt"
	"math"

	"opsyard/models"
)

// Verdict is what an alarm's state should be, and why.
type Verdict struct {
	State  models.AlarmState
	Reason string   // a sentence with the figures
	Value  *float64 // of the newest minute; nil is not known
}

// Decide holds the figures of the newest minutes, the newest last, against the
// alarm's rule. NaN is not known, and minutes that are missing are NaN. When
// what is known can mean both, the state stays.
func Decide(a *models.Alarm, values []float64) Verdict {
	values = values[max(0, len(values)-a.Of):]
	crossed, known := 0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			known++
		}
		if a.Comparison.Holds(v, a.Threshold) {
			crossed++
		}
	}
	verdict := Verdict{State: a.State, Value: newest(values)}
	unknown := a.Of - known
	switch {
	case crossed >= a.Minutes:
		verdict.State = models.AlarmOn
	case known == 0:
		return Verdict{State: models.AlarmInsufficient, Reason: missing(a.Of)}
	case crossed+unknown < a.Minutes:
		verdict.State = models.AlarmOK
	}
	verdict.Reason = reason(a, crossed, known, verdict.Value)
	return verdict
}

func newest(values []float64) *float64 {
	if len(values) == 0 || math.IsNaN(values[len(values)-1]) {
		return nil
	}
	v := values[len(values)-1]
	return &v
}

func missing(of int) string {
	if of == 1 {
		return "Nothing was measured in the last minute."
	}
	return fmt.Sprintf("Nothing was measured in the last %d min.", of)
}

func reason(a *models.Alarm, crossed, known int, value *float64) string {
	text := fmt.Sprintf("%s in %d of the last %d min", a.Comparison.Words()+" "+a.Show(a.Threshold), crossed, a.Of)
	if known < a.Of {
		text += fmt.Sprintf(", %d without a figure", a.Of-known)
	}
	if value != nil {
		text += "; " + a.Show(*value) + " in the newest"
	}
	return "It was " + text + "."
}

// Fold makes one figure of those of a scope's instances.
func Fold(how models.AlarmStatistic, values []float64) float64 {
	sum, n, least, most := 0.0, 0, math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if math.IsNaN(v) {
			continue
		}
		sum, n, least, most = sum+v, n+1, min(least, v), max(most, v)
	}
	switch {
	case n == 0:
		return math.NaN()
	case how == models.StatisticMinimum:
		return least
	case how == models.StatisticMaximum:
		return most
	}
	return sum / float64(n)
}

// Worst is the figure of several that is furthest on the side that the alarm is
// about: any one of them is enough.
func Worst(a *models.Alarm, values []float64) float64 {
	worst := math.NaN()
	for _, v := range values {
		if !math.IsNaN(v) && (math.IsNaN(worst) || a.Comparison.Worse(v, worst)) {
			worst = v
		}
	}
	return worst
}
