package load

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// defaults are OpsWorks' own: up above 80 % for 5 min, down below 30 % for 10.
func defaults(change ...func(*Rules)) Rules {
	c := models.NewLoadBasedAutoScaling(&models.Layer{})
	r := Rules{Up: c.UpScaling, Down: c.DownScaling, Minute: time.Minute}
	for _, f := range change {
		f(&r)
	}
	return r
}

func value(v float64) *float64 { return &v }

// cpu is a row of minutes up to noon, the newest last.
func cpu(values ...float64) []Minute {
	var list []Minute
	for n, v := range values {
		m := Unknown(noon.Add(time.Duration(n-len(values)) * time.Minute))
		m.CPU = v
		list = append(list, m)
	}
	return list
}

func repeat(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

// atNoon decides half a minute after noon, when the minute before it has been reported.
func atNoon(r Rules, minutes []Minute, alarms map[string]Alarm, f Fleet, last Event) Decision {
	return Decide(r, minutes, alarms, f, last, noon.Add(30*time.Second))
}

func fleet(statuses ...models.InstanceStatus) Fleet {
	f := Fleet{}
	for n, s := range statuses {
		f.LoadBased = append(f.LoadBased, Instance{ID: models.InstanceID("i" + string(rune('0'+n))), Status: s, Since: noon.Add(time.Duration(n-60) * time.Minute)})
	}
	return f
}

const (
	off = models.InstanceStopped
	on  = models.InstanceOnline
)

func TestThresholds(t *testing.T) {
	t.Parallel()
	memory := func(r *Rules) { r.Up.MemoryThreshold, r.Down.MemoryThreshold = value(90), value(50) }
	withMemory := func(minutes []Minute, v float64) []Minute {
		for n := range minutes {
			minutes[n].Memory = v
		}
		return minutes
	}
	for name, c := range map[string]struct {
		rules    Rules
		minutes  []Minute
		last     Event
		want     models.ScalingDirection
		sentence string
	}{
		"up after the wait time":        {defaults(), cpu(repeat(81, 5)...), Event{}, models.ScaleUp, "CPU was above 80 % for 5 min, 81 % in the last. 1 instance to start."},
		"not a minute earlier":          {defaults(), cpu(80, 81, 81, 81, 81), Event{}, "", "No threshold was crossed"},
		"at the threshold is not above": {defaults(), cpu(repeat(80, 9)...), Event{}, "", "CPU 80 %"},
		"a break begins anew":           {defaults(), cpu(99, 99, 99, 79, 99), Event{}, "", ""},
		"a minute without data breaks":  {defaults(), cpu(99, 99, math.NaN(), 99, 99), Event{}, "", ""},
		"nothing measured":              {defaults(), nil, Event{}, "", "Nothing was measured"},
		"down after its wait time":      {defaults(), cpu(repeat(3, 10)...), Event{}, models.ScaleDown, "For 10 min, CPU was below 30 %, 3 % in the last minute. 1 instance to stop."},
		"not before":                    {defaults(), cpu(repeat(3, 9)...), Event{}, "", ""},
		"up by one of two": {
			defaults(memory), withMemory(cpu(repeat(5, 10)...), 95), Event{}, models.ScaleUp, "Memory was above 90 %"},
		"down needs both": {defaults(memory), withMemory(cpu(repeat(5, 10)...), 60), Event{}, "", ""},
		"down with both":  {defaults(memory), withMemory(cpu(repeat(5, 10)...), 40), Event{}, models.ScaleDown, "and Memory was below 50 %"},
		"down is not asked for while one asks for more": {
			defaults(func(r *Rules) { r.Up.LoadThreshold, r.Up.ThresholdsWaitTime = value(4), 100 }),
			func() []Minute {
				m := cpu(repeat(5, 10)...)
				for n := range m {
					m[n].Load = 5
				}
				return m
			}(), Event{}, "", ""},
		"-1 is off":        {defaults(func(r *Rules) { r.Up.CPUThreshold = value(-1) }), cpu(repeat(99, 20)...), Event{}, "", ""},
		"no threshold":     {defaults(func(r *Rules) { r.Down.CPUThreshold = nil }), cpu(repeat(1, 20)...), Event{}, "", ""},
		"ignores after up": {defaults(), cpu(repeat(99, 20)...), Event{models.ScaleUp, noon.Add(-4 * time.Minute)}, "", "It has scaled up at 11:56 UTC and ignores all metrics until 12:01 UTC."},
		"ignored minutes do not count later": {
			defaults(), cpu(repeat(99, 20)...), Event{models.ScaleUp, noon.Add(-9 * time.Minute)}, "", "Metrics count again since 11:56 UTC"},
		"ignores the other direction too": {defaults(), cpu(repeat(1, 20)...), Event{models.ScaleUp, noon.Add(-14 * time.Minute)}, "", ""},
		"again when the time is over":     {defaults(), cpu(repeat(99, 20)...), Event{models.ScaleUp, noon.Add(-10 * time.Minute)}, models.ScaleUp, ""},
	} {
		d := atNoon(c.rules, c.minutes, nil, fleet(off, on), c.last)
		if d.Direction() != c.want || d.Wants != c.want || !strings.Contains(d.Sentence, c.sentence) {
			t.Errorf("%s: %s, %q", name, d.Direction(), d.Sentence)
		}
	}
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	rules := defaults(func(r *Rules) {
		r.Up.CPUThreshold, r.Down.CPUThreshold = nil, nil
		r.Up.Alarms, r.Down.Alarms = []string{"busy", "queue"}, []string{"idle"}
	})
	state := func(s models.AlarmState, minutes int) Alarm {
		return Alarm{s, noon.Add(-time.Duration(minutes) * time.Minute)}
	}
	ok := state(models.AlarmOK, 90)
	for name, c := range map[string]struct {
		alarms   map[string]Alarm
		want     models.ScalingDirection
		sentence string
	}{
		"one is enough to grow":        {map[string]Alarm{"busy": ok, "queue": state(models.AlarmOn, 5), "idle": ok}, models.ScaleUp, "The alarm queue was on for 5 min."},
		"not before the wait time":     {map[string]Alarm{"busy": ok, "queue": state(models.AlarmOn, 4), "idle": ok}, "", "No alarm asks"},
		"insufficient data blocks":     {map[string]Alarm{"busy": state(models.AlarmOn, 60), "queue": state(models.AlarmInsufficient, 1), "idle": ok}, "", "The alarm queue has insufficient data"},
		"also that of the other way":   {map[string]Alarm{"busy": state(models.AlarmOn, 60), "queue": ok, "idle": state(models.AlarmInsufficient, 1)}, "", "The alarm idle"},
		"and one that nobody has made": {map[string]Alarm{"busy": state(models.AlarmOn, 60), "queue": ok}, "", "The alarm idle"},
		"idle shrinks":                 {map[string]Alarm{"busy": ok, "queue": ok, "idle": state(models.AlarmOn, 10)}, models.ScaleDown, "the alarm idle was on"},
		"unless one was on of late":    {map[string]Alarm{"busy": state(models.AlarmOK, 3), "queue": ok, "idle": state(models.AlarmOn, 10)}, "", ""},
	} {
		d := atNoon(rules, nil, c.alarms, fleet(off, on), Event{})
		if d.Direction() != c.want || !strings.Contains(d.Sentence, c.sentence) {
			t.Errorf("%s: %s, %q", name, d.Direction(), d.Sentence)
		}
	}
}

func TestWhichInstances(t *testing.T) {
	t.Parallel()
	busy, idle := cpu(repeat(99, 10)...), cpu(repeat(1, 10)...)
	three := defaults(func(r *Rules) { r.Up.InstanceCount, r.Down.InstanceCount = 3, 3 })
	zoned := fleet(off, off, off)
	zoned.LoadBased[0].Zone, zoned.LoadBased[1].Zone, zoned.LoadBased[2].Zone, zoned.Zones = "a", "a", "b", map[string]int{"a": 1}
	held := fleet(off, off, off)
	held.LoadBased[1].Held = true
	needed := fleet(on, on, off, on)
	needed.LoadBased[3].Needed = true
	wanted := fleet(off)
	wanted.LoadBased[0].Needed = true
	for name, c := range map[string]struct {
		minutes  []Minute
		fleet    Fleet
		want     string
		sentence string
	}{
		"the longest stopped first":         {busy, fleet(off, off, off, off), "i0 i1 i2", "3 instances to start."},
		"into the emptier zone":             {busy, zoned, "i2 i0 i1", ""},
		"who failed to start comes last":    {busy, fleet(models.InstanceStartFailed, on, off), "i2 i0", "2 instances to start."},
		"not what somebody else has a wish": {busy, held, "i0 i2", ""},
		"none is left":                      {busy, fleet(on, on), "", "No load-based instance is left to start."},
		"none is there":                     {busy, fleet(), "", "The layer has no load-based instance to start."},
		"the newest stops first":            {idle, fleet(on, on, on, on), "i3 i2 i1", "3 instances to stop."},
		"what does not serve before it":     {idle, fleet(models.InstanceSetupFailed, on, off, on, on), "i0 i4 i3", ""},
		"a lost one is left to healing":     {idle, fleet(on, models.InstanceConnectionLost), "i0", "1 instance to stop."},
		"not what another layer needs":      {idle, needed, "i1 i0", "2 instances to stop."},
		"what it needs starts":              {busy, wanted, "i0", "1 instance to start."},
		"none runs":                         {idle, fleet(off, models.InstanceStopping), "", "No load-based instance is left to stop."},
	} {
		d := atNoon(three, c.minutes, nil, c.fleet, Event{})
		var got []string
		for _, id := range slices.Concat(d.Start, d.Stop) {
			got = append(got, string(id))
		}
		if strings.Join(got, " ") != c.want || !strings.Contains(d.Sentence, c.sentence) {
			t.Errorf("%s: %v, %q", name, got, d.Sentence)
		}
	}
}

func TestBacktest(t *testing.T) {
	t.Parallel()
	minutes := cpu(slices.Concat(repeat(50, 30), repeat(95, 20), repeat(10, 40), repeat(50, 30))...)
	test := Backtest(defaults(), minutes, 2, nil, noon.Add(-2*time.Hour), noon)
	if test.Added != 2 || test.Removed != 2 || test.Flaps != 1 || test.Measured != 120 || test.Short != 0 {
		t.Errorf("got %+v", test)
	}
	if s := test.Steps[0]; s.At != noon.Add(-85*time.Minute+30*time.Second) || s.Direction != models.ScaleUp || s.Count != 1 {
		t.Errorf("the first step is %+v", s)
	}
	if test := Backtest(defaults(), minutes, 1, nil, noon.Add(-2*time.Hour), noon); test.Added != 1 || test.Short != 1 {
		t.Errorf("with one instance: %+v", test)
	}
	if test := Backtest(defaults(), nil, 1, nil, noon.Add(-2*time.Hour), noon); test.Measured != 0 || len(test.Steps) != 0 {
		t.Errorf("without figures: %+v", test)
	}
}
