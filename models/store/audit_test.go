package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
		proof, err := st.Audit.Verify(ctx, "")
		must(t, err)
		equal(t, proof.Entries, 20)
		equal(t, proof.Head.ID, int64(20))
		head, err := st.Audit.Head(ctx)
		must(t, err)
		equal(t, head, proof.Head)
	})
}

// chain appends entries that differ, and gives the last one's hash.
func chain(t testing.TB, st *store.Store, n int) string {
	t.Helper()
	hash := ""
	for k := range n {
		e := models.AuditEntry{
			At: noon.Add(time.Duration(k) * time.Second), ActorKind: models.ActorUser, ActorID: "0190aaaa-0000-7000-8000-00000000000" + fmt.Sprint(k%3), ActorName: "ana" + fmt.Sprint(k%3),
			SourceAddr: "192.0.2.7", Surface: "console", RequestID: fmt.Sprint("r", k), Action: []string{"UpdateLayer", "DeployApp"}[k%2], TargetKind: "layer",
			TargetID: "0190bbbb-0000-7000-8000-000000000001", TargetName: "Web", StackID: models.StackID(fmt.Sprint("s", k%2)), Refused: k%4 == 3,
			Before: `{"Name":"a"}`, After: `{"Name":"b"}`, Cause: models.Cause{Kind: models.CauseUser, Text: "because", Actor: "ana"},
		}
		must(t, st.Audit.Append(t.Context(), &e))
		hash = e.Hash
	}
	return hash
}

func TestAuditPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		chain(t, st, 20)
		ids := func(f models.AuditFilter, c store.AuditCursor) []int64 {
			t.Helper()
			page, err := st.Audit.Page(ctx, f, c)
			must(t, err)
			list := make([]int64, len(page))
			for n, e := range page {
				list[n] = e.ID
			}
			return list
		}
		equal(t, ids(models.AuditFilter{}, store.AuditCursor{Limit: 3}), []int64{20, 19, 18})
		equal(t, ids(models.AuditFilter{}, store.AuditCursor{Before: 18, Limit: 2}), []int64{17, 16})
		equal(t, ids(models.AuditFilter{}, store.AuditCursor{After: 16, Limit: 2}), []int64{18, 17})
		equal(t, ids(models.AuditFilter{RefusedOnly: true}, store.AuditCursor{Limit: 2}), []int64{20, 16})
		equal(t, ids(models.AuditFilter{Actor: "ana1"}, store.AuditCursor{Limit: 2}), []int64{20, 17})
		equal(t, ids(models.AuditFilter{Actor: "0190aaaa-0000-7000-8000-000000000001"}, store.AuditCursor{Limit: 2}), []int64{20, 17})
		equal(t, ids(models.AuditFilter{Target: "Web", StackID: "s1"}, store.AuditCursor{Limit: 2}), []int64{20, 18})
		equal(t, ids(models.AuditFilter{Action: "UpdateLayer"}, store.AuditCursor{Limit: 2}), []int64{19, 17})
		equal(t, ids(models.AuditFilter{RequestID: "r4"}, store.AuditCursor{}), []int64{5})
		equal(t, ids(models.AuditFilter{From: noon.Add(2 * time.Second), Until: noon.Add(4 * time.Second)}, store.AuditCursor{}), []int64{4, 3})
		equal(t, len(ids(models.AuditFilter{StackID: "other"}, store.AuditCursor{})), 0)

		since, err := st.Audit.Since(ctx, models.AuditFilter{StackID: "s0"}, 4, 9, 10)
		must(t, err)
		equal(t, len(since), 3)
		n, err := st.Audit.CountSince(ctx, models.AuditFilter{RefusedOnly: true}, 4, 3)
		must(t, err)
		equal(t, n, 3)
		actions, err := st.Audit.Actions(ctx)
		must(t, err)
		equal(t, actions, []string{"DeployApp", "UpdateLayer"})
	})
}

// A page of each filter is read from an index in its order, with nothing sorted
// and nothing but it read through.
func TestAuditPagesUseTheirIndex(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	for column, index := range map[string]string{
		"actor_id = 'x'": "audit_actor", "actor_name = 'x'": "audit_actor_name", "action = 'x'": "audit_action", "target_id = 'x'": "audit_target",
		"target_name = 'x'": "audit_target_name", "stack_id = 'x'": "audit_stack", "refused": "audit_refused", "true": "idx_audit_entries_at",
	} {
		var plan []struct{ Detail string }
		must(t, st.Gorm().Raw("EXPLAIN QUERY PLAN SELECT * FROM audit_entries WHERE "+column+" AND at <= ? AND (at < ? OR id < ?) ORDER BY at DESC, id DESC LIMIT 50", noon, noon, 7).Scan(&plan).Error)
		holds(t, fmt.Sprint(plan), "USING INDEX "+index+" ")
		lacks(t, fmt.Sprint(plan), "TEMP B-TREE")
	}
}

// auditColumns are all of an entry's.
var auditColumns = []string{
	"id", "at", "actor_kind", "actor_id", "actor_name", "source_addr", "surface", "request_id", "action", "target_kind", "target_id",
	"target_name", "stack_id", "refused", "before", "after", "cause", "prev_hash", "hash",
}

func broken(t testing.TB, st *store.Store, what string) *store.BrokenAuditError {
	t.Helper()
	_, err := st.Audit.Verify(t.Context(), "")
	var b *store.BrokenAuditError
	if !errors.As(err, &b) {
		t.Errorf("%s was not found: %v", what, err)
		return &store.BrokenAuditError{}
	}
	return b
}

// Every byte of every column of an entry is changed once.
func TestAFlippedByteOfTheAuditIsFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		chain(t, st, 6)
		for _, column := range auditColumns {
			var was string
			must(t, st.SQL().QueryRowContext(t.Context(), "SELECT '=' || "+column+" FROM audit_entries WHERE id = 4").Scan(&was))
			was = was[1:]
			if was == "" {
				t.Errorf("%s is empty, so it cannot be changed", column)
			}
			for n := range was {
				b := []byte(was)
				if b[n]++; b[n] == ':' || b[n] == 0x7f { // a digit more than 9
					b[n] = '0'
				}
				flip(t, st, column, was, string(b))
				b[n] = was[n] ^ 0x20 // upper and lower case, and others
				flip(t, st, column, was, string(b))
			}
		}
		_, err := st.Audit.Verify(t.Context(), "")
		must(t, err)
	})
}

// flip changes one column of the fourth entry, looks, and changes it back. What
// the database itself refuses cannot happen.
func flip(t testing.TB, st *store.Store, column, was, is string) {
	t.Helper()
	set := "UPDATE audit_entries SET " + column + " = "
	cast := func(text string) string {
		text = "'" + strings.ReplaceAll(text, "'", "''") + "'"
		if st.Dialect() == store.Postgres {
			switch column {
			case "id":
				return text + "::bigint"
			case "at":
				return text + "::timestamptz"
			case "refused":
				return text + "::boolean"
			}
		}
		return text
	}
	const fourth = " WHERE request_id = 'r3'"
	where, back := fourth, fourth
	if column == "request_id" {
		where, back = " WHERE id = 4", " WHERE id = 4"
	}
	if _, err := st.SQL().ExecContext(t.Context(), set+cast(is)+where); err != nil {
		return
	}
	var stored string
	must(t, st.SQL().QueryRowContext(t.Context(), "SELECT '=' || "+column+" FROM audit_entries"+where).Scan(&stored))
	if stored[1:] != was { // PostgreSQL reads 12:00:00+01 and the like as what it means
		if b := broken(t, st, column+" "+is); column != "id" && column != "hash" && column != "prev_hash" && b.ID != 4 {
			t.Errorf("%s changed to %s: entry %d is called broken", column, is, b.ID)
		}
	}
	change(t, st, set+cast(was)+back)
}

func TestRemovedMovedAndForgedAuditEntriesAreFound(t *testing.T) {
	t.Parallel()
	for name, deed := range map[string]struct {
		statements []string
		first      int64
	}{
		"one of the middle is removed": {[]string{"DELETE FROM audit_entries WHERE id = 5"}, 6},
		"the first is removed":         {[]string{"DELETE FROM audit_entries WHERE id = 1"}, 2},
		"one is removed and the hole closed": {[]string{"DELETE FROM audit_entries WHERE id = 5",
			"UPDATE audit_entries SET id = id - 1 WHERE id = 6", "UPDATE audit_entries SET id = id - 1 WHERE id = 7"}, 5},
		"two have changed places": {[]string{"UPDATE audit_entries SET id = 100 WHERE id = 3", "UPDATE audit_entries SET id = 3 WHERE id = 4",
			"UPDATE audit_entries SET id = 4 WHERE id = 100"}, 3},
		"one is put in at the end": {[]string{`INSERT INTO audit_entries (id, at, actor_kind, action, refused, before, after, cause, prev_hash, hash)
			SELECT 9, at, actor_kind, 'SignIn', refused, before, after, cause, hash, 'ab' FROM audit_entries WHERE id = 8`}, 9},
		"one is put in with its neighbour's hash": {[]string{"UPDATE audit_entries SET id = 9 WHERE id = 8", `INSERT INTO audit_entries (id, at, actor_kind, action, refused, before, after, cause, prev_hash, hash)
			SELECT 8, at, actor_kind, action, refused, before, after, cause, hash, 'ab' FROM audit_entries WHERE id = 7`}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, st *store.Store) {
				chain(t, st, 8)
				for _, s := range deed.statements {
					change(t, st, s)
				}
				b := broken(t, st, name)
				equal(t, b.ID, deed.first)
				holds(t, b.Error(), "audit entry "+fmt.Sprint(deed.first)+" (")
			})
		})
	}
}

// What was cut off at the end is missed only by who knows an end from before.
func TestACutTailOfTheAuditIsFound(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		st := storetest.OpenURL(t, url)
		early := chain(t, st, 5)
		late := chain(t, st, 5)
		for _, hash := range []string{early, late} {
			proof, err := store.VerifyAudit(t.Context(), url, hash)
			must(t, err)
			equal(t, proof.Known, true)
		}
		change(t, st, "DELETE FROM audit_entries WHERE id = 10")
		proof, err := store.VerifyAudit(t.Context(), url, late)
		must(t, err)
		equal(t, proof.Known, false)
		equal(t, proof.Entries, 9)
		chain(t, st, 1) // and what is written after it takes its number
		proof, err = store.VerifyAudit(t.Context(), url, late)
		must(t, err)
		equal(t, proof.Known, false)
		proof, err = store.VerifyAudit(t.Context(), url, early)
		must(t, err)
		equal(t, proof.Known, true)
	})
}

// Entries from before ids were counted are proved as they were then, and none
// of that kind may come later.
func TestOldAuditEntriesAreProved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		old := models.AuditEntry{ID: 7, At: noon, ActorKind: models.ActorUser, Action: "SignIn", Before: "", Cause: models.Cause{Kind: models.CauseUser}}
		old.Hash = store.FirstAuditHash(&old)
		must(t, st.Gorm().Create(&old).Error)
		next := models.AuditEntry{ID: 9, At: noon, ActorKind: models.ActorUser, Action: "SignOut", PrevHash: old.Hash} // 8 was rolled back
		next.Hash = store.FirstAuditHash(&next)
		must(t, st.Gorm().Create(&next).Error)
		chain(t, st, 2)
		proof, err := st.Audit.Verify(t.Context(), "")
		must(t, err)
		equal(t, proof.Entries, 4)
		equal(t, proof.Head.ID, int64(11))
		late := models.AuditEntry{ID: 12, At: noon, ActorKind: models.ActorUser, Action: "SignIn", PrevHash: proof.Head.Hash}
		late.Hash = store.FirstAuditHash(&late)
		must(t, st.Gorm().Create(&late).Error)
		equal(t, broken(t, st, "an entry of the old kind").ID, int64(12))
	})
}

func TestAuditFeedsHaveOneSender(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, later := t.Context(), noon.Add(time.Minute)
		f, err := st.AuditFeeds.Claim(ctx, "udp://log", "one", noon, later)
		must(t, err)
		equal(t, f.SentID, int64(0))
		other, err := st.AuditFeeds.Claim(ctx, "udp://log", "two", noon, later)
		must(t, err)
		if other != nil {
			t.Error("two servers send")
		}
		must(t, st.AuditFeeds.Failed(ctx, "udp://log", "one", noon, "refused"))
		must(t, st.AuditFeeds.Sent(ctx, "udp://log", "one", 5, noon))
		must(t, st.AuditFeeds.Recovered(ctx, "udp://log", "one"))
		f, err = st.AuditFeeds.Claim(ctx, "udp://log", "two", later, later.Add(time.Minute))
		must(t, err)
		equal(t, f.SentID, int64(5))
		must(t, st.AuditFeeds.Sent(ctx, "udp://log", "one", 3, later)) // it comes too late
		f, err = st.AuditFeeds.Get(ctx, "udp://log")
		must(t, err)
		equal(t, f.SentID, int64(5))
		if f.FailingSince != nil || f.Problem != "" {
			t.Errorf("it still fails: %+v", f)
		}
		must(t, st.AuditFeeds.Release(ctx, "udp://log", "two", later))
		f, err = st.AuditFeeds.Claim(ctx, "udp://log", "one", later, later)
		must(t, err)
		if f == nil {
			t.Error("nobody may send")
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
