package store_test

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestMarks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		stack := storetest.Stack(t, st).ID
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for n, c := range []models.CauseKind{models.CauseUser, models.CauseMembership, models.CauseUser, models.CauseUser} {
			storetest.Deployment(t, st, func(d *models.Deployment) {
				d.StackID, d.CreatedAt, d.Cause = stack, noon.Add(time.Duration(n)*time.Hour), models.Cause{Kind: c, Text: "x"}
			})
		}
		asked, err := st.Deployments.Asked(ctx, stack, noon.Add(time.Hour), noon.Add(4*time.Hour), 10)
		must(t, err)
		equal(t, len(asked), 2)
		equal(t, asked[0].CreatedAt.Before(asked[1].CreatedAt), true)

		for n, c := range []models.CauseKind{models.CauseLoad, models.CauseHealing, models.CauseUser, models.CauseLoad, models.CauseSchedule} {
			must(t, st.Events.Append(ctx, &models.StackEvent{
				StackID: stack, At: noon.Add(time.Duration(n) * time.Hour), Kind: "instance", InstanceID: "i", Text: string(c), Cause: models.Cause{Kind: c},
			}))
		}
		must(t, st.Events.Append(ctx, &models.StackEvent{StackID: stack, At: noon.Add(5 * time.Hour), Kind: "deployment", Text: "of no instance", Cause: models.Cause{Kind: models.CauseLoad}}))
		events, err := st.Events.Caused(ctx, stack, noon.Add(time.Minute), noon.Add(4*time.Hour), 10, models.CauseLoad, models.CauseHealing, models.CauseSchedule)
		must(t, err)
		var texts []string
		for _, e := range events {
			texts = append(texts, e.Text)
		}
		equal(t, texts, []string{"auto-healing", "load-based"})
		none, err := st.Events.Caused(ctx, "another", noon, noon.Add(4*time.Hour), 10, models.CauseLoad)
		must(t, err)
		equal(t, len(none), 0)
	})
}
