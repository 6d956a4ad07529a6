package alarm

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"opsyard/models"
)

var nan = math.NaN()

func TestDecide(t *testing.T) {
	t.Parallel()
	rule := func(minutes, of int, state models.AlarmState) *models.Alarm {
		return &models.Alarm{Metric: models.MetricCPU, Comparison: models.Above, Threshold: 80, Minutes: minutes, Of: of, State: state}
	}
	for name, c := range map[string]struct {
		alarm  *models.Alarm
		values []float64
		want   models.AlarmState
		reason string
	}{
		"on":                        {rule(2, 3, models.AlarmOK), []float64{81, 20, 90}, models.AlarmOn, "It was above 80 % in 2 of the last 3 min; 90 % in the newest."},
		"ok":                        {rule(2, 3, models.AlarmOn), []float64{80, 20, 90}, models.AlarmOK, "in 1 of the last 3 min"},
		"older ones do not count":   {rule(2, 2, models.AlarmOn), []float64{99, 99, 99, 1}, models.AlarmOK, ""},
		"nothing known":             {rule(1, 2, models.AlarmOn), []float64{nan, nan}, models.AlarmInsufficient, "Nothing was measured in the last 2 min."},
		"nothing at all":            {rule(1, 1, models.AlarmOn), nil, models.AlarmInsufficient, "Nothing was measured in the last minute."},
		"enough in spite of a gap":  {rule(2, 3, models.AlarmOK), []float64{90, nan, 90}, models.AlarmOn, "1 without a figure"},
		"too few in spite of a gap": {rule(2, 3, models.AlarmOn), []float64{10, nan, 10}, models.AlarmOK, ""},
		"both are possible":         {rule(2, 3, models.AlarmOn), []float64{90, nan, 10}, models.AlarmOn, ""},
		"both, and it was ok":       {rule(2, 3, models.AlarmOK), []float64{90, nan, 10}, models.AlarmOK, ""},
	} {
		got := Decide(c.alarm, c.values)
		if got.State != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %s, %q", name, got.State, got.Reason)
		}
	}
}

// Filling in what is missing can only confirm a verdict that has changed the
// state: an alarm never goes on, or back to OK, by a guess.
func TestNoVerdictIsAGuess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, 8).Draw(t, "of")
		a := &models.Alarm{
			Metric: models.MetricCPU, Comparison: rapid.SampledFrom(models.AlarmComparisons).Draw(t, "comparison"), Threshold: 50,
			Minutes: rapid.IntRange(1, of).Draw(t, "minutes"), Of: of,
			State: rapid.SampledFrom([]models.AlarmState{models.AlarmOK, models.AlarmOn, models.AlarmInsufficient}).Draw(t, "state"),
		}
		values, filled := make([]float64, of), make([]float64, of)
		gaps := 0
		for n := range values {
			filled[n] = rapid.SampledFrom([]float64{0, 49, 50, 51, 100}).Draw(t, "value")
			values[n] = filled[n]
			if rapid.Bool().Draw(t, "gap") {
				values[n] = nan
				gaps++
			}
		}
		got, whole := Decide(a, values), Decide(a, filled)
		if whole.State == models.AlarmInsufficient || whole.Value == nil {
			t.Fatalf("all is known, yet it says %+v", whole)
		}
		if got.State != a.State && got.State != models.AlarmInsufficient && got.State != whole.State {
			t.Fatalf("it went from %s to %s, but it is %s: %v of %v", a.State, got.State, whole.State, values, filled)
		}
		if got.State == models.AlarmInsufficient && gaps < of && a.State != models.AlarmInsufficient {
			t.Fatalf("%v is not nothing", values)
		}
	})
}

func TestFold(t *testing.T) {
	t.Parallel()
	values := []float64{nan, 10, 40, 100}
	for how, want := range map[models.AlarmStatistic]float64{models.StatisticAverage: 50, models.StatisticMinimum: 10, models.StatisticMaximum: 100} {
		if got := Fold(how, values); got != want {
			t.Errorf("%s: %g", how, got)
		}
	}
	if !math.IsNaN(Fold(models.StatisticAverage, []float64{nan})) || !math.IsNaN(Worst(&models.Alarm{}, nil)) {
		t.Error("of nothing something is known")
	}
	if got := Worst(&models.Alarm{Comparison: models.Below}, values); got != 10 {
		t.Errorf("the worst for below is %g", got)
	}
	if got := Worst(&models.Alarm{Comparison: models.AboveOrEqual}, values); got != 100 {
		t.Errorf("the worst for above is %g", got)
	}
}
