package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/protocol"
	"opsyard/models"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// commands is a list of pending ones, one at a time per instance.
type commands struct {
	mu      sync.Mutex
	pending []models.Command
	sent    map[models.InstanceID]models.Command
	asked   int
	fail    error
}

func (c *commands) Lease(_ context.Context, ids []models.InstanceID, _, _ time.Time) ([]models.Command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if err := c.fail; err != nil {
		c.fail = nil
		return nil, err
	}
	var leased []models.Command
	for _, id := range ids {
		n := slices.IndexFunc(c.pending, func(p models.Command) bool { return p.InstanceID == id })
		if _, busy := c.sent[id]; n < 0 || busy {
			continue
		}
		leased = append(leased, c.pending[n])
		c.sent[id] = c.pending[n]
		c.pending = slices.Delete(c.pending, n, n+1)
	}
	return leased, nil
}

// ReleaseLeases takes every lease as over.
func (c *commands) ReleaseLeases(context.Context, time.Time) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.sent)
	for id, command := range c.sent {
		c.pending = append([]models.Command{command}, c.pending...)
		delete(c.sent, id)
	}
	return n, nil
}

func (c *commands) WithWork(context.Context) ([]models.InstanceID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []models.InstanceID
	for _, p := range c.pending {
		ids = append(ids, p.InstanceID)
	}
	return ids, nil
}

type link struct {
	mu     sync.Mutex
	got    []string
	closed string
	broken bool
}

func (l *link) Send(message any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errors.New("broken")
	}
	switch m := message.(type) {
	case protocol.Run:
		l.got = append(l.got, m.CommandID)
	case protocol.Cancel:
		l.got = append(l.got, "cancel "+m.CommandID)
	}
	return nil
}

func (l *link) Close(code, _ string) { l.closed = code }

func setup(ids ...string) (*Dispatcher, *commands) {
	c := &commands{sent: map[models.InstanceID]models.Command{}}
	for _, id := range ids {
		c.pending = append(c.pending, models.Command{ID: models.CommandID("for " + id), InstanceID: models.InstanceID(id)})
	}
	build := func(_ context.Context, commands []models.Command) ([]Offer, error) {
		var offers []Offer
		for _, c := range commands {
			offers = append(offers, Offer{Instance: c.InstanceID, Message: protocol.Run{CommandID: string(c.ID)}})
		}
		return offers, nil
	}
	return New(slog.New(slog.DiscardHandler), nil, c, build), c
}

func (l *link) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(l.got, want) {
		t.Errorf("the agent was sent %q, want %q", l.got, want)
	}
}

func TestOnlyConnectedAgentsAreSentTheirs(t *testing.T) {
	t.Parallel()
	d, c := setup("a", "b", "a")
	a := &link{}
	d.Connect("a", a)
	d.Wake("b") // who is not here
	if err := d.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.want(t, "for a")
	d.Wake("a") // busy with the first
	if err := d.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.want(t, "for a")
	if len(c.pending) != 2 {
		t.Errorf("%d commands wait, want 2", len(c.pending))
	}
}

func TestNobodyWokenAsksNothing(t *testing.T) {
	t.Parallel()
	d, c := setup("a")
	d.Connect("b", &link{})
	for range 3 {
		if err := d.runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if c.asked != 1 { // for b, which has just connected
		t.Errorf("the store was asked %d times", c.asked)
	}
}

func TestSweepOffersAgain(t *testing.T) {
	t.Parallel()
	d, _ := setup("a")
	broken, works := &link{broken: true}, &link{}
	d.Connect("a", broken)
	if err := d.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Connect("a", works)
	if broken.closed != protocol.RefusedReplaced {
		t.Errorf("the older session was closed with %q", broken.closed)
	}
	if d.Disconnect("a", broken) || !d.Connected("a") {
		t.Error("the end of the older session disconnected the newer one")
	}
	if err := errors.Join(d.sweep(t.Context()), d.runOnce(t.Context())); err != nil {
		t.Fatal(err)
	}
	works.want(t, "for a")
}

func TestFailedRoundIsTriedAgain(t *testing.T) {
	t.Parallel()
	d, c := setup("a")
	c.fail = errors.New("the database is away")
	a := &link{}
	d.Connect("a", a)
	if err := d.runOnce(t.Context()); err == nil {
		t.Fatal("a failed lease was swallowed")
	}
	if err := errors.Join(d.sweep(t.Context()), d.runOnce(t.Context())); err != nil {
		t.Fatal(err)
	}
	a.want(t, "for a")
}

func TestLoopDeliversAndStops(t *testing.T) {
	t.Parallel()
	d, _ := setup("a")
	a := &link{}
	d.Connect("a", a)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		a.mu.Lock()
		n := len(a.got)
		a.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was delivered")
		}
	}
	if !d.Cancel("a", "c", "why") || d.Cancel("b", "c", "why") {
		t.Error("a cancel reaches those who are here, and only those")
	}
	d.Stop()
	d.Stop()
}
