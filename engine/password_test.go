package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// occupy takes all places for hashing until free is called: whoever hashes has
// to wait.
func occupy(p passwordHash) (free func()) {
	for range cap(p.places) {
		p.places <- struct{}{}
	}
	return func() {
		for range cap(p.places) {
			<-p.places
		}
	}
}

// However many forms are sent, no more passwords are hashed at a time than there
// is memory for, and who has gone is not waited for.
func TestPasswordsAreHashedInTurn(t *testing.T) {
	t.Parallel()
	p := newPasswordHash(true)
	var all sync.WaitGroup
	var running, most atomic.Int32
	for range 200 {
		all.Go(func() {
			if err := p.inTurn(t.Context(), func() error {
				n := running.Add(1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				_, err := argon2id.CreateHash(pass, p.params)
				running.Add(-1)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := int(most.Load()); n > cap(p.places) {
		t.Errorf("%d were hashed at a time, with %d places", n, cap(p.places))
	}

	hash := must(p.hash(t.Context(), pass))(t)
	free := occupy(p)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.hash(gone, pass); !errors.Is(err, context.Canceled) {
		t.Errorf("hash: got %v", err)
	}
	if right, err := p.matches(gone, pass, hash); right || !errors.Is(err, context.Canceled) {
		t.Errorf("matches: got %t, %v", right, err)
	}
	free()
	if !must(p.matches(t.Context(), pass, hash))(t) || must(p.matches(t.Context(), "wrong", hash))(t) {
		t.Error("a place that was left is not used")
	}
}

// Anybody can send the form of the set-up: without its token, and once there is
// somebody, no password is hashed for it.
func TestSetUpHashesForItsTokenAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		token := must(p.engine.NewSetupToken(p.ctx))(t)
		refused := func(token, want string) {
			t.Helper()
			defer occupy(p.engine.passwords)()
			ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
			defer cancel()
			_, err := p.engine.FirstRun(ctx, token, "eve", pass)
			wantRefusal(t, err, models.CodeForbidden, want)
		}
		refused("wrong", "not valid")
		if u := must(p.engine.FirstRun(p.ctx, token, "ana", pass))(t); !u.Admin {
			t.Errorf("got %+v", u)
		}
		refused(token, "set up already")
	})
}
