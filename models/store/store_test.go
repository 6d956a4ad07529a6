package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestRowsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		stack := storetest.Stack(t, st, func(s *models.Stack) {
			s.Attributes = map[string]string{"Color": "rgb(1, 2, 3)"}
			s.CustomJSON = "{ \"b\": 1,  \"a\": 2 }" // byte-exact
			s.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://example.org/x.git", Password: "pässword"}
		})
		got, err := st.Stacks.Get(t.Context(), stack.ID)
		must(t, err)
		equal(t, *got, *stack)

		layer := storetest.Layer(t, st, func(l *models.Layer) {
			l.StackID, l.Type, l.Shortname = stack.ID, models.LayerDBMaster, string(models.LayerDBMaster)
			l.Attributes = map[string]string{"MysqlRootPassword": "x"}
			l.CustomRecipes = models.Recipes{Setup: []string{"a::b", "c"}}
		})
		gotLayer, err := st.Layers.Get(t.Context(), layer.ID)
		must(t, err)
		equal(t, *gotLayer, *layer)

		at := time.Now().In(time.FixedZone("X", 9*3600))
		instance := storetest.Instance(t, st, func(i *models.Instance) {
			i.StackID, i.LayerIDs = stack.ID, []models.LayerID{layer.ID}
			i.AgentKey, i.AgentSeenAt = []byte{1, 0, 255}, &at
		})
		gotInstance, err := st.Instances.Get(t.Context(), instance.ID)
		must(t, err)
		if !gotInstance.AgentSeenAt.Truncate(time.Millisecond).Equal(at.Truncate(time.Millisecond)) || gotInstance.AgentSeenAt.Location() != time.UTC {
			t.Errorf("seen at %v, want %v in UTC", gotInstance.AgentSeenAt, at)
		}
		gotInstance.AgentSeenAt = instance.AgentSeenAt
		equal(t, *gotInstance, *instance)
	})
}

func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		_, err := st.Stacks.Get(ctx, "nope")
		refused(t, err, models.CodeNotFound, "Unable to find stack with ID nope")
		_, err = st.Stacks.ByIDs(ctx, []models.StackID{"x", stack.ID, "y", "x"})
		refused(t, err, models.CodeNotFound, "Unable to find stack with ID x, y")
		_, err = st.Stacks.BumpVersion(ctx, "nope")
		refused(t, err, models.CodeNotFound, "Unable to find stack with ID nope")
		refused(t, st.Stacks.Save(ctx, &models.Stack{ID: "nope", Name: "n"}), models.CodeNotFound, "")
		refused(t, st.Apps.Delete(ctx, "nope"), models.CodeNotFound, "Unable to find app with ID nope")
		refused(t, st.Instances.Move(ctx, "nope", []models.InstanceStatus{models.InstanceStopped}, models.InstanceRequested, store.InstanceChange{At: time.Now()}),
			models.CodeNotFound, "Unable to find instance with ID nope")
		refused(t, st.Commands.Cancel(ctx, "nope", "because"), models.CodeNotFound, "")

		second := storetest.Stack(t, st)
		list, err := st.Stacks.ByIDs(ctx, []models.StackID{second.ID, stack.ID, second.ID})
		must(t, err)
		if len(list) != 2 || list[0].ID != second.ID || list[1].ID != stack.ID {
			t.Errorf("got %v, want the two in the order asked", list)
		}
	})
}

func TestTakenNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		layer := storetest.Layer(t, st, func(l *models.Layer) { l.StackID, l.Name, l.Shortname = stack.ID, "One", "one" })
		app := storetest.App(t, st, func(a *models.App) { a.StackID, a.Name = stack.ID, "Shop" })
		instance := storetest.Instance(t, st, func(i *models.Instance) {
			i.StackID, i.LayerIDs, i.Hostname = stack.ID, []models.LayerID{layer.ID}, "web1"
		})
		user := storetest.User(t, st, func(u *models.User) { u.Name = "ann" })

		again := func(change func(l *models.Layer)) error {
			l := *layer
			l.ID = models.NewID[models.LayerID]()
			change(&l)
			return st.Layers.Create(ctx, &l)
		}
		refused(t, again(func(l *models.Layer) { l.Shortname = "other" }), models.CodeInvalid, `There is already a layer named "One" for this stack`)
		refused(t, again(func(l *models.Layer) { l.Name = "Other" }), models.CodeInvalid, `There is already a layer with shortname "one" for this stack`)
		must(t, again(func(l *models.Layer) { l.StackID = storetest.Stack(t, st).ID }))
		must(t, again(func(l *models.Layer) { l.Name, l.Shortname = "Two", "two" }))
		layers, err := st.Layers.InStack(ctx, stack.ID)
		must(t, err)
		layers[1].Name = "One"
		refused(t, st.Layers.Save(ctx, &layers[1]), models.CodeInvalid, `There is already a layer named "One" for this stack`)

		other := *app
		other.ID, other.Shortname = "a2", "x"
		refused(t, st.Apps.Create(ctx, &other), models.CodeInvalid, `There is already an app named "Shop" for this stack`)
		other.Name, other.Shortname = "x", "shop"
		refused(t, st.Apps.Create(ctx, &other), models.CodeInvalid, `There is already an app with shortname "shop" for this stack`)

		twin := *instance
		twin.ID = "i2"
		refused(t, st.Instances.Create(ctx, &twin), models.CodeInvalid, `Hostname: there is already an instance with hostname "web1" in this stack`)

		u := *user
		u.ID, u.IamUserArn = "u2", "arn:other"
		refused(t, st.Users.Create(ctx, &u), models.CodeInvalid, `There is already a user named "ann"`)
		u.Name, u.IamUserArn = "bob", user.IamUserArn
		refused(t, st.Users.Create(ctx, &u), models.CodeInvalid, "There is already a user with ARN "+user.IamUserArn)

		same := *stack
		err = st.Stacks.Create(ctx, &same)
		refused(t, err, models.CodeConflict, "")
	})
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		if st.SQLTx() != nil {
			t.Error("there is a transaction outside of Tx")
		}
		var order []string
		wrong := errors.New("wrong")
		err := st.Tx(ctx, func(tx *store.Store) error {
			storetest.Stack(t, tx, func(s *models.Stack) { s.ID = "gone" })
			tx.AfterCommit(func() { order = append(order, "after a rollback") })
			return wrong
		})
		if !errors.Is(err, wrong) {
			t.Errorf("got %v, want the error of the function", err)
		}
		_, err = st.Stacks.Get(ctx, "gone")
		refused(t, err, models.CodeNotFound, "")

		err = st.Tx(ctx, func(tx *store.Store) error {
			storetest.Stack(t, tx, func(s *models.Stack) { s.ID = "kept" })
			tx.AfterCommit(func() { order = append(order, "committed") })
			if _, err := tx.Stacks.Get(ctx, "kept"); err != nil {
				return err
			}
			if _, err := st.Stacks.Get(ctx, "kept"); models.CodeOf(err) != models.CodeNotFound {
				t.Errorf("others see what is not committed: %v", err)
			}
			if _, err := tx.SQLTx().ExecContext(ctx, "UPDATE stacks SET version = 7"); err != nil {
				return err
			}
			order = append(order, "inside")
			return tx.Tx(ctx, func(tx *store.Store) error {
				_, err := tx.Stacks.BumpVersion(ctx, "kept")
				return err
			})
		})
		must(t, err)
		stack, err := st.Stacks.Get(ctx, "kept")
		must(t, err)
		equal(t, stack.Version, 8)
		st.AfterCommit(func() { order = append(order, "at once") })
		equal(t, order, []string{"inside", "committed", "at once"})
	})
}

func TestPanicRollsBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		func() {
			defer func() { recover() }()
			st.Tx(t.Context(), func(tx *store.Store) error {
				storetest.Stack(t, tx)
				panic("ouch")
			})
		}()
		list, err := st.Stacks.List(t.Context())
		must(t, err)
		if len(list) != 0 {
			t.Error("the row outlived the panic")
		}
		storetest.Stack(t, st) // the connection is free again
	})
}

func TestTimesCompareAcrossZones(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		east, west := time.FixedZone("E", 14*3600), time.FixedZone("W", -11*3600)
		base := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
		d := storetest.Deployment(t, st)
		for n, at := range []time.Time{base.In(east), base.Add(time.Minute).In(west)} {
			c := storetest.Commands(t, st, d, models.InstanceID(rune('a'+n)))[0]
			_, err := st.Commands.Lease(ctx, []models.InstanceID{c.InstanceID}, base, base.Add(time.Hour))
			must(t, err)
			must(t, st.Commands.Move(ctx, c.ID, sent, models.CommandRunning, store.CommandChange{At: base.In(west), Deadline: &at}))
		}
		for _, c := range []struct {
			now  time.Time
			want int
		}{{base.Add(-time.Microsecond).In(west), 0}, {base.In(west), 1}, {base.Add(59 * time.Second).In(east), 1}, {base.Add(time.Minute).In(time.Local), 2}} {
			due, err := st.Commands.Overdue(ctx, c.now, 10)
			must(t, err)
			if len(due) != c.want {
				t.Errorf("at %v: %d overdue, want %d", c.now, len(due), c.want)
			}
		}
	})
}

func TestClosedTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		must(t, st.Ping(t.Context()))
		must(t, st.Close())
		must(t, st.Close())
		if st.Ping(t.Context()) == nil {
			t.Error("a closed store answers")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:", "sqlite:/nowhere/at/all/x.db", "postgres://u:secret@:bad port/", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=1"} {
		_, err := store.Open(context.Background(), store.Config{URL: url, Secrets: storetest.Secrets()})
		if err == nil {
			t.Errorf("%q was opened", url)
		} else {
			holds(t, err.Error(), "open the database: ")
			lacks(t, err.Error(), "secret")
		}
	}
}
