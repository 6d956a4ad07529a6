package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"opsyard/agent/protocol"
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

// While the database does not answer, no server can note that it hears an agent:
// that time is not held against the agents of another server.
func TestSilenceCountsFromWhenTheDatabaseAnswers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		w.engine.Stop()
		clock := &hand{}
		clock.set(time.Now().UTC())
		other := must(New(w.ctx, Config{
			Store: w.store, Hub: pubsub.NewHub(), Logs: w.logs, Log: slog.New(slog.DiscardHandler), Now: clock.now,
			Providers: map[string]compute.Provider{"fake": w.provider}, DefaultProvider: "fake", Cookbooks: []byte("cookbooks"), FastPasswords: true,
		}))(t)
		broken, breaks := context.WithCancel(w.ctx)
		breaks()
		step := other.Times().Reminder
		for range 2 * int(other.Times().Silence/step) {
			clock.set(clock.now().Add(step))
			if other.watchAgents(broken) == nil {
				t.Fatal("the database answers")
			}
		}
		w.act("watch", other.watchAgents(w.ctx))
		if got := w.status(i); got != models.InstanceOnline {
			t.Errorf("the instance is %s", got)
		}
	})
}

// A clock that is set back does not make silence count for ever, or never.
func TestAttentionWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	var a attention
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	a.since(now, time.Minute)
	back := now.Add(-time.Hour)
	if since := a.since(back, time.Minute); !since.Equal(back) {
		t.Errorf("it listens since %s at %s", since, back)
	}
	if since := a.since(back.Add(30*time.Second), time.Minute); !since.Equal(back) {
		t.Errorf("it listens since %s", since)
	}
	var m minutely
	if !m.due(now) || m.due(now) || !m.due(back) || m.due(back) || !m.due(now) {
		t.Error("a minute was left out, or came twice")
	}
}

// An agent that comes back as it went costs no transaction; one that has
// something to tell is heard out.
func TestAgentComesBackAsItWent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		w.drain()
		w.connect(i) // from now on the row says what the agent says
		hello := protocol.Hello{InstanceID: string(i.ID)}
		if back := must(w.engine.back(w.ctx, i.ID, hello))(t); back == nil {
			t.Error("an agent without news is taken for one with some")
		}
		for name, news := range map[string]protocol.Hello{
			"a command":       {Unfinished: []string{"c-1"}},
			"another boot":    {Facts: protocol.Facts{BootID: "second"}},
			"another version": {Facts: protocol.Facts{AgentVersion: "9.9"}},
			"another system":  {Facts: protocol.Facts{OSName: "Plan 9"}},
		} {
			if back := must(w.engine.back(w.ctx, i.ID, news))(t); back != nil {
				t.Errorf("%s is not heard of", name)
			}
		}
		i = must(w.store.Instances.Get(w.ctx, i.ID))(t)
		w.act("lose", w.engine.lose(w.ctx, i, models.Cause{Kind: models.CauseAgent}, "silent"))
		if back := must(w.engine.back(w.ctx, i.ID, hello))(t); back != nil {
			t.Error("a lost instance stays lost when its agent is back")
		}
	})
}
