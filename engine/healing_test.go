package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/compute"
	"opsyard/engine/healing"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// nobody is an address that no connection gets to, and at once.
const nobody = "255.255.255.255"

// healingWorld is a world whose healing is in a hurry. Agents that are not
// connected are soon lost.
func healingWorld(t *testing.T, st *store.Store, address string) *world {
	t.Helper()
	w := setup(t, st)
	w.provider.address = address
	w.times = func(times *Times) {
		// Silence outlasts the moment between an agent's rows and its link, also on a busy machine.
		times.Reminder, times.Offline, times.Silence = 20*time.Millisecond, 200*time.Millisecond, 2*time.Second
		times.Healing = healing.Rules{Settle: time.Millisecond, Fresh: 200 * time.Millisecond}
	}
	w.reboot()
	return w
}

// kill ends the machine of an instance.
func (w *world) kill(i *models.Instance) {
	w.t.Helper()
	w.engine.DisconnectAgent(i.ID, w.links[i.ID])
	w.provider.note("killed", string(i.ID), compute.Stopped)
	w.provider.events <- compute.Event{ID: string(i.ID), State: compute.Stopped, Reason: "killed", At: time.Now()}
}

// hush lets the agent of an instance fall silent.
func (w *world) hush(i *models.Instance) {
	w.t.Helper()
	w.engine.DisconnectAgent(i.ID, w.links[i.ID])
	w.becomes(i, models.InstanceConnectionLost)
}

// decided waits until the newest entry about an instance is a decision.
func (w *world) decided(i *models.Instance, want models.HealingDecision) models.Healing {
	w.t.Helper()
	var found models.Healing
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the newest entry is %+v", found)
		}
	}()
	w.eventually(i.Hostname+": "+string(want), func() bool {
		h := must(w.store.Healings.Newest(w.ctx, i.ID))(w.t)
		if h != nil {
			found = *h
		}
		return h != nil && h.Decision == want
	})
	return found
}

// A machine that ended is started again with its disk; the history says why and
// how it went, and everything that followed has it as its cause.
func TestHealKilled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := healingWorld(t, st, nobody)
		one := w.online(w.web)
		w.online(w.web)
		w.kill(one)
		w.becomes(one, models.InstanceBooting)
		now := must(st.Instances.Get(w.ctx, one.ID))(t)
		h := w.decided(one, models.DecisionHeal)
		if !h.Open() || h.Evidence.Machine != "stopped" || !strings.Contains(h.Sentence, "stopped and started again") {
			t.Errorf("the entry is %+v", h)
		}
		if !w.provider.did("stop", one.ID) || w.provider.did("terminate", one.ID) {
			t.Error("an instance that keeps its disk was not stopped and started")
		}
		w.connect(one)
		w.finish(one, models.CommandSetup, protocol.Successful)
		w.becomes(one, models.InstanceOnline)
		w.eventually("the entry ends", func() bool { return !must(st.Healings.Get(w.ctx, h.ID))(t).Open() })
		if outcome := must(st.Healings.Get(w.ctx, h.ID))(t).Outcome; !strings.HasPrefix(outcome, "It was online again") {
			t.Errorf("the outcome is %q", outcome)
		}
		wishes := must(st.Intents.OfInstance(w.ctx, one.ID, 1))(t)
		if wishes[0].Author != models.ByHealing || wishes[0].Actor != healingActor {
			t.Errorf("the intent is %+v", wishes[0])
		}
		events := must(st.Events.OfInstance(w.ctx, one.ID, 0, 100))(t)
		if !slices.ContainsFunc(events, func(e models.StackEvent) bool {
			return e.Cause.Kind == models.CauseHealing && e.Text == now.Hostname+" is healed"
		}) {
			t.Errorf("the timeline does not tell of it: %+v", events)
		}
	})
}

// A machine that anybody reaches is left alone, however silent its agent.
func TestHealNotWhatLives(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	w := healingWorld(t, st, "127.0.0.1")
	one := w.online(w.web)
	w.hush(one)
	h := w.decided(one, models.DecisionAlive)
	if !strings.Contains(h.Sentence, "this server reaches it (port ") {
		t.Errorf("the sentence is %q", h.Sentence)
	}
	w.connect(one)
	w.becomes(one, models.InstanceOnline)
	w.eventually("the entry ends", func() bool { return !must(st.Healings.Newest(w.ctx, one.ID))(t).Open() })
	if w.provider.did("stop", one.ID) {
		t.Error("the machine was stopped")
	}
}

// Peers are asked, and only the one that was asked is believed.
func TestHealAsksPeers(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	w := healingWorld(t, st, nobody)
	one, peer, other := w.online(w.web), w.online(w.web), w.online(w.lb)
	answer := func(from *models.Instance, as models.InstanceID, alive bool) {
		for _, p := range w.links[from.ID].probes() {
			w.engine.ProbeAnswered(as, protocol.ProbeResult{ID: p.ID, Alive: alive, Detail: "port 22 refuses"})
		}
	}
	w.hush(one)
	w.eventually("the peer's word counts", func() bool {
		answer(other, peer.ID, true) // not its own question
		answer(other, other.ID, false)
		answer(peer, peer.ID, true)
		h := must(st.Healings.Newest(w.ctx, one.ID))(t)
		return h != nil && h.Decision == models.DecisionAlive && strings.Contains(h.Sentence, peer.Hostname+" reaches it")
	})
	w.eventually("nobody reaches it any more", func() bool {
		answer(other, other.ID, false)
		answer(peer, peer.ID, false)
		return w.status(one) == models.InstanceBooting
	})
	h := w.decided(one, models.DecisionHeal)
	if !strings.Contains(h.Sentence, "neither this server, ") || len(h.Evidence.Probes) != 3 {
		t.Errorf("the entry is %+v", h)
	}
}

// Half of a stack at once is no matter of machines, until a person says so.
func TestHealFreezes(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	w := healingWorld(t, st, nobody)
	hurry := w.times
	w.times = func(times *Times) { // enough for both to be lost, whenever each was last heard
		hurry(times)
		times.Healing.Settle = 5 * time.Second
	}
	w.reboot()
	one, two := w.online(w.web), w.online(w.lb)
	w.online(w.web)
	w.provider.mu.Lock()
	w.provider.state[string(one.ID)], w.provider.state[string(two.ID)] = compute.Stopped, compute.Stopped
	w.provider.mu.Unlock()
	w.engine.DisconnectAgent(one.ID, w.links[one.ID])
	w.engine.DisconnectAgent(two.ID, w.links[two.ID])
	w.decided(one, models.DecisionFrozen)
	w.decided(two, models.DecisionFrozen)
	state := must(w.engine.HealingState(w.ctx, w.stack.ID))(t)
	if !strings.HasPrefix(state.Frozen, "2 of the 3 agents of the stack") || state.Lift != nil {
		t.Errorf("the state is %+v", state)
	}
	if w.provider.did("stop", one.ID) || w.provider.did("stop", two.ID) {
		t.Error("a machine was stopped")
	}
	if err := w.engine.LiftHealingFreeze(w.ctx, w.stack.ID); err != nil {
		t.Fatal(err)
	}
	w.becomes(one, models.InstanceBooting)
	w.becomes(two, models.InstanceBooting)
	if lift := must(w.engine.HealingState(w.ctx, w.stack.ID))(t).Lift; lift == nil || lift.By != "test" {
		t.Errorf("the lift is %+v", lift)
	}
	h := w.decided(one, models.DecisionHeal)
	for range 2 {
		if _, err := w.engine.MarkHealingWrong(w.ctx, h.ID); err != nil {
			t.Fatal(err)
		}
	}
	if by := must(st.Healings.Get(w.ctx, h.ID))(t).WrongBy; by != "test" {
		t.Errorf("%q said that it was wrong", by)
	}
}

// One layer that is off keeps an instance from being healed, and one that only
// reports leaves the deed to people.
func TestHealModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[models.HealingMode]models.HealingDecision{
		models.HealingOff: models.DecisionOff, models.HealingNotify: models.DecisionNotify,
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			st := storetest.Open(t)
			w := healingWorld(t, st, nobody)
			must(w.engine.UpdateLayer(w.ctx, w.lb.ID, func(l *models.Layer) error { l.SetHealingMode(mode); return nil }))(t)
			both := must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{w.web.ID, w.lb.ID}}))(t)
			w.start(both)
			w.finish(both, models.CommandSetup, protocol.Successful)
			w.becomes(both, models.InstanceOnline)
			w.kill(both)
			h := w.decided(both, want)
			if !strings.Contains(h.Sentence, "layer "+w.lb.Name) && !strings.Contains(h.Sentence, "Layer "+w.lb.Name) {
				t.Errorf("the sentence is %q", h.Sentence)
			}
			if w.status(both) != models.InstanceConnectionLost {
				t.Error("it was healed")
			}
			if _, err := w.engine.MarkHealingWrong(w.ctx, h.ID); models.CodeOf(err) != models.CodeInvalid {
				t.Errorf("what was not done is wrong: %v", err)
			}
		})
	}
}

// probes are the questions that the agent was asked.
func (l *fakeLink) probes() []protocol.Probe {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []protocol.Probe
	for _, m := range l.sent {
		if p, ok := m.(protocol.Probe); ok {
			all = append(all, p)
		}
	}
	return all
}

// An agent that is heard after its instance was lost brings it back, also when
// the provider says that the machine has ended: another server may know better.
func TestHeardWhileLost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := healingWorld(t, st, nobody)
		hurry := w.times
		w.times = func(times *Times) { // time for a few heartbeats
			hurry(times)
			times.Healing.Settle, times.Healing.Calling = time.Second, 10*time.Second
		}
		w.reboot()
		i := w.online(w.web)
		w.provider.note("gone", string(i.ID), compute.Stopped)
		if err := w.engine.lose(models.AsEngine(w.ctx), must(st.Instances.Get(w.ctx, i.ID))(t), models.Cause{Kind: models.CauseMachine}, "It is lost."); err != nil {
			t.Fatal(err)
		}
		w.eventually("it is back", func() bool {
			w.engine.Heartbeat(i.ID)
			return must(st.Instances.Get(w.ctx, i.ID))(t).Status == models.InstanceOnline
		})
		if w.provider.did("stop", i.ID) {
			t.Error("its machine was stopped")
		}
	})
}

// What a machine that answers now and then is decided to be is told once.
func TestDecisionsThatAlternate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := healingWorld(t, st, nobody)
		i := w.online(w.web)
		w.engine.Stop()
		ctx := models.AsEngine(w.ctx)
		if err := w.engine.lose(ctx, must(st.Instances.Get(w.ctx, i.ID))(t), models.Cause{Kind: models.CauseMachine}, "It is lost."); err != nil {
			t.Fatal(err)
		}
		lost := must(st.Instances.Get(w.ctx, i.ID))(t)
		for n := range 6 {
			next := w.engine.entryOf(lost, healing.Verdict{ID: i.ID, Decision: []models.HealingDecision{models.DecisionAlive, models.DecisionNotify, models.DecisionWait}[n%3], Sentence: "So it is."})
			if err := w.engine.decide(ctx, lost, next, "", 0); err != nil {
				t.Fatal(err)
			}
		}
		all, total, err := st.Healings.InStack(w.ctx, w.stack.ID, 10, 0)
		if err != nil || total != 3 {
			t.Errorf("%d entries: %+v, %v", total, all, err)
		}
		events := must(st.Events.InStack(w.ctx, w.stack.ID, 0, 100))(t)
		told := map[string]int{}
		for _, e := range events {
			told[e.Text]++
		}
		if told[i.Hostname+" is not restarted"] != 1 || told[i.Hostname+" needs somebody to look at it"] != 1 {
			t.Errorf("the timeline says %v", told)
		}
	})
}
