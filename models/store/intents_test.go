package store_test

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestIntents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i, other := storetest.Instance(t, st), storetest.Instance(t, st)
		intend := func(author models.IntentAuthor, want models.IntentWant, at time.Time) *models.Intent {
			n := &models.Intent{ID: models.NewID[models.IntentID](), StackID: i.StackID, InstanceID: i.ID, Author: author, Want: want, State: models.IntentOpen, CreatedAt: at, Cause: models.Cause{Text: "why"}}
			must(t, st.Intents.Create(ctx, n))
			return n
		}
		heal, person := intend(models.ByHealing, models.WantRestarted, noon), intend(models.ByUser, models.WantStopped, noon.Add(time.Second))
		second := *heal
		second.ID = models.NewID[models.IntentID]()
		refused(t, st.Intents.Create(ctx, &second), models.CodeConflict, "")

		ids := func(list []models.Intent, err error) (ids []models.IntentID) {
			t.Helper()
			must(t, err)
			for _, n := range list {
				ids = append(ids, n.ID)
			}
			return ids
		}
		both := []models.IntentID{heal.ID, person.ID}
		equal(t, ids(st.Intents.Open(ctx)), both)
		equal(t, ids(st.Intents.OpenInStack(ctx, i.StackID)), both)
		equal(t, ids(st.Intents.OpenOf(ctx, i.ID)), both)
		equal(t, len(ids(st.Intents.OpenOf(ctx, other.ID))), 0)
		equal(t, ids(st.Intents.OfInstance(ctx, i.ID, 1)), []models.IntentID{person.ID})

		must(t, st.Intents.Acted(ctx, heal.ID, noon))
		must(t, st.Intents.Stopped(ctx, heal.ID, noon.Add(time.Minute)))
		must(t, st.Intents.Stopped(ctx, heal.ID, noon.Add(time.Hour))) // the first one counts
		got, err := st.Intents.Get(ctx, heal.ID)
		must(t, err)
		equal(t, []any{got.ActedAt.Equal(noon), got.StoppedAt.Equal(noon.Add(time.Minute)), got.Cause.Text}, []any{true, true, "why"})
		for since, want := range map[time.Time]int{noon: 1, noon.Add(1): 1, noon.Add(time.Second): 0} {
			n, err := st.Intents.CountSince(ctx, heal, since)
			must(t, err)
			equal(t, n, want)
		}
		for _, want := range []bool{true, false} {
			ended, err := st.Intents.End(ctx, heal.ID, models.IntentDone, "It is online.", noon)
			must(t, err)
			equal(t, ended, want)
		}
		third := intend(models.ByHealing, models.WantRestarted, noon)
		must(t, st.Intents.Prune(ctx, noon.Add(time.Second)))
		equal(t, ids(st.Intents.Open(ctx)), []models.IntentID{third.ID, person.ID})
		equal(t, len(ids(st.Intents.OfInstance(ctx, i.ID, 9))), 2)

		pause := &models.IntentPause{InstanceID: i.ID, StackID: i.StackID, Author: models.ByHealing, Reason: "again and again", At: noon}
		for range 2 { // a new one takes the place of one that has ended
			must(t, st.Intents.Pause(ctx, pause))
			held, err := st.Intents.PausesOf(ctx, i.ID)
			must(t, err)
			all, err := st.Intents.Pauses(ctx)
			must(t, err)
			equal(t, []int{len(held), len(all)}, []int{1, 1})
			for _, want := range []bool{true, false} {
				ended, err := st.Intents.Resume(ctx, i.ID, models.ByHealing, noon)
				must(t, err)
				equal(t, ended, want)
			}
		}
		last, err := st.Intents.LastPause(ctx, i.ID, models.ByHealing)
		must(t, err)
		equal(t, last.EndedAt.Equal(noon), true)
		last, err = st.Intents.LastPause(ctx, i.ID, models.ByLoad)
		must(t, err)
		equal(t, last == nil, true)

		some, err := st.Instances.Some(ctx, []models.InstanceID{i.ID, "none"})
		must(t, err)
		equal(t, len(some), 1)
		must(t, st.Instances.Delete(ctx, i.ID))
		equal(t, len(ids(st.Intents.Open(ctx))), 0)
	})
}

func TestScheduleFirings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i := storetest.Instance(t, st, func(i *models.Instance) { i.AutoScalingType = models.ScalingTimer })
		storetest.Instance(t, st)
		timers, err := st.Instances.Scheduled(ctx)
		must(t, err)
		equal(t, []any{len(timers), timers[0].ID}, []any{1, i.ID})
		for n, c := range []struct {
			start    time.Time
			revision int64
			first    bool
		}{
			{noon, 1, true}, {noon, 1, false}, {noon.Add(-time.Hour), 1, false}, {noon.Add(time.Hour), 1, true},
			{noon, 2, true}, {noon.Add(2 * time.Hour), 1, false}, {noon.Add(time.Hour), 2, true},
		} {
			first, err := st.ScheduleFirings.Fire(ctx, &models.ScheduleFiring{InstanceID: i.ID, StackID: i.StackID, SlotStart: c.start, Revision: c.revision, On: true, At: noon})
			must(t, err)
			if first != c.first {
				t.Errorf("firing %d is the first: %t", n, first)
			}
		}
		must(t, st.ScheduleFirings.Prune(ctx, noon.Add(time.Second)))
		left, err := st.ScheduleFirings.OfInstance(ctx, i.ID, 10)
		must(t, err)
		equal(t, []any{len(left), left[0].Revision, left[0].SlotStart.Equal(noon.Add(time.Hour)), left[0].On}, []any{1, int64(2), true, true})
		must(t, st.Stacks.Delete(ctx, i.StackID))
		left, err = st.ScheduleFirings.OfInstance(ctx, i.ID, 10)
		must(t, err)
		equal(t, len(left), 0)
	})
}

// Without a time-based instance the look at schedules reads nothing.
func TestTimersAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	var plan []struct{ Detail string }
	must(t, st.Gorm().Raw("EXPLAIN QUERY PLAN SELECT * FROM instances WHERE auto_scaling_type = ? AND auto_scaling_type <> ''", models.ScalingTimer).Scan(&plan).Error)
	if len(plan) == 0 {
		t.Fatal("there is no plan")
	}
	holds(t, plan[0].Detail, "instance_scaling")
}
