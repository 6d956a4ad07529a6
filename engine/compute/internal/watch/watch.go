// Package watch hands a provider's events to whoever watches it.
package watch

import (
	"context"
	"sync"

	"opsyard/engine/compute"
)

// Hub keeps for each watcher the latest event of each machine until it is read:
// memory stays bounded, and a slow reader delays nobody.
type Hub struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
	closed   bool
	wg       sync.WaitGroup
}

type watcher struct {
	wake    chan struct{} // one slot
	quit    chan struct{}
	mu      sync.Mutex
	order   []string
	pending map[string]compute.Event
}

// Publish never blocks.
func (h *Hub) Publish(ev compute.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.add(ev)
	}
}

// Watch returns the events published from now on, until the context ends or
// the hub is closed.
func (h *Hub) Watch(ctx context.Context) <-chan compute.Event {
	out := make(chan compute.Event)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(out)
		return out
	}
	w := &watcher{wake: make(chan struct{}, 1), quit: make(chan struct{}), pending: map[string]compute.Event{}}
	if h.watchers == nil {
		h.watchers = map[*watcher]bool{}
	}
	h.watchers[w] = true
	h.wg.Go(func() {
		defer close(out)
		w.deliver(ctx, out)
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	})
	return out
}

// Close ends all watches and waits for them; safe twice.
func (h *Hub) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		for w := range h.watchers {
			close(w.quit)
		}
	}
	h.mu.Unlock()
	h.wg.Wait()
}

func (w *watcher) add(ev compute.Event) {
	w.mu.Lock()
	if _, ok := w.pending[ev.ID]; !ok {
		w.order = append(w.order, ev.ID)
	}
	w.pending[ev.ID] = ev
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) next() (compute.Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return compute.Event{}, false
	}
	id := w.order[0]
	w.order = w.order[1:]
	ev := w.pending[id]
	delete(w.pending, id)
	return ev, true
}

func (w *watcher) deliver(ctx context.Context, out chan<- compute.Event) {
	for {
		ev, ok := w.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-w.quit:
				return
			case <-w.wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-w.quit:
			return
		case out <- ev:
		}
	}
}
