package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// place is a stack with all that a request for its instances reads.
type place struct {
	stack      *models.Stack
	layer      *models.Layer
	instance   *models.Instance
	user       *models.User
	key        *models.AccessKey
	permission models.Permission
}

func newPlace(t *testing.T, st *store.Store) place {
	t.Helper()
	p := place{stack: storetest.Stack(t, st, func(s *models.Stack) { s.Attributes = map[string]string{"Color": "red"} })}
	p.layer = storetest.Layer(t, st, func(l *models.Layer) { l.StackID = p.stack.ID })
	p.instance = storetest.Instance(t, st, func(i *models.Instance) { i.StackID, i.LayerIDs = p.stack.ID, []models.LayerID{p.layer.ID} })
	p.user = storetest.User(t, st)
	p.key = &models.AccessKey{ID: "AKIA" + string(p.user.ID[:8]), UserID: p.user.ID, Secret: "s"}
	must(t, st.AccessKeys.Create(t.Context(), p.key))
	p.permission = models.Permission{StackID: p.stack.ID, UserID: p.user.ID, Level: models.LevelShow}
	must(t, st.Permissions.Set(t.Context(), p.permission))
	return p
}

// seen is what a store says of a place, in words.
func (p place) seen(ctx context.Context, st *store.Store) (words [7]string) {
	say := func(n int, err error, format string, args ...any) {
		words[n] = fmt.Sprintf(format, args...)
		if err != nil {
			words[n] = string(models.CodeOf(err))
		}
	}
	if s, err := st.Stacks.Get(ctx, p.stack.ID); err != nil {
		say(0, err, "")
	} else {
		say(0, nil, "%s %s", s.Name, s.Attributes["Color"])
	}
	if u, err := st.Users.Get(ctx, p.user.ID); err != nil {
		say(1, err, "")
	} else {
		say(1, nil, "%t", u.Admin)
	}
	if k, err := st.AccessKeys.Get(ctx, p.key.ID); err != nil {
		say(2, err, "")
	} else {
		say(2, nil, "%s %t", k.Secret, k.LastUsed != nil)
	}
	if q, err := st.Permissions.Get(ctx, p.stack.ID, p.user.ID); err != nil {
		say(3, err, "")
	} else {
		say(3, nil, "%s", q.Level)
	}
	layers, err := st.Layers.Places(ctx, []models.LayerID{p.layer.ID})
	say(4, err, "%d", len(layers))
	inLayer, err := st.Instances.Shown(ctx, store.InstanceSelector{LayerID: p.layer.ID})
	say(5, err, "%s", statuses(inLayer))
	inStack, err := st.Instances.Shown(ctx, store.InstanceSelector{StackID: p.stack.ID})
	say(6, err, "%s", statuses(inStack))
	return words
}

func statuses(list []models.Instance) (all []models.InstanceStatus) {
	for _, i := range list {
		all = append(all, i.Status)
	}
	return all
}

// Whoever writes, the next read sees it: the store itself, another one on the
// same database, and a transaction what it has written itself.
func TestRememberedReadsSeeEachWrite(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		st, other := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		p := newPlace(t, st)
		ctx := t.Context()
		changes := []struct {
			name string
			do   func(s *store.Store) error
		}{
			{"nothing", func(*store.Store) error { return nil }},
			{"stack", func(s *store.Store) error {
				changed := *p.stack
				changed.Attributes = map[string]string{"Color": "blue"}
				return s.Stacks.Save(ctx, &changed)
			}},
			{"user", func(s *store.Store) error {
				changed := *p.user
				changed.Admin = true
				return s.Users.Save(ctx, &changed)
			}},
			{"key", func(s *store.Store) error { return s.AccessKeys.Used(ctx, p.key.ID, p.stack.CreatedAt) }},
			{"permission", func(s *store.Store) error {
				changed := p.permission
				changed.Level = models.LevelDeny
				return s.Permissions.Set(ctx, changed)
			}},
			{"instance", func(s *store.Store) error {
				return s.Gorm().Exec("UPDATE instances SET status = 'online' WHERE id = ?", p.instance.ID).Error
			}},
			{"deleted key", func(s *store.Store) error { return s.AccessKeys.Delete(ctx, p.key.ID) }},
			{"deleted user", func(s *store.Store) error { return s.Users.Delete(ctx, p.user.ID) }},
			{"deleted stack", func(s *store.Store) error { return s.Stacks.Delete(ctx, p.stack.ID) }},
		}
		for n, c := range changes {
			before := p.seen(ctx, st)
			writer := []*store.Store{st, other}[n%2]
			err := writer.Tx(ctx, func(tx *store.Store) error {
				must(t, c.do(tx))
				if now := p.seen(ctx, tx); (now == before) != (c.name == "nothing") {
					t.Errorf("%s: the transaction sees %v, before %v", c.name, now, before)
				}
				if store.SQLite == st.Dialect() && p.seen(ctx, st) != before {
					t.Errorf("%s: seen before it was committed", c.name)
				}
				return errUnwanted
			})
			if !errors.Is(err, errUnwanted) || p.seen(ctx, st) != before {
				t.Errorf("%s: seen though it was rolled back (%v)", c.name, err)
			}
			must(t, c.do(writer))
			after := p.seen(ctx, st)
			if (after == before) != (c.name == "nothing") {
				t.Errorf("%s: got %v, before %v", c.name, after, before)
			}
			equal(t, p.seen(ctx, other), after)
			if st.Dialect() == store.SQLite && st.Remembered() == 0 && c.name != "deleted stack" {
				t.Errorf("%s: nothing is remembered", c.name)
			}
		}
	})
}

// What a caller does with what he was given is not seen by others.
func TestRememberedRowsAreCopies(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	p := newPlace(t, st)
	must(t, st.AccessKeys.Used(t.Context(), p.key.ID, p.stack.CreatedAt))
	want := p.seen(t.Context(), st)
	for range 2 { // the first who asks gets a copy as well
		s, err := st.Stacks.Get(t.Context(), p.stack.ID)
		must(t, err)
		s.Name, s.Attributes["Color"] = "other", "blue"
		u, err := st.Users.Get(t.Context(), p.user.ID)
		must(t, err)
		u.Admin = true
		k, err := st.AccessKeys.Get(t.Context(), p.key.ID)
		must(t, err)
		k.Secret, *k.LastUsed = "", k.LastUsed.AddDate(1, 0, 0)
		q, err := st.Permissions.Get(t.Context(), p.stack.ID, p.user.ID)
		must(t, err)
		q.Level = models.LevelDeny
		l, err := st.Layers.Places(t.Context(), []models.LayerID{p.layer.ID})
		must(t, err)
		l[0].StackID = ""
		equal(t, p.seen(t.Context(), st), want)
		again, err := st.AccessKeys.Get(t.Context(), p.key.ID)
		must(t, err)
		if k.LastUsed.Equal(*again.LastUsed) {
			t.Error("two callers share a time")
		}
	}
}

// Each of many writers sees at once what he has written, and readers never go
// back in time.
func TestRememberWhileOthersWrite(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t)
	stores := []*store.Store{storetest.OpenURL(t, url), storetest.OpenURL(t, url)}
	stack := storetest.Stack(t, stores[0])
	var written atomic.Int64
	together(8, func(n int) {
		st := stores[n%2]
		for range 100 {
			least := written.Load()
			if n < 2 {
				version, err := st.Stacks.BumpVersion(t.Context(), stack.ID)
				if err != nil {
					t.Error(err)
					return
				}
				for old := written.Load(); old < version && !written.CompareAndSwap(old, version); old = written.Load() {
				}
				least = version
			}
			s, err := st.Stacks.Get(t.Context(), stack.ID)
			if err != nil || s.Version < least {
				t.Errorf("got version %v, want %d at least (%v)", s, least, err)
				return
			}
		}
	})
}

// Those who ask together wait for one read. When it fails, they read themselves.
func TestRememberReadsOnce(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	storetest.Stack(t, st)
	var reads atomic.Int64
	ask := func(ctx context.Context, read func() (int, error)) (int, error) {
		return st.Remember(ctx, "answer", read)
	}
	begun, fail := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, err := ask(t.Context(), func() (int, error) { close(begun); <-fail; return 0, errUnwanted })
		if !errors.Is(err, errUnwanted) {
			t.Errorf("got %v", err)
		}
	})
	<-begun
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(given, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got, err := ask(t.Context(), func() (int, error) { reads.Add(1); return 42, nil }); got != 42 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			}
		})
	}
	close(fail)
	all.Wait()
	if n := reads.Load(); n > 9 { // those that waited for the failed one, and one that was kept
		t.Errorf("read %d times", n)
	}
}

// A memo has bounds, in answers and in bytes.
func TestRememberIsBounded(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	storetest.Stack(t, st)
	keep := func(name string, size int) {
		t.Helper()
		_, err := st.Remember(t.Context(), name, func() (int, error) { return size, nil })
		must(t, err)
	}
	most := 0
	for n := range store.MemoAnswers + 10 {
		keep(fmt.Sprint(n), n)
		most = max(most, st.Remembered())
	}
	equal(t, most, store.MemoAnswers)
	for n := range 100 {
		_, err := st.RememberText(t.Context(), fmt.Sprint("text ", n), 1<<20)
		must(t, err)
		if bytes := st.RememberedBytes(); bytes > store.MemoBytes || bytes < 1<<20 {
			t.Fatalf("%d bytes after %d MB", bytes, n+1)
		}
	}
	before := st.Remembered()
	_, err := st.RememberText(t.Context(), "endless", store.MemoBytes)
	must(t, err)
	equal(t, st.Remembered(), before)
}

// A request that only reads sees all that was there before it, and all that it
// writes after all.
func TestReading(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		st, other := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		stack := storetest.Stack(t, st)
		version := func(ctx context.Context) int64 {
			t.Helper()
			s, err := st.Stacks.Get(ctx, stack.ID)
			must(t, err)
			return s.Version
		}
		bump := func(ctx context.Context, s *store.Store) {
			t.Helper()
			_, err := s.Stacks.BumpVersion(ctx, stack.ID)
			must(t, err)
		}
		equal(t, version(t.Context()), 0)
		bump(t.Context(), other)
		first := st.Reading(t.Context())
		equal(t, version(first), 1)
		bump(t.Context(), other)
		second := st.Reading(t.Context())
		equal(t, version(second), 2)
		equal(t, version(first), 2) // newer than it has to be
		bump(second, st)
		equal(t, version(second), 3)
		must(t, other.Tx(t.Context(), func(tx *store.Store) error { bump(t.Context(), tx); return nil }))
		equal(t, version(second), 4) // who has written sees all
		must(t, st.Tx(first, func(tx *store.Store) error { bump(first, tx); return nil }))
		equal(t, version(first), 5)
	})
}
