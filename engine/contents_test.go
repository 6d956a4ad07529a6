package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// TestPruneKeepsWhatIsInUse: a stack at rest names the same documents for
// weeks.
func TestPruneKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	w.online(w.web)
	long := time.Now().Add(-2 * keepInStore)
	old := models.Content{Digest: "sha256:nobody-asks", Data: []byte("x"), CreatedAt: long}
	if err := w.store.Contents.Put(w.ctx, &old); err != nil {
		t.Fatal(err)
	}
	used := w.engine.contents.inUse()
	for _, digest := range used {
		if err := w.store.Contents.Touch(w.ctx, digest, long); err != nil {
			t.Fatal(err)
		}
	}
	w.engine.contents.mu.Lock()
	w.engine.lastPrune = time.Time{}
	w.engine.contents.mu.Unlock()
	w.eventually("the old document is pruned", func() bool {
		_, err := w.store.Contents.Get(w.ctx, old.Digest)
		return models.CodeOf(err) == models.CodeNotFound && err != nil
	})
	for _, digest := range used {
		if _, err := w.store.Contents.Get(w.ctx, digest); err != nil {
			t.Error(err)
		}
	}
}

// TestThemeBringsNoPasswordBack: both write the user's row at the same time.
func TestThemeBringsNoPasswordBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		u := must(w.engine.CreateUser(w.ctx, models.User{Name: "ana"}, "the first password"))(t)
		asAna := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name})
		stop, cancel := context.WithCancel(asAna)
		var themes sync.WaitGroup
		for range 3 {
			themes.Go(func() {
				for stop.Err() == nil {
					_ = w.engine.SetTheme(stop, "dark")
				}
			})
		}
		for range 10 {
			if err := w.engine.SetPassword(w.ctx, u.ID, "another password"); err != nil {
				t.Error(err)
			}
			hash := must(w.store.Users.Get(w.ctx, u.ID))(t).PasswordHash
			for range 3 {
				if err := w.engine.SetTheme(asAna, "light"); err != nil {
					t.Error(err)
				}
			}
			if must(w.store.Users.Get(w.ctx, u.ID))(t).PasswordHash != hash {
				t.Error("a change of the theme brought the old password back")
			}
		}
		cancel()
		themes.Wait()
	})
}
