package engine

import (
	"slices"
	"testing"

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
