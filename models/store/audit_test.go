package store_test

import (
	"errors"
	"fmt"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestAuditChain(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, st, other := t.Context(), storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		together(4, func(n int) {
			handle := []*store.Store{st, other}[n%2]
			for k := range 6 {
				err := handle.Tx(ctx, func(tx *store.Store) error {
					err := tx.Audit.Append(ctx, &models.AuditEntry{
						ActorKind: models.ActorUser, ActorID: "u", ActorName: fmt.Sprint("worker\xff", n), Action: "UpdateLayer", StackID: "s",
						TargetName: "ü\x00", Before: `{"Name":"a"}`, After: `{"Name":"b"}`, Refused: k == 5, Cause: models.Cause{Kind: models.CauseUser, Text: "because"},
					})
					if k == 2 && err == nil {
						return errUnwanted // the chain goes on without it
					}
					return err
				})
				if err != nil && !errors.Is(err, errUnwanted) {
					t.Error(err)
				}
			}
		})
		n, err := st.Audit.Verify(ctx)
		must(t, err)
		equal(t, n, 20)

		yes := true
		page, err := st.Audit.Page(ctx, store.AuditFilter{StackID: "s", Action: "UpdateLayer", Refused: &yes, Limit: 3})
		must(t, err)
		equal(t, len(page), 3)
		page, err = st.Audit.Page(ctx, store.AuditFilter{BeforeID: page[2].ID, ActorID: "u", Refused: &yes})
		must(t, err)
		equal(t, len(page), 1)
		page, err = st.Audit.Page(ctx, store.AuditFilter{StackID: "other"})
		must(t, err)
		equal(t, len(page), 0)

		for _, c := range []struct{ column, value, back string }{
			{"after", `{"Name":"c"}`, `{"Name":"b"}`},
			{"action", "UpdateLayes", "UpdateLayer"},
			{"actor_id", "v", "u"},
			{"cause", `{"kind":"user","text":"becausf"}`, `{"kind":"user","text":"because"}`},
		} {
			id := int64(0)
			must(t, st.SQL().QueryRowContext(ctx, "SELECT id FROM audit_entries ORDER BY id DESC LIMIT 1 OFFSET 3").Scan(&id))
			change(t, st, fmt.Sprintf("UPDATE audit_entries SET %s = '%s' WHERE id = %d", c.column, c.value, id))
			if _, err := st.Audit.Verify(ctx); err == nil {
				t.Errorf("a changed %s was not found", c.column)
			} else {
				holds(t, err.Error(), fmt.Sprintf("audit entry %d was changed", id))
			}
			change(t, st, fmt.Sprintf("UPDATE audit_entries SET %s = '%s' WHERE id = %d", c.column, c.back, id))
			_, err := st.Audit.Verify(ctx)
			must(t, err)
		}
		change(t, st, "DELETE FROM audit_entries WHERE id = (SELECT id FROM audit_entries ORDER BY id LIMIT 1 OFFSET 4)")
		if _, err := st.Audit.Verify(ctx); err == nil {
			t.Error("a removed entry was not found")
		}
	})
}

func change(t testing.TB, st *store.Store, statement string) {
	t.Helper()
	_, err := st.SQL().ExecContext(t.Context(), statement)
	must(t, err)
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		var ids []int64
		for n := range 6 {
			e := models.StackEvent{StackID: "s", InstanceID: models.InstanceID(fmt.Sprint("i", n%2)), Kind: "instance", Text: fmt.Sprint(n)}
			must(t, st.Events.Append(ctx, &e))
			ids = append(ids, e.ID)
		}
		list, err := st.Events.InStack(ctx, "s", ids[1], 3)
		must(t, err)
		equal(t, []string{list[0].Text, list[2].Text}, []string{"3", "5"})
		list, err = st.Events.OfInstance(ctx, "i1", 0, 10)
		must(t, err)
		equal(t, len(list), 3)
	})
}

func eventOf(stack models.StackID, text string) *models.StackEvent {
	return &models.StackEvent{StackID: stack, Kind: "change", Text: text}
}
