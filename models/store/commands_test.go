package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func lease(t testing.TB, st *store.Store, ids ...models.InstanceID) []models.Command {
	t.Helper()
	list, err := st.Commands.Lease(t.Context(), ids, noon, noon.Add(time.Minute))
	must(t, err)
	return list
}

func names(commands []models.Command) (out []string) {
	for _, c := range commands {
		out = append(out, fmt.Sprintf("%s:%s", c.InstanceID, c.Type))
	}
	return out
}

func deployment(t testing.TB, st *store.Store, stack models.StackID, name models.CommandName) *models.Deployment {
	return storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID, d.Command.Name = stack, name })
}

func TestLeaseOneAtATimeInOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st).ID
		setup := storetest.Commands(t, st, deployment(t, st, stack, models.CommandSetup), "a", "b")
		storetest.Commands(t, st, deployment(t, st, stack, models.CommandDeploy), "b", "a", "c")
		equal(t, names(lease(t, st, "c", "b", "a", "unknown")), []string{"a:setup", "b:setup", "c:deploy"})
		equal(t, len(lease(t, st, "a", "b", "c")), 0)

		must(t, st.Commands.Move(ctx, setup[0].ID, sent, models.CommandRunning, store.CommandChange{At: noon}))
		equal(t, len(lease(t, st, "a")), 0)
		code, seq := 1, int64(17)
		must(t, st.Commands.Move(ctx, setup[0].ID, running, models.CommandFailed,
			store.CommandChange{At: noon, ExitCode: &code, Message: "it\x00 failed\xff", LogLastSeq: &seq}))
		equal(t, names(lease(t, st, "a", "b", "c")), []string{"a:deploy"})

		done, err := st.Commands.Get(ctx, setup[0].ID)
		must(t, err)
		if done.Attempt != 1 || *done.ExitCode != 1 || done.Message != "it failed\uFFFD" || done.LogLastSeq != 17 ||
			done.LeaseUntil != nil || !done.StartedAt.Equal(noon) || !done.CompletedAt.Equal(noon) {
			t.Errorf("got %+v", done)
		}
		counts, err := st.Commands.CountByStatus(ctx, done.DeploymentID)
		must(t, err)
		equal(t, counts, map[models.CommandStatus]int{models.CommandFailed: 1, models.CommandSent: 1})
		left, err := st.Commands.Unfinished(ctx, "b")
		must(t, err)
		equal(t, names(left), []string{"b:setup", "b:deploy"})
	})
}

func TestLeasesEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		c := storetest.Commands(t, st, storetest.Deployment(t, st), "a", "b")
		equal(t, len(lease(t, st, "a", "b")), 2)
		must(t, st.Commands.Move(ctx, c[1].ID, sent, models.CommandRunning, store.CommandChange{At: noon}))
		n, err := st.Commands.ReleaseLeases(ctx, noon.Add(59*time.Second))
		must(t, err)
		equal(t, n, 0)
		n, err = st.Commands.ReleaseLeases(ctx, noon.Add(time.Minute))
		must(t, err)
		equal(t, n, 1)
		again := lease(t, st, "a", "b")
		equal(t, len(again), 1)
		equal(t, again[0].Attempt, 2)

		deadline := noon.Add(time.Second)
		late := storetest.Commands(t, st, storetest.Deployment(t, st), "late")
		must(t, st.Commands.Move(ctx, again[0].ID, sent, models.CommandPending, store.CommandChange{At: noon, Deadline: &deadline}))
		equal(t, len(lease(t, st, "a")), 1)
		must(t, st.Commands.Move(ctx, again[0].ID, sent, models.CommandPending, store.CommandChange{At: noon}))
		over, err := st.Commands.Lease(ctx, []models.InstanceID{"a", "late"}, deadline, deadline.Add(time.Minute))
		must(t, err)
		equal(t, names(over), []string{"late:configure"}) // a's is overdue
		equal(t, over[0].ID, late[0].ID)
	})
}

// Two active commands of one instance cannot be, whatever the engine does.
func TestDatabaseRefusesTwoActiveCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		d := storetest.Deployment(t, st)
		first, second := storetest.Commands(t, st, d, "a"), storetest.Commands(t, st, d, "a")
		must(t, st.Commands.Move(t.Context(), first[0].ID, pending, models.CommandSent, store.CommandChange{At: noon}))
		err := st.Commands.Move(t.Context(), second[0].ID, pending, models.CommandSent, store.CommandChange{At: noon})
		refused(t, err, models.CodeConflict, "")
	})
}

func TestLeaseUnderContention(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		const instances, each, replicas = 20, 4, 4
		st := storetest.OpenURL(t, url)
		ids := make([]models.InstanceID, instances)
		for n := range ids {
			ids[n] = models.InstanceID(fmt.Sprint("i", n))
		}
		d := storetest.Deployment(t, st)
		for range each {
			storetest.Commands(t, st, d, ids...)
		}
		var mu sync.Mutex
		last, done := map[models.InstanceID]int64{}, 0
		finish := func(st *store.Store, c models.Command) {
			mu.Lock()
			if last[c.InstanceID] >= c.Number {
				t.Errorf("%s got number %d after %d", c.InstanceID, c.Number, last[c.InstanceID])
			}
			last[c.InstanceID] = c.Number
			done++
			mu.Unlock()
			if err := st.Commands.Move(t.Context(), c.ID, sent, models.CommandSuccessful, store.CommandChange{At: noon}); err != nil {
				t.Error(err)
			}
		}
		finished := func() bool { mu.Lock(); defer mu.Unlock(); return done == instances*each }
		together(replicas, func(n int) {
			st := st
			if n > 0 {
				st = storetest.OpenURL(t, url)
			}
			mine := slices.Clone(ids)
			for !finished() && !t.Failed() && t.Context().Err() == nil {
				rand.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
				leased, err := st.Commands.Lease(t.Context(), mine, noon, noon.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				for _, c := range leased {
					finish(st, c)
				}
			}
		})
		list, err := st.Commands.OfDeployment(t.Context(), d.ID)
		must(t, err)
		for _, c := range list {
			if c.Attempt != 1 || c.Status != models.CommandSuccessful {
				t.Errorf("command %d: %s after %d attempts", c.Number, c.Status, c.Attempt)
			}
		}
	})
}

func TestSupersedeConfigures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st).ID
		old := deployment(t, st, stack, models.CommandConfigure)
		oldest := deployment(t, st, stack, models.CommandConfigure)
		storetest.Commands(t, st, old, "a", "b", "busy", "elsewhere")
		storetest.Commands(t, st, oldest, "a")
		storetest.Commands(t, st, deployment(t, st, stack, models.CommandDeploy), "a")
		storetest.Commands(t, st, deployment(t, st, storetest.Stack(t, st).ID, models.CommandConfigure), "b")
		lease(t, st, "busy")
		got, err := st.Commands.SupersedeConfigures(ctx, stack, []models.InstanceID{"a", "b", "busy"}, noon)
		must(t, err)
		var ended []string
		for _, c := range got {
			equal(t, c.Status, models.CommandSuperseded)
			ended = append(ended, string(c.DeploymentID)+" "+string(c.InstanceID))
		}
		slices.Sort(ended)
		want := []string{string(old.ID) + " a", string(old.ID) + " b", string(oldest.ID) + " a"}
		slices.Sort(want)
		equal(t, ended, want)
		counts, err := st.Commands.Counts(ctx, []models.DeploymentID{old.ID, oldest.ID, "none"})
		must(t, err)
		equal(t, counts[old.ID], map[models.CommandStatus]int{models.CommandSuperseded: 2, models.CommandSent: 1, models.CommandPending: 1})
		equal(t, counts[oldest.ID], map[models.CommandStatus]int{models.CommandSuperseded: 1})
		equal(t, len(counts["none"]), 0)
		left, err := st.Commands.Unfinished(ctx, "a")
		must(t, err)
		equal(t, names(left), []string{"a:deploy"})
		got, err = st.Commands.SupersedeConfigures(ctx, stack, []models.InstanceID{"a", "b", "busy"}, noon)
		must(t, err)
		equal(t, len(got), 0)
	})
}

func TestCommandMoves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		c := storetest.Commands(t, st, storetest.Deployment(t, st), "a")[0]
		err := st.Commands.Move(ctx, c.ID, pending, models.CommandSuccessful, store.CommandChange{At: noon})
		refused(t, err, models.CodeInternal, "") // not in the chart
		err = st.Commands.Move(ctx, c.ID, running, models.CommandSuccessful, store.CommandChange{At: noon})
		refused(t, err, models.CodeConflict, "The command on  is pending already.")
		must(t, st.Commands.Cancel(ctx, c.ID, "ann asked"))
		must(t, st.Commands.Move(ctx, c.ID, pending, models.CommandSkipped, store.CommandChange{At: noon}))
		refused(t, st.Commands.Cancel(ctx, c.ID, "late"), models.CodeConflict, "")
	})
}

func TestDeploymentNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		const workers, each = 8, 10
		ctx, stack := t.Context(), storetest.Stack(t, st).ID
		other := deployment(t, st, storetest.Stack(t, st).ID, models.CommandSetup)
		equal(t, other.Number, 1)
		together(workers, func(int) {
			for n := range each {
				err := st.Tx(ctx, func(tx *store.Store) error {
					deployment(t, tx, stack, models.CommandSetup)
					if n%3 == 0 {
						return errUnwanted // its number is given out again
					}
					return nil
				})
				if err != nil && !errors.Is(err, errUnwanted) {
					t.Error(err)
				}
			}
		})
		list, err := st.Deployments.InStack(ctx, stack, 1000, 0)
		must(t, err)
		equal(t, len(list), workers*6)
		for n, d := range list {
			equal(t, d.Number, int64(len(list)-n))
		}
		page, err := st.Deployments.InStack(ctx, stack, 2, 10)
		must(t, err)
		equal(t, []int64{page[0].Number, page[1].Number}, []int64{9, 8})
	})
}

func TestDeploymentsFinishOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, app := t.Context(), storetest.App(t, st)
		one := func() *models.Deployment {
			return storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID, d.AppID = app.StackID, app.ID })
		}
		first, second := one(), one()
		var won []string
		var mu sync.Mutex
		together(6, func(n int) {
			status := []models.DeploymentStatus{models.DeploymentSuccessful, models.DeploymentFailed}[n%2]
			err := st.Deployments.Finish(ctx, first.ID, status, noon)
			if err == nil {
				mu.Lock()
				won = append(won, string(status))
				mu.Unlock()
			} else {
				refused(t, err, models.CodeConflict, "")
			}
		})
		equal(t, len(won), 1)
		got, err := st.Deployments.Get(ctx, first.ID)
		must(t, err)
		equal(t, string(got.Status), won[0])
		running, err := st.Deployments.Running(ctx, app.StackID)
		must(t, err)
		equal(t, len(running), 1)
		last, err := st.Deployments.LastPerApp(ctx, app.StackID)
		must(t, err)
		equal(t, last[app.ID].ID, second.ID)
		refused(t, st.Deployments.Finish(ctx, second.ID, models.DeploymentRunning, noon), models.CodeInternal, "")
	})
}

// Connections keep their statements; one that is busy is not used twice.
func TestStatementsAreKept(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	db := st.SQL()
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback()
	const query = "SELECT value FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3) WHERE value >= ? ORDER BY value"
	outer, err := tx.Query(query, 2)
	must(t, err)
	for want := 2; outer.Next(); want++ {
		var got, least int
		must(t, outer.Scan(&got))
		equal(t, got, want)
		must(t, tx.QueryRow(query, 1).Scan(&least)) // while the outer one is open
		equal(t, least, 1)
	}
	must(t, outer.Close())
	for n := range 600 { // more than are kept
		var got int
		must(t, tx.QueryRow(fmt.Sprintf("SELECT %d", n%400)).Scan(&got))
		equal(t, got, n%400)
	}
	_, err = tx.Exec("INSERT INTO counters (name, value) VALUES (?, ?)", "a", nil)
	if err == nil {
		t.Error("a counter without a value was stored")
	}
	_, err = tx.Exec("INSERT INTO counters (name, value) VALUES (?, ?)", "a", 1)
	must(t, err) // the same statement, after it has failed
}
