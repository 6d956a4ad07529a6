package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"opsyard/engine/service"
	"opsyard/models"
)

// How often the use of access keys and tokens is written down: at most once in noteEvery
// for each key, and not while its request waits.
const (
	noteEvery = time.Minute
	noteRound = 10 * time.Second
)

// keyUse remembers when access keys and tokens were used, between two rounds of writing.
type keyUse struct {
	mu    sync.Mutex
	used  map[credential]time.Time // not written yet
	noted map[credential]time.Time // what was written last, while it is younger than noteEvery
	nudge chan struct{}
}

// credential is an access key or a token.
type credential struct{ key, token string }

func newKeyUse() *keyUse {
	return &keyUse{used: map[credential]time.Time{}, noted: map[credential]time.Time{}, nudge: make(chan struct{}, 1)}
}

// KeyUsed says that an access key has signed a request. It costs nothing now;
// a loop writes it down.
func (e *Engine) KeyUsed(id string) { e.keyUse.note(credential{key: id}, e.Clock()) }

// TokenUsed is KeyUsed for a token.
func (e *Engine) TokenUsed(id models.TokenID) {
	e.keyUse.note(credential{token: string(id)}, e.Clock())
}

func (k *keyUse) note(c credential, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used[c] = at
	if _, recent := k.noted[c]; !recent {
		service.Nudge(k.nudge)
	}
}

// due takes out what may be written at now.
func (k *keyUse) due(now time.Time) map[credential]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, at := range k.noted {
		if now.Sub(at) >= noteEvery {
			delete(k.noted, id)
		}
	}
	due := map[credential]time.Time{}
	for id, at := range k.used {
		if _, recent := k.noted[id]; !recent {
			due[id] = at
			k.noted[id] = now
			delete(k.used, id)
		}
	}
	return due
}

func (e *Engine) noteKeyUse(ctx context.Context) error {
	var errs []error
	for c, at := range e.keyUse.due(e.Clock()) {
		if c.token != "" {
			errs = append(errs, e.store.Tokens.Used(ctx, models.TokenID(c.token), at))
		} else {
			errs = append(errs, e.store.AccessKeys.Used(ctx, c.key, at))
		}
	}
	return errors.Join(errs...)
}
