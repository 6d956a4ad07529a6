package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoundsComeByNudgeAndEndByStop(t *testing.T) {
	t.Parallel()
	b := &Base{Log: slog.New(slog.DiscardHandler)}
	nudge, rounds := make(chan struct{}, 1), make(chan struct{})
	err := b.Every(t.Context(), "round", time.Hour, nudge, func(context.Context) error {
		rounds <- struct{}{}
		return errors.New("a failed round is tried again")
	})
	if err != nil {
		t.Fatal(err)
	}
	<-rounds // at once
	for range 3 {
		Nudge(nudge)
		<-rounds
	}
	b.Stop()
	b.Stop()
	if err := b.Go(t.Context(), func(context.Context) {}); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop, Go says %v", err)
	}
}

func TestStopSaysWhy(t *testing.T) {
	t.Parallel()
	b := &Base{}
	cause := make(chan error, 1)
	if err := b.Go(t.Context(), func(ctx context.Context) { <-ctx.Done(); cause <- context.Cause(ctx) }); err != nil {
		t.Fatal(err)
	}
	b.Stop()
	if err := <-cause; !errors.Is(err, ErrStopped) {
		t.Errorf("the loop ended because of %v", err)
	}
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	b := &Base{}
	b.Stop()
	if err := b.Go(t.Context(), func(context.Context) { t.Error("it runs") }); err == nil {
		t.Error("a stopped service starts")
	}
}

func TestManyStartsAndStopsAtOnce(t *testing.T) {
	t.Parallel()
	for range 300 {
		b := &Base{}
		var running atomic.Int32
		for range 3 {
			go func() {
				_ = b.Go(context.Background(), func(ctx context.Context) { running.Add(1); <-ctx.Done(); running.Add(-1) })
			}()
		}
		go b.Stop()
		b.Stop()
		if n := running.Load(); n != 0 {
			t.Fatalf("%d loops outlive Stop", n)
		}
	}
}
