package engine

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/compute"
	"opsyard/engine/notify"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
)

// world is an engine over a real store with a provider and agents of the test.
type world struct {
	t        *testing.T
	ctx      context.Context // as an administrator
	store    *store.Store
	engine   *Engine
	provider *fakeProvider
	logs     *fakeLogs
	stack    *models.Stack
	lb, web  *models.Layer
	links    map[models.InstanceID]*fakeLink
	notifier *notify.Sender // of the next boot
	times    func(*Times)   // changes the test's patience, if it is set
}

func setup(t *testing.T, st *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: st, provider: newFakeProvider(), logs: &fakeLogs{}, links: map[models.InstanceID]*fakeLink{}}
	w.ctx = models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	w.boot()
	w.stack = must(w.engine.CreateStack(w.ctx, models.Stack{Name: "Shop", DefaultRootDeviceType: models.RootDeviceEBS}))(t)
	w.lb = w.layer(models.LayerLB, "Balancer")
	w.web = w.layer(models.LayerWeb, "Web")
	return w
}

// boot starts an engine over the store; reboot stops it first, as a restart of
// the server would.
func (w *world) boot() {
	w.t.Helper()
	times := Times{Reminder: 100 * time.Millisecond, Gather: 5 * time.Millisecond, Between: 5 * time.Millisecond}
	if w.times != nil {
		w.times(&times)
	}
	e, err := New(w.ctx, Config{
		Store: w.store, Hub: pubsub.NewHub(), Logs: w.logs, Log: slog.New(slog.DiscardHandler),
		Providers: map[string]compute.Provider{"fake": w.provider}, DefaultProvider: "fake",
		Cookbooks: []byte("cookbooks"), AgentURL: "http://127.0.0.1:1", Notifier: w.notifier,
		Times: times, FastPasswords: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := e.Start(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	w.engine = e
	w.t.Cleanup(e.Stop)
}

func (w *world) reboot() {
	w.engine.Stop()
	w.boot()
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (w *world) layer(kind models.LayerType, name string) *models.Layer {
	w.t.Helper()
	l := models.NewLayer(w.stack.ID, kind)
	l.Name = name
	return must(w.engine.CreateLayer(w.ctx, l))(w.t)
}

func (w *world) instance(l *models.Layer) *models.Instance {
	w.t.Helper()
	return must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{l.ID}}))(w.t)
}

// online brings an instance all the way up.
func (w *world) online(l *models.Layer) *models.Instance {
	w.t.Helper()
	i := w.instance(l)
	w.start(i)
	w.finish(i, models.CommandSetup, protocol.Successful)
	w.becomes(i, models.InstanceOnline)
	w.drain()
	return i
}

// start starts the instance and lets its agent call.
func (w *world) start(i *models.Instance) {
	w.t.Helper()
	if err := w.engine.StartInstance(w.ctx, i.ID); err != nil {
		w.t.Fatal(err)
	}
	w.becomes(i, models.InstanceBooting)
	w.connect(i)
}

func (w *world) connect(i *models.Instance, unfinished ...string) *fakeLink {
	w.t.Helper()
	link := &fakeLink{}
	w.links[i.ID] = link
	if err := w.engine.ConnectAgent(w.ctx, i.ID, protocol.Hello{InstanceID: string(i.ID), Unfinished: unfinished}, link); err != nil {
		w.t.Fatal(err)
	}
	return link
}

// finish waits until the instance's agent is sent a command of the kind and
// reports its end.
func (w *world) finish(i *models.Instance, kind models.CommandName, how protocol.Outcome) protocol.Run {
	w.t.Helper()
	run := w.sent(i, kind)
	code := 0
	if how != protocol.Successful {
		code = 1
	}
	if err := w.engine.FinishCommand(w.ctx, i.ID, protocol.Done{CommandID: run.CommandID, Outcome: how, ExitCode: code, Message: "it was " + string(how)}); err != nil {
		w.t.Fatal(err)
	}
	return run
}

// sent waits for a command of the kind that the agent has not answered yet.
func (w *world) sent(i *models.Instance, kind models.CommandName) protocol.Run {
	w.t.Helper()
	var found protocol.Run
	w.eventually("a "+string(kind)+" for "+i.Hostname, func() bool {
		for _, run := range w.links[i.ID].runs() {
			c, err := w.store.Commands.Get(w.ctx, models.CommandID(run.CommandID))
			if err == nil && c.Type == kind && !c.Status.Finished() {
				found = run
				return true
			}
		}
		return false
	})
	return found
}

// drain finishes every command that any agent is sent, until none is left.
func (w *world) drain() {
	w.t.Helper()
	w.eventually("no command is left", func() bool {
		left := len(must(w.store.Membership.Waiting(w.ctx))(w.t)) > 0
		for id, link := range w.links {
			unfinished := must(w.store.Commands.Unfinished(w.ctx, id))(w.t)
			left = left || len(unfinished) > 0
			for _, run := range link.runs() {
				if slices.ContainsFunc(unfinished, func(c models.Command) bool { return string(c.ID) == run.CommandID && c.Status != models.CommandPending }) {
					if err := w.engine.FinishCommand(w.ctx, id, protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful}); err != nil {
						w.t.Fatal(err)
					}
				}
			}
		}
		return !left
	})
}

func (w *world) status(i *models.Instance) models.InstanceStatus {
	w.t.Helper()
	return must(w.store.Instances.Get(w.ctx, i.ID))(w.t).Status
}

func (w *world) becomes(i *models.Instance, want models.InstanceStatus) {
	w.t.Helper()
	w.eventually(i.Hostname+" is "+string(want), func() bool { return w.status(i) == want })
}

// gone waits until the instance's record has been removed.
func (w *world) gone(i *models.Instance) {
	w.t.Helper()
	w.eventually(i.Hostname+" is gone", func() bool {
		_, err := w.store.Instances.Get(w.ctx, i.ID)
		return models.CodeOf(err) == models.CodeNotFound
	})
	delete(w.links, i.ID)
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// commands lists what an instance was told, oldest first.
func (w *world) commands(i *models.Instance) []models.Command {
	w.t.Helper()
	all := must(w.store.Commands.OfInstance(w.ctx, i.ID, 100))(w.t)
	slices.Reverse(all)
	return all
}

func kinds(commands []models.Command) []models.CommandName {
	var names []models.CommandName
	for _, c := range commands {
		names = append(names, c.Type)
	}
	return names
}

// fakeLink is a connected agent's line.
type fakeLink struct {
	mu     sync.Mutex
	sent   []any
	closed string
}

func (l *fakeLink) Send(message any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, message)
	return nil
}

func (l *fakeLink) Close(code, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = code
}

func (l *fakeLink) runs() []protocol.Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	var runs []protocol.Run
	for _, m := range l.sent {
		wire, ok := m.(protocol.Wire)
		if !ok {
			continue
		}
		message, err := protocol.Decode(wire)
		if run, ok := message.(protocol.Run); ok && err == nil {
			runs = append(runs, run)
		}
	}
	return runs
}

type fakeLogs struct{}

func (*fakeLogs) Finish(context.Context, models.CommandID, int64) error { return nil }

// fakeProvider makes machines that exist in name only.
type fakeProvider struct {
	mu     sync.Mutex
	state  map[string]compute.State
	events chan compute.Event
	deny   error // what Start answers
	// simulated allows Windows.
	simulated atomic.Bool
	jammed    error // what Stop answers
	// onStart runs before the machine is there.
	onStart func()
	calls   []string
	address string                      // of the machines
	volumes map[string][]compute.Volume // by machine, of its latest start
}

func newFakeProvider() *fakeProvider {
	return &fakeProvider{state: map[string]compute.State{}, volumes: map[string][]compute.Volume{}, events: make(chan compute.Event, 10), address: "10.0.0.1"}
}

func (*fakeProvider) Name() string { return "fake" }
func (p *fakeProvider) Caps() compute.Caps {
	return compute.Caps{OwnIP: true, OwnDisk: true, Reboot: true, Simulated: p.simulated.Load()}
}
func (*fakeProvider) Check(context.Context) []compute.Finding   { return nil }
func (*fakeProvider) Reconcile(context.Context, []string) error { return nil }
func (*fakeProvider) Close() error                              { return nil }

func (p *fakeProvider) Start(_ context.Context, s compute.Spec) (compute.Machine, error) {
	p.mu.Lock()
	deny := p.deny
	p.mu.Unlock()
	if deny != nil {
		return compute.Machine{}, deny
	}
	if p.onStart != nil {
		p.onStart()
	}
	p.note("start", s.ID, compute.Running)
	p.mu.Lock()
	p.volumes[s.ID] = s.Volumes
	p.mu.Unlock()
	return compute.Machine{ID: s.ID, State: compute.Running, PrivateIP: p.address}, nil
}

// disks are those that a machine was started with.
func (p *fakeProvider) disks(id models.InstanceID) []compute.Volume {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.volumes[string(id)]
}

// did tells whether the provider was asked for this.
func (p *fakeProvider) did(call string, id models.InstanceID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.calls, call+" "+string(id))
}

// refuse makes Start fail; with nil it works again.
func (p *fakeProvider) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deny = err
}

func (p *fakeProvider) note(call, id string, s compute.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call+" "+id)
	p.state[id] = s
}

func (p *fakeProvider) Stop(_ context.Context, id string, _ time.Duration) error {
	p.mu.Lock()
	jammed := p.jammed
	p.mu.Unlock()
	if jammed != nil {
		return jammed
	}
	p.note("stop", id, compute.Stopped)
	return nil
}

func (p *fakeProvider) Reboot(_ context.Context, id string, _ bool) error {
	p.note("reboot", id, compute.Running)
	return nil
}

func (p *fakeProvider) Terminate(_ context.Context, id string) error {
	p.note("terminate", id, compute.Terminated)
	return nil
}

func (p *fakeProvider) DeleteVolume(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, "delete volume "+id)
	return nil
}

func (p *fakeProvider) Describe(_ context.Context, ids ...string) ([]compute.Machine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []compute.Machine
	for _, id := range ids {
		all = append(all, compute.Machine{ID: id, State: p.state[id]})
	}
	return all, nil
}

func (p *fakeProvider) Watch(ctx context.Context) (<-chan compute.Event, error) {
	out := make(chan compute.Event)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case ev := <-p.events:
				out <- ev
			}
		}
	}()
	return out, nil
}

func (*fakeProvider) Console(context.Context, string) (io.ReadCloser, error) {
	return nil, compute.ErrUnsupported
}
