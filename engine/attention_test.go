package engine

import (
	"log/slog"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/pubsub"
	"opsyard/models"
)

// An agent that could not be heard is not lost: its silence counts from the
// server's start, and anew from the end of a time in which the server slept.
func TestSilenceCountsFromWhenTheServerListens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		w.engine.Stop()
		now := time.Now().UTC().Truncate(time.Microsecond)
		later := must(New(w.ctx, Config{
			Store: w.store, Hub: pubsub.NewHub(), Logs: w.logs, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
			Providers: map[string]compute.Provider{"fake": w.provider}, DefaultProvider: "fake", Cookbooks: []byte("cookbooks"), FastPasswords: true,
		}))(t)
		silence, step := later.Times().Silence, later.Times().Reminder
		watch := func(during time.Duration) {
			t.Helper()
			for end := now.Add(during); now.Before(end); now = now.Add(step) {
				w.act("watch", later.watchAgents(w.ctx))
			}
		}
		for _, asleep := range []time.Duration{3 * silence, 2 * silence} { // before the start; a suspended machine
			now = now.Add(asleep)
			watch(silence - step)
			if got := w.status(i); got != models.InstanceOnline {
				t.Fatalf("after %s in which nobody listened the instance became %s", asleep, got)
			}
		}
		watch(4 * step)
		if got := w.status(i); got != models.InstanceConnectionLost {
			t.Errorf("an instance that has been silent for %s is %s", silence, got)
		}
	})
}
