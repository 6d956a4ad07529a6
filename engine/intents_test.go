package engine

import (
	"slices"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// want lets an author want something of an instance.
func (w *world) want(i *models.Instance, author models.IntentAuthor, want models.IntentWant) {
	w.t.Helper()
	ctx := models.AsEngine(w.ctx)
	err := w.engine.tx(ctx, func(t *tx) error {
		now, err := t.Instances.GetForUpdate(ctx, i.ID)
		if err != nil {
			return err
		}
		return t.intend(ctx, now, author, want, models.Cause{Kind: models.CauseHealing, Text: "a test wants it", Actor: string(author)})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// intended tells whether these are the intents of an instance, the newest
// first, as "author want state".
func (w *world) intended(i *models.Instance, want ...string) bool {
	w.t.Helper()
	var got []string
	for _, n := range must(w.store.Intents.OfInstance(w.ctx, i.ID, 20))(w.t) {
		got = append(got, string(n.Author)+" "+string(n.Want)+" "+string(n.State))
	}
	return slices.Equal(got, want)
}

// lost lets the connection to an instance be lost.
func (w *world) lost(i *models.Instance) {
	w.t.Helper()
	now := must(w.store.Instances.Get(w.ctx, i.ID))(w.t)
	if err := w.engine.lose(models.AsEngine(w.ctx), now, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, "The agent is silent."); err != nil {
		w.t.Fatal(err)
	}
}

// A restart goes through a stop and a start, also when the server ends between
// them; what people do has its intent too.
func TestRestartSurvivesTheServer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		i := w.online(w.web)
		w.eventually("the person's intent ends", func() bool { return w.intended(i, "user online done") })
		w.lost(i)
		w.want(i, models.ByHealing, models.WantRestarted)
		w.want(i, models.ByHealing, models.WantRestarted) // wanted already
		w.sent(i, models.CommandShutdown)
		w.reboot()
		w.connect(i)
		w.finish(i, models.CommandShutdown, protocol.Successful)
		w.becomes(i, models.InstanceBooting)
		w.connect(i)
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
		w.eventually("the restart ends", func() bool { return w.intended(i, "healing restarted done", "user online done") })
	})
}

// A person's stop ends what others want, and nobody starts it again.
func TestAPersonsStopComesFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		i := w.online(w.web)
		w.lost(i)
		w.want(i, models.ByHealing, models.WantRestarted)
		w.sent(i, models.CommandShutdown)
		if err := w.engine.StopInstance(w.ctx, i.ID, true); err != nil {
			t.Fatal(err)
		}
		w.becomes(i, models.InstanceStopped)
		w.eventually("all intents end", func() bool {
			return w.intended(i, "user stopped done", "healing restarted withdrawn", "user online done")
		})
		w.becomes(i, models.InstanceStopped)
	})
}

// The fourth heal within the time is held, until a person lets it go on.
func TestARepeatedHealIsHeld(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.online(w.web)
	for range mostRepeats {
		w.lost(i)
		w.want(i, models.ByHealing, models.WantRestarted)
		w.finish(i, models.CommandShutdown, protocol.Successful)
		w.becomes(i, models.InstanceBooting)
		w.connect(i)
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
		w.drain()
	}
	w.lost(i)
	w.want(i, models.ByHealing, models.WantRestarted)
	if got := w.status(i); got != models.InstanceConnectionLost {
		t.Errorf("it is %s", got)
	}
	var said []string
	for _, p := range must(w.store.Intents.PausesOf(w.ctx, i.ID))(t) {
		said = append(said, string(p.Author)+": "+p.Reason)
	}
	want := []string{
		"configure: The connection to " + i.Hostname + " was lost 3 times within 10 minutes. Its peers are not told that it is back until it has stayed for as long.",
		"healing: " + i.Hostname + " was restarted 3 times within 10 minutes.",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got  %q\nwant %q", said, want)
	}
	if err := w.engine.ResumeIntents(w.ctx, i.ID, models.ByHealing); err != nil {
		t.Fatal(err)
	}
	w.finish(i, models.CommandShutdown, protocol.Successful)
	w.becomes(i, models.InstanceBooting)
	err := w.engine.ResumeIntents(w.ctx, i.ID, models.ByHealing)
	if models.CodeOf(err) != models.CodeConflict || err == nil {
		t.Errorf("got %v", err)
	}
}

// An instance that comes and goes is kept from its peers, until it stays.
func TestFlappingIsKeptFromThePeers(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	peer, i := w.online(w.lb), w.online(w.web)
	configures := func() (n int) {
		for _, run := range w.links[peer.ID].runs() {
			if run.Type == string(models.CommandConfigure) {
				n++
			}
		}
		return n
	}
	back := func() {
		w.connect(i)
		w.becomes(i, models.InstanceOnline)
		w.drain()
	}
	for range mostRepeats - 1 {
		w.lost(i)
		w.drain()
		back()
	}
	before := configures()
	w.lost(i)
	w.drain()
	if got := configures(); got != before+1 {
		t.Errorf("the last loss sent %d Configures", got-before)
	}
	back()
	w.lost(i)
	back()
	if got := configures(); got != before+1 {
		t.Errorf("%d Configures of an instance that comes and goes", got-before-1)
	}
	_, err := w.store.SQL().ExecContext(w.ctx, "UPDATE instances SET status_since = ? WHERE id = ?", time.Now().Add(-w.engine.times.Repeat).UTC(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the peers are told", func() bool { return configures() == before+2 })
}
