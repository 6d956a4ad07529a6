package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"opsyard/engine/service"
)

// How often the use of access keys is written down: at most once in noteEvery
// for each key, and not while its request waits.
const (
	noteEvery = time.Minute
	noteRound = 10 * time.Second
)

// keyUse remembers when access keys signed, between two rounds of writing.
type keyUse struct {
	mu    sync.Mutex
	used  map[string]time.Time // not written yet
	noted map[string]time.Time // what was written last, while it is younger than noteEvery
	nudge chan struct{}
}

func newKeyUse() *keyUse {
	return &keyUse{used: map[string]time.Time{}, noted: map[string]time.Time{}, nudge: make(chan struct{}, 1)}
}

// KeyUsed says that an access key has signed a request. It costs nothing now;
// a loop writes it down.
func (e *Engine) KeyUsed(id string) {
	e.keyUse.mu.Lock()
	defer e.keyUse.mu.Unlock()
	e.keyUse.used[id] = e.Clock()
	if _, recent := e.keyUse.noted[id]; !recent {
		service.Nudge(e.keyUse.nudge)
	}
}

// due takes out what may be written at now.
func (k *keyUse) due(now time.Time) map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, at := range k.noted {
		if now.Sub(at) >= noteEvery {
			delete(k.noted, id)
		}
	}
	due := map[string]time.Time{}
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
	for id, at := range e.keyUse.due(e.Clock()) {
		errs = append(errs, e.store.AccessKeys.Used(ctx, id, at))
	}
	return errors.Join(errs...)
}
