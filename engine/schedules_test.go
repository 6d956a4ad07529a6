package engine

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/pubsub"
	"opsyard/engine/schedule"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// officeHours is 8 to 18 on weekdays.
func officeHours(t *testing.T) models.WeeklySchedule {
	t.Helper()
	var week models.WeeklySchedule
	for _, day := range models.Weekdays[:5] {
		for hour := 8; hour < 18; hour++ {
			if err := week.Set(day, hour, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	return week
}

// hand is a clock that tests move.
type hand struct{ at atomic.Int64 }

func (h *hand) set(t time.Time) { h.at.Store(t.UnixNano()) }
func (h *hand) now() time.Time  { return time.Unix(0, h.at.Load()).UTC() }

// replica is one more server on a database. Its loops do not run.
func replica(t *testing.T, url string, now func() time.Time) *Engine {
	t.Helper()
	e, err := New(t.Context(), Config{
		Store: storetest.OpenURL(t, url, func(c *store.Config) { c.Now = now }), Hub: pubsub.NewHub(), Logs: &fakeLogs{}, Log: slog.New(slog.DiscardHandler), Now: now,
		Providers: map[string]compute.Provider{"sim": newFakeProvider()}, DefaultProvider: "sim", AgentURL: "http://127.0.0.1:1", FastPasswords: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func timer(t *testing.T, st *store.Store) *models.Instance {
	t.Helper()
	layer := storetest.Layer(t, st)
	return storetest.Instance(t, st, func(i *models.Instance) {
		i.StackID, i.LayerIDs, i.AutoScalingType = layer.StackID, []models.LayerID{layer.ID}, models.ScalingTimer
	})
}

// Two servers look at the same schedule at the same moments, for two weeks
// in which the clocks are moved; one of them begins anew each time, and
// sometimes none looks for hours. Each turn acts once, and the last one always.
func TestReplicasFireOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := models.AsEngine(t.Context())
		begin := time.Date(2026, 10, 19, 5, 30, 0, 0, time.UTC)
		clock := &hand{}
		clock.set(begin)
		slow := func() time.Time { return clock.now().Add(-40 * time.Second) }
		one, two := replica(t, url, clock.now), replica(t, url, slow)
		i, berlin := timer(t, one.store), must(models.ScheduleZone("Europe/Berlin"))(t)
		if err := one.SetSchedule(ctx, i.ID, officeHours(t), "Europe/Berlin"); err != nil {
			t.Fatal(err)
		}
		look := func(engines ...*Engine) {
			var all sync.WaitGroup
			for n := range 3 * len(engines) {
				all.Go(func() {
					if err := engines[n%len(engines)].followSchedules(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		end := begin.Add(14 * 24 * time.Hour)
		for now := begin; now.Before(end); now = now.Add(time.Hour) {
			if h := now.Hour(); h >= 10 && h < 15 {
				continue // nobody looks
			}
			clock.set(now)
			one.schedules = newSchedules() // it began anew
			look(one, two)
			clock.set(now.Add(time.Minute)) // now it is time for the slow one too
			look(one, two)
		}
		fired := must(one.store.ScheduleFirings.OfInstance(ctx, i.ID, 100))(t)
		want := []schedule.Transition{{At: must(time.Parse(time.RFC3339, "2026-10-16T16:00:00Z"))(t), On: false}}
		want = append(want, schedule.Transitions(officeHours(t), berlin, begin, end)...)
		if len(fired) != len(want) {
			t.Fatalf("%d firings, want %d", len(fired), len(want))
		}
		for n, f := range fired {
			w := want[len(want)-1-n]
			if !f.SlotStart.Equal(w.At) || f.On != w.On || f.At.Sub(f.SlotStart) > 5*time.Hour && n < len(want)-1 {
				t.Errorf("fired %t for %s at %s, want %t for %s", f.On, f.SlotStart, f.At, w.On, w.At)
			}
		}
		if intents := must(one.store.Intents.OfInstance(ctx, i.ID, 100))(t); len(intents) != len(want) {
			t.Errorf("%d intents for %d turns", len(intents), len(want))
		}
	})
}

// A server begins while its clock is a day and more ahead, and is set right a
// minute later. What it did too early is put right as soon as clocks are
// believed, and no turn is left out or acts twice, though another server looks
// too.
func TestAClockThatRanAhead(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := models.AsEngine(t.Context())
		clock, wrong := &hand{}, &hand{}
		one, two := replica(t, url, clock.now), replica(t, url, wrong.now)
		noon := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC) // a Wednesday
		look := func(now time.Time, ahead time.Duration) {
			t.Helper()
			clock.set(now)
			wrong.set(now.Add(ahead))
			for _, e := range []*Engine{two, one, two} {
				if err := e.followSchedules(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		clock.set(noon)
		wrong.set(noon)
		i := timer(t, one.store)
		if err := one.SetSchedule(ctx, i.ID, officeHours(t), ""); err != nil {
			t.Fatal(err)
		}
		expect := func(when string, online, stopped int, fired ...time.Time) {
			t.Helper()
			wants := map[models.IntentWant]int{}
			for _, n := range must(one.store.Intents.OfInstance(ctx, i.ID, 100))(t) {
				wants[n.Want]++
			}
			if wants[models.WantOnline] != online || wants[models.WantStopped] != stopped {
				t.Errorf("%s: it was wanted %v, not %d times online and %d times stopped", when, wants, online, stopped)
			}
			var got []time.Time
			for _, f := range must(one.store.ScheduleFirings.OfInstance(ctx, i.ID, 100))(t) {
				got = append(got, f.SlotStart)
			}
			if !slices.EqualFunc(got, fired, time.Time.Equal) {
				t.Errorf("%s: fired for %s, want %s", when, got, fired)
			}
		}
		at := func(day, hour int) time.Time {
			return time.Date(2026, 11, 18+day, hour, 0, 0, 0, time.UTC)
		}
		look(noon, 0)
		expect("at noon", 1, 0, at(0, 8))
		look(noon.Add(time.Hour), 31*time.Hour)
		expect("with a clock that is ahead", 1, 1, at(1, 18), at(0, 8))
		right := noon.Add(time.Hour + time.Minute)
		for now := right; now.Before(right.Add(clockHeld)); now = now.Add(30 * time.Second) {
			look(now, 0)
			expect("when it may be right or behind", 1, 1, at(1, 18), at(0, 8))
		}
		look(right.Add(clockHeld+time.Second), 0)
		expect("when it is right again", 2, 1, at(0, 8))
		fired := []time.Time{at(0, 8)}
		for n, turn := range []time.Time{at(0, 18), at(1, 8), at(1, 18), at(2, 8)} {
			one.schedules, two.schedules = newSchedules(), newSchedules() // they began anew
			for range 2 {
				look(turn.Add(time.Minute), 0)
			}
			fired = append([]time.Time{turn}, fired...)
			expect(turn.String(), 2+(n+1)/2, 2+n/2, fired...)
		}
	})
}

// A change acts at once, in the middle of a slot too; what is there already is
// not done again.
func TestASchedulesChangeActsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := models.AsEngine(t.Context())
		clock := &hand{}
		clock.set(time.Date(2026, 11, 18, 12, 30, 0, 0, time.UTC)) // a Wednesday
		e := replica(t, url, clock.now)
		i := timer(t, e.store)
		follow := func(status models.InstanceStatus, firings int) {
			t.Helper()
			for range 2 {
				if err := e.followSchedules(ctx); err != nil {
					t.Fatal(err)
				}
			}
			got := must(e.store.Instances.Get(ctx, i.ID))(t)
			fired := must(e.store.ScheduleFirings.OfInstance(ctx, i.ID, 100))(t)
			if got.Status != status || len(fired) != firings {
				t.Errorf("%s after %d firings, want %s after %d", got.Status, len(fired), status, firings)
			}
		}
		follow(models.InstanceStopped, 0) // nobody has given it hours
		if err := e.SetTimeBasedAutoScaling(ctx, i.ID, officeHours(t)); err != nil {
			t.Fatal(err)
		}
		follow(models.InstanceRequested, 1)
		if got := must(e.store.Instances.Get(ctx, i.ID))(t).StatusCause; got.Kind != models.CauseSchedule || got.Text != "its schedule turned on at Wed 08:00 UTC" || got.Actor != "auto-scaling" {
			t.Errorf("got %+v", got)
		}
		week := officeHours(t)
		week[2] &^= 1 << 12 // the present hour
		if err := e.SetSchedule(ctx, i.ID, week, "UTC"); err != nil {
			t.Fatal(err)
		}
		follow(models.InstanceTerminating, 2)
		// 18:00 in Calcutta has been, half an hour ago.
		if err := e.SetSchedule(ctx, i.ID, officeHours(t), "Asia/Kolkata"); err != nil {
			t.Fatal(err)
		}
		follow(models.InstanceTerminating, 3)
		if f := must(e.store.ScheduleFirings.OfInstance(ctx, i.ID, 1))(t); !f[0].SlotStart.Equal(time.Date(2026, 11, 18, 12, 30, 0, 0, time.UTC)) {
			t.Errorf("the slot begins %s", f[0].SlotStart)
		}
		err := e.SetSchedule(ctx, i.ID, officeHours(t), "Europe/Nowhere")
		if models.CodeOf(err) != models.CodeInvalid || err == nil {
			t.Errorf("got %v", err)
		}
		// Firings are forgotten, but for the one that stands for the present.
		if err := e.store.ScheduleFirings.Prune(ctx, clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		e.schedules = newSchedules()
		follow(models.InstanceTerminating, 1)
		// Who becomes time-based again follows the present slot again.
		if _, err := e.store.SQL().ExecContext(ctx, "UPDATE instances SET status = 'stopped'"); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{models.ScalingNone, models.ScalingTimer} {
			if _, err := e.UpdateInstance(ctx, i.ID, func(i *models.Instance) error { i.AutoScalingType = kind; return nil }); err != nil {
				t.Fatal(err)
			}
			follow(models.InstanceStopped, map[string]int{models.ScalingNone: 1, models.ScalingTimer: 2}[kind])
		}
	})
}
