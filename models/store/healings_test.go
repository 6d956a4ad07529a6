package store_test

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestHealings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, at := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		entry := func(instance models.InstanceID, d models.HealingDecision, at time.Time) models.Healing {
			return models.Healing{
				ID: models.NewID[models.HealingID](), StackID: "s", InstanceID: instance, Hostname: "web1", LayerIDs: []models.LayerID{"l"},
				LostAt: at, At: at, Decision: d, Sentence: "It is so.",
				Evidence: models.HealingEvidence{At: at, Machine: "running", Probes: []models.HealingProbe{{From: "web2", Detail: "no answer"}}},
			}
		}
		waiting, healed := entry("i", models.DecisionWait, at), entry("j", models.DecisionHeal, at.Add(time.Minute))
		must(t, st.Healings.Create(ctx, waiting, healed))
		got, err := st.Healings.Get(ctx, healed.ID)
		must(t, err)
		equal(t, got, &healed)
		open, err := st.Healings.Open(ctx)
		must(t, err)
		equal(t, open, []models.Healing{waiting, healed})
		of, err := st.Healings.OpenOf(ctx, "j")
		must(t, err)
		equal(t, of, []models.Healing{healed})
		of, err = st.Healings.OpenInStack(ctx, "s")
		must(t, err)
		equal(t, of, []models.Healing{waiting, healed})
		done, err := st.Healings.Done(ctx, at)
		must(t, err)
		equal(t, done, []models.Healing{healed})

		waiting.Decision, waiting.Sentence, waiting.At = models.DecisionHeal, "It is healed.", at.Add(2*time.Minute)
		changed, err := st.Healings.Decide(ctx, &waiting)
		must(t, err)
		equal(t, changed, true)
		last, err := st.Healings.Last(ctx, []models.InstanceID{"i", "j", "k"})
		must(t, err)
		equal(t, last, map[models.InstanceID]time.Time{"i": waiting.At, "j": healed.At})

		must(t, st.Healings.End(ctx, "It is back.", at.Add(time.Hour), waiting.ID))
		changed, err = st.Healings.Decide(ctx, &waiting)
		must(t, err)
		equal(t, changed, false)
		list, total, err := st.Healings.InStack(ctx, "s", 1, 1)
		must(t, err)
		equal(t, total, 2)
		equal(t, list, []models.Healing{healed})
		newest, err := st.Healings.Newest(ctx, "i")
		must(t, err)
		equal(t, newest.Outcome, "It is back.")
		newest, err = st.Healings.Newest(ctx, "nobody")
		must(t, err)
		equal(t, newest == nil, true)

		monday := at.Add(3 * 24 * time.Hour)
		for _, want := range []bool{true, false} {
			noted, err := st.Healings.Wrong(ctx, waiting.ID, "ada", monday)
			must(t, err)
			equal(t, noted, want)
		}
		for since, want := range map[time.Duration][]models.HealingID{-24 * time.Hour: {waiting.ID}, time.Second: nil} {
			done, err := st.Healings.Done(ctx, monday.Add(since))
			must(t, err)
			var ids []models.HealingID
			for _, h := range done {
				ids = append(ids, h.ID)
			}
			equal(t, ids, want)
		}
		must(t, st.Healings.Drop(ctx, healed.ID))
		must(t, st.Healings.Prune(ctx, at.Add(2*time.Hour)))
		_, total, err = st.Healings.InStack(ctx, "s", 1, 0)
		must(t, err)
		equal(t, total, 0)
	})
}

func TestHealingLifts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, at := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for _, by := range []string{"ada", "bob"} {
			must(t, st.Healings.Lift(ctx, &models.HealingLift{StackID: "s", Until: at.Add(time.Hour), By: by}))
		}
		lifts, err := st.Healings.Lifts(ctx, at)
		must(t, err)
		equal(t, lifts, map[models.StackID]models.HealingLift{"s": {StackID: "s", Until: at.Add(time.Hour), By: "bob"}})
		lifts, err = st.Healings.Lifts(ctx, at.Add(time.Hour))
		must(t, err)
		equal(t, len(lifts), 0)
	})
}
