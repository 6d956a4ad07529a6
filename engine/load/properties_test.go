package load

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"opsyard/models"
)

// figure is now and then not known, else anywhere.
func figure(t *rapid.T, most float64, label string) float64 {
	if rapid.IntRange(0, 19).Draw(t, label+" gap") == 0 {
		return math.NaN()
	}
	return rapid.Float64Range(0, most).Draw(t, label)
}

// series has stretches in which the figures stay, as real loads do: without
// them nothing would ever hold for a wait time.
func series(t *rapid.T) []Minute {
	var list []Minute
	for range rapid.IntRange(1, 12).Draw(t, "stretches") {
		m := Minute{CPU: figure(t, 100, "cpu"), Memory: figure(t, 100, "memory"), Load: figure(t, 16, "load")}
		for range rapid.IntRange(1, 25).Draw(t, "length") {
			m.At = noon.Add(time.Duration(len(list)) * time.Minute)
			list = append(list, m)
		}
	}
	return list
}

func thresholds(t *rapid.T, label string) models.AutoScalingThresholds {
	limit := func(name string, most float64) *float64 {
		switch rapid.IntRange(0, 3).Draw(t, label+name+" kind") {
		case 0:
			return nil
		case 1:
			return value(models.Disabled)
		}
		return value(rapid.Float64Range(0, most).Draw(t, label+name))
	}
	s := models.AutoScalingThresholds{
		InstanceCount:      rapid.IntRange(1, 4).Draw(t, label+"count"),
		ThresholdsWaitTime: rapid.IntRange(1, 20).Draw(t, label+"wait"),
		IgnoreMetricsTime:  rapid.IntRange(1, 20).Draw(t, label+"ignore"),
		CPUThreshold:       limit("cpu", 100), MemoryThreshold: limit("memory", 100), LoadThreshold: limit("load", 16),
	}
	if rapid.IntRange(0, 3).Draw(t, label+"alarms") == 0 {
		s.Alarms = []string{label}
	}
	return s
}

// story is a layer over some hours under any rules.
type story struct {
	rules   Rules
	minutes []Minute
	alarms  []map[string]Alarm // by minute
	fleet   *bench
	held    map[models.InstanceID]bool
	needed  map[models.InstanceID]bool
}

func newStory(t *rapid.T) *story {
	s := &story{rules: Rules{Up: thresholds(t, "up"), Down: thresholds(t, "down"), Minute: time.Minute}, minutes: series(t)}
	s.fleet, s.held, s.needed = newBench(rapid.IntRange(0, 6).Draw(t, "prepared")), map[models.InstanceID]bool{}, map[models.InstanceID]bool{}
	for n := range s.fleet.LoadBased {
		i := &s.fleet.LoadBased[n]
		i.Status = rapid.SampledFrom(models.InstanceStatuses).Draw(t, "status")
		i.Zone = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")
		i.Held = rapid.IntRange(0, 5).Draw(t, "held") == 0
		i.Needed = rapid.IntRange(0, 5).Draw(t, "needed") == 0
		s.held[i.ID], s.needed[i.ID] = i.Held, i.Needed
	}
	now := map[string]Alarm{"up": {models.AlarmOK, noon}, "down": {models.AlarmOK, noon}}
	for n := range s.minutes {
		next := map[string]Alarm{}
		for _, name := range []string{"up", "down"} {
			next[name] = now[name]
			if rapid.IntRange(0, 14).Draw(t, name+" changes") == 0 {
				next[name] = Alarm{rapid.SampledFrom([]models.AlarmState{models.AlarmOK, models.AlarmOn, models.AlarmInsufficient}).Draw(t, name), noon.Add(time.Duration(n) * time.Minute)}
			}
		}
		now = next
		s.alarms = append(s.alarms, next)
	}
	return s
}

// What must hold of every decision, for any figures, rules, alarms and fleet.
func TestDecisionsKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t)
		var last Event
		for n := range s.minutes {
			now := s.minutes[n].At.Add(90 * time.Second) // the minute has just been reported
			seen := s.minutes[:n+1]
			d := Decide(s.rules, seen, s.alarms[n], s.fleet.Fleet, last, now)
			if err := s.check(d, n, last); err != nil {
				t.Fatalf("minute %d: %v: %+v", n, err, d)
			}
			// A second look in the same minute says the same: nothing hangs on how often it is asked.
			if again := Decide(s.rules, seen, s.alarms[n], s.fleet.Fleet, last, now.Add(59*time.Second)); fmt.Sprint(again.Start, again.Stop, again.Sentence) != fmt.Sprint(d.Start, d.Stop, d.Sentence) {
				t.Fatalf("minute %d: asked again it says %q instead of %q", n, again.Sentence, d.Sentence)
			}
			if d.Acts() {
				s.fleet.apply(d, now)
				last = Event{d.Direction(), now}
			}
		}
	})
}

func (s *story) check(d Decision, n int, last Event) error {
	if len(d.Start) > 0 && len(d.Stop) > 0 {
		return fmt.Errorf("it starts and stops")
	}
	if d.Sentence == "" {
		return fmt.Errorf("it says nothing")
	}
	for _, group := range []struct {
		ids   []models.InstanceID
		count int
		can   func(models.Instance) error
	}{
		{d.Start, s.rules.Up.InstanceCount, func(i models.Instance) error { return i.CanStart() }},
		{d.Stop, s.rules.Down.InstanceCount, func(i models.Instance) error { return i.CanStop(false) }},
	} {
		if len(group.ids) > group.count {
			return fmt.Errorf("%d at once are more than %d", len(group.ids), group.count)
		}
		seen := map[models.InstanceID]bool{}
		for _, id := range group.ids {
			i, ours := s.instance(id) // only prepared, load-based ones can come: a 24/7 one is never named
			if !ours || seen[id] || s.held[id] {
				return fmt.Errorf("instance %s: known %t, named twice %t, held %t", id, ours, seen[id], s.held[id])
			}
			if s.needed[id] && d.Direction() == models.ScaleDown {
				return fmt.Errorf("instance %s stops though another layer needs it", id)
			}
			if err := group.can(models.Instance{Hostname: string(id), Status: i.Status}); err != nil {
				return err
			}
			seen[id] = true
		}
	}
	if !d.Acts() {
		return nil
	}
	return s.checkWhy(d, n, last)
}

// checkWhy holds a deed against the rules, word by word as OpsWorks has them,
// written apart from the decider.
func (s *story) checkWhy(d Decision, n int, last Event) error {
	wait, by := s.rules.Up.ThresholdsWaitTime, s.rules.Up
	if d.Direction() == models.ScaleDown {
		wait, by = s.rules.Down.ThresholdsWaitTime, s.rules.Down
	}
	first := n - wait + 1
	if first < 0 {
		return fmt.Errorf("it acts on %d minutes, the wait time is %d", n+1, wait)
	}
	if last.Direction != "" {
		ignore := s.rules.Up.IgnoreMetricsTime
		if last.Direction == models.ScaleDown {
			ignore = s.rules.Down.IgnoreMetricsTime
		}
		if s.minutes[first].At.Before(last.At.Truncate(time.Minute).Add(time.Duration(ignore) * time.Minute)) {
			return fmt.Errorf("it acts on a minute that is to be ignored")
		}
	}
	for _, names := range [][]string{s.rules.Up.Alarms, s.rules.Down.Alarms} {
		for _, name := range names {
			if s.alarms[n][name].State == models.AlarmInsufficient {
				return fmt.Errorf("it acts although %s has insufficient data", name)
			}
		}
	}
	over, under := s.crossed(by, first, n)
	if d.Direction() == models.ScaleUp && !over {
		return fmt.Errorf("it starts although no threshold was exceeded throughout")
	}
	if d.Direction() == models.ScaleDown && !under {
		return fmt.Errorf("it stops although not every threshold was undercut throughout")
	}
	return nil
}

func (s *story) crossed(by models.AutoScalingThresholds, first, last int) (over, under bool) {
	under = true
	for _, c := range []struct {
		limit *float64
		of    func(Minute) float64
	}{
		{by.CPUThreshold, func(m Minute) float64 { return m.CPU }}, {by.MemoryThreshold, func(m Minute) float64 { return m.Memory }}, {by.LoadThreshold, func(m Minute) float64 { return m.Load }},
	} {
		if c.limit == nil || *c.limit == models.Disabled {
			continue
		}
		above := true
		for _, m := range s.minutes[first : last+1] {
			above = above && c.of(m) > *c.limit
			under = under && c.of(m) < *c.limit
		}
		over = over || above
	}
	for _, name := range by.Alarms {
		through := true
		for n := first; n <= last; n++ {
			through = through && s.alarms[n][name].State == models.AlarmOn
		}
		over, under = over || through, under && through
	}
	return over, under
}

func (s *story) instance(id models.InstanceID) (Instance, bool) {
	for _, i := range s.fleet.LoadBased {
		if i.ID == id {
			return i, true
		}
	}
	return Instance{}, false
}

// A back-test never has more than the prepared instances, never fewer than
// none, and two of its events always keep their distance.
func TestBacktestKeepsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t)
		prepared := rapid.IntRange(0, 6).Draw(t, "instances")
		alarms := func(at time.Time) map[string]Alarm {
			return s.alarms[max(0, min(len(s.alarms)-1, int(at.Sub(noon)/time.Minute)-1))]
		}
		end := noon.Add(time.Duration(len(s.minutes)) * time.Minute)
		test := Backtest(s.rules, s.minutes, prepared, alarms, noon, end)
		running, before := 0, Event{}
		for _, step := range test.Steps {
			change, ignore := step.Count, s.rules.Up.IgnoreMetricsTime
			if before.Direction == models.ScaleDown {
				ignore = s.rules.Down.IgnoreMetricsTime
			}
			if step.Direction == models.ScaleDown {
				change = -change
			}
			if running += change; running < 0 || running > prepared {
				t.Fatalf("%d of %d run after %+v", running, prepared, step)
			}
			if before.Direction != "" && step.At.Sub(before.At) <= time.Duration(ignore)*time.Minute {
				t.Fatalf("%+v comes within %d min of %+v", step, ignore, before)
			}
			before = step.Event
		}
		if test.Added-test.Removed != running || test.Flaps > len(test.Steps) {
			t.Fatalf("got %+v", test)
		}
	})
}
