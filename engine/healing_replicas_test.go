package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/healing"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// twins are two servers on one database, which look at lost instances at the same
// moments. Their clocks differ, as clocks do.
type twins struct {
	t     *testing.T
	ctx   context.Context
	clock *hand
	both  []*Engine
	stack *models.Stack
	layer *models.Layer
}

func newTwins(t *testing.T, url string) *twins {
	t.Helper()
	p := &twins{t: t, ctx: models.AsEngine(t.Context()), clock: &hand{}}
	p.clock.set(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	slow := func() time.Time { return p.clock.now().Add(-3 * time.Second) }
	p.both = []*Engine{replica(t, url, p.clock.now), replica(t, url, slow)}
	p.layer = storetest.Layer(t, p.store(), func(l *models.Layer) { l.EnableAutoHealing = true })
	p.stack = must(p.store().Stacks.Get(p.ctx, p.layer.StackID))(t)
	return p
}

func (p *twins) store() *store.Store { return p.both[0].store }

// lose makes an instance whose machine has ended and whose agent is silent.
func (p *twins) lose(ago time.Duration) *models.Instance {
	p.t.Helper()
	i := p.make(models.InstanceConnectionLost, ago)
	for _, e := range p.both {
		e.providers[p.stack.Provider].(*fakeProvider).note("killed", string(i.ID), compute.Stopped)
	}
	return i
}

func (p *twins) make(status models.InstanceStatus, ago time.Duration) *models.Instance {
	p.t.Helper()
	since := p.clock.now().Add(-ago)
	heard := since.Add(-time.Minute)
	return storetest.Instance(p.t, p.store(), func(i *models.Instance) {
		i.StackID, i.LayerIDs, i.Status, i.StatusSince, i.AgentSeenAt = p.stack.ID, []models.LayerID{p.layer.ID}, status, since, &heard
		i.RootDeviceType = models.RootDeviceEBS
	})
}

// look lets both servers look at the same time, more than once.
func (p *twins) look() {
	p.t.Helper()
	var all sync.WaitGroup
	for n := range 2 * len(p.both) {
		all.Go(func() {
			if err := p.both[n%len(p.both)].heal(p.ctx); err != nil {
				p.t.Error(err)
			}
		})
	}
	all.Wait()
}

func (p *twins) entries() []models.Healing {
	p.t.Helper()
	all, _, err := p.store().Healings.InStack(p.ctx, p.stack.ID, 1000, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// told counts the lines of the timeline with a text.
func (p *twins) told(text string) int {
	p.t.Helper()
	n := 0
	for _, e := range must(p.store().Events.InStack(p.ctx, p.stack.ID, 0, 1000))(p.t) {
		if strings.HasSuffix(e.Text, text) {
			n++
		}
	}
	return n
}

// Two servers see the same lost instances: each is healed once.
func TestReplicasHealOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newTwins(t, url)
		for round := range 10 {
			i := p.lose(time.Minute)
			p.look()
			p.look()
			wishes := must(p.store().Intents.OfInstance(p.ctx, i.ID, 10))(t)
			if len(wishes) != 1 || wishes[0].Author != models.ByHealing {
				t.Fatalf("round %d: what is wanted: %+v", round, wishes)
			}
			if n := len(p.entries()); n != round+1 || p.told(" is healed") != round+1 {
				t.Fatalf("round %d: %d entries, %d lines in the timeline", round, n, p.told(" is healed"))
			}
			if now := must(p.store().Instances.Get(p.ctx, i.ID))(t); now.Status != models.InstanceStopping {
				t.Fatalf("round %d: it is %s", round, now.Status)
			}
			p.clock.set(p.clock.now().Add(2 * time.Hour)) // the layer may be healed again
		}
	})
}

// The budget of a layer holds between servers too: of several that are lost
// apart from each other, one is healed.
func TestReplicasShareBudget(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newTwins(t, url)
		for n := range 4 {
			p.lose(time.Minute + time.Duration(n)*20*time.Minute)
		}
		for range 5 {
			p.look()
		}
		if n := p.told(" is healed"); n != 1 {
			t.Errorf("%d were healed", n)
		}
	})
}

// A freeze is told once, by whichever server sees it, also when its first
// instance was looked at before.
func TestReplicasFreezeOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newTwins(t, url)
		p.make(models.InstanceOnline, time.Minute)
		for range 3 {
			p.lose(time.Minute)
		}
		p.look()
		p.look()
		if n := p.told("Auto healing is frozen"); n != 1 || len(p.entries()) != 3 {
			t.Errorf("%d lines in the timeline, %d entries", n, len(p.entries()))
		}
	})
}

// One waits for its turn when others follow: then it is a freeze, and told.
func TestFreezeOfWhatWaited(t *testing.T) {
	t.Parallel()
	p := newTwins(t, storetest.SQLiteURL(t))
	for range 4 {
		p.make(models.InstanceStopped, time.Hour)
	}
	p.make(models.InstanceOnline, time.Hour)
	p.lose(10 * time.Second)
	p.look()
	if e := p.entries(); len(e) != 1 || e[0].Decision != models.DecisionWait {
		t.Fatalf("got %+v", e)
	}
	p.lose(10 * time.Second)
	p.look()
	p.look()
	if n := p.told("Auto healing is frozen"); n != 1 {
		t.Errorf("%d lines in the timeline: %+v", n, p.entries())
	}
}

// What was seen before the server was suspended is no reason to act after it.
func TestHealNotOnStaleEvidence(t *testing.T) {
	t.Parallel()
	p := newTwins(t, storetest.SQLiteURL(t))
	i, e := p.lose(time.Minute), p.both[0]
	next := models.Healing{
		ID: models.NewID[models.HealingID](), StackID: i.StackID, InstanceID: i.ID, LayerIDs: i.LayerIDs, LostAt: i.StatusSince, At: p.clock.now(),
		Decision: models.DecisionHeal, Sentence: "It is gone.", Evidence: models.HealingEvidence{At: p.clock.now(), Machine: "stopped"},
	}
	p.clock.set(p.clock.now().Add(10 * time.Minute))
	if err := e.decide(p.ctx, i, next, "it is gone", 0); err != nil {
		t.Fatal(err)
	}
	if all := p.entries(); len(all) != 0 {
		t.Errorf("it was healed: %+v", all)
	}
	next.Evidence.At = p.clock.now()
	if err := e.decide(p.ctx, i, next, "it is gone", 0); err != nil {
		t.Fatal(err)
	}
	if all := p.entries(); len(all) != 1 || p.told(" is healed") != 1 {
		t.Errorf("it was not healed: %+v", all)
	}
}

// A decision that stands is told once, although its sentence changes and the
// clocks of servers differ.
func TestDecisionIsToldOnce(t *testing.T) {
	t.Parallel()
	p := newTwins(t, storetest.SQLiteURL(t))
	i := p.lose(time.Minute)
	for n, sentence := range []string{"web1 reaches it.", "web2 reaches it.", "web3 reaches it."} {
		e := p.both[n%2] // the second one's clock is behind
		next := e.entryOf(i, healing.Verdict{ID: i.ID, Decision: models.DecisionAlive, Sentence: sentence})
		if err := e.decide(p.ctx, i, next, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.told(" is not restarted"); n != 1 {
		t.Errorf("told %d times", n)
	}
	all := p.entries()
	if len(all) != 1 || all[0].Sentence != "web3 reaches it." {
		t.Errorf("the entries are %+v", all)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	var got []string
	for _, d := range []time.Duration{-time.Second, 0, 41400 * time.Millisecond, 59600 * time.Millisecond, 3 * time.Minute, 200 * time.Second, 75*time.Minute + 5*time.Second} {
		got = append(got, span(d))
	}
	if want := []string{"0 s", "0 s", "41 s", "1 min", "3 min", "3 min 20 s", "75 min"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
