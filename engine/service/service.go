// Package service is the one shape of every loop in the engine: it starts
// once, runs rounds, and stops when told, leaving no goroutine behind.
package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// ErrStopped is the cause of a loop's context after Stop.
var ErrStopped = errors.New("the service was stopped")

// Base gives a loop its goroutines, its clock and its end. Embed it; Log must
// be set before Go.
type Base struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stopped bool
	done    sync.WaitGroup
}

// Clock is the time now, in UTC and whole microseconds, as the store keeps it.
func (b *Base) Clock() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// Go runs work on a goroutine until Stop, which waits for it. The first
// call's context is the parent of all; after Stop, Go refuses.
func (b *Base) Go(ctx context.Context, work func(ctx context.Context)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return ErrStopped
	}
	if b.cancel == nil {
		b.ctx, b.cancel = context.WithCancelCause(ctx)
	}
	ctx = b.ctx
	b.done.Go(func() { work(ctx) })
	return nil
}

// Every calls round now and then each period, and at once when nudge delivers
// (nil: never). A failed round is logged and tried again; a quiet one logs nothing.
func (b *Base) Every(ctx context.Context, name string, period time.Duration, nudge <-chan struct{}, round func(context.Context) error) error {
	return b.Go(ctx, func(ctx context.Context) {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			if err := round(ctx); err != nil && ctx.Err() == nil {
				b.Log.ErrorContext(ctx, name, slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case <-nudge:
			}
		}
	})
}

// Stop ends the loops and returns when their goroutines are gone. A second
// call, or one before any start, returns at once.
func (b *Base) Stop() {
	b.mu.Lock()
	b.stopped = true
	cancel := b.cancel
	b.mu.Unlock()
	if cancel != nil {
		cancel(ErrStopped)
	}
	b.done.Wait()
}

// Nudge wakes whoever waits on a one-slot channel; it never blocks.
func Nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
