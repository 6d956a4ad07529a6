// Package dispatch hands pending commands to connected agents. It knows which
// agents are connected to this process and is the only part of the engine that
// sends them anything.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/service"
	"opsyard/models"
)

// Times of the dispatcher.
const (
	// Lease is how long an agent may take to confirm a command before it is
	// offered again.
	Lease = 30 * time.Second
	// tick finds what a lost nudge left behind.
	tick = 5 * time.Second
	// batch bounds how many instances one statement leases for.
	batch = 500
)

// Link is a connected agent.
type Link interface {
	// Send queues a message; it does not wait for the network. An error means
	// that the link is dead or hopelessly behind; it then closes itself.
	Send(message any) error
	// Close ends the connection and tells the agent why (protocol.Refused…).
	Close(code, reason string)
}

// Commands is the part of the store that the dispatcher needs.
type Commands interface {
	// Lease moves the oldest pending command of each given instance that has
	// none under way from pending to sent, and returns them.
	Lease(ctx context.Context, instances []models.InstanceID, now, until time.Time) ([]models.Command, error)
	// ReleaseLeases moves sent commands whose lease is over back to pending.
	ReleaseLeases(ctx context.Context, now time.Time) (int, error)
	// WithWork reads the instances that have a pending command. They are few,
	// and thousands may be connected.
	WithWork(ctx context.Context) ([]models.InstanceID, error)
}

// Offer is a command in the form in which its agent gets it: a protocol.Run or
// the protocol.Wire of one.
type Offer struct {
	Instance models.InstanceID
	Message  any
}

// Builder makes the messages for leased commands, in any order.
type Builder func(ctx context.Context, commands []models.Command) ([]Offer, error)

// Dispatcher is the loop and the list of connected agents.
type Dispatcher struct {
	service.Base
	commands Commands
	build    Builder

	nudge chan struct{}
	mu    sync.Mutex
	links map[models.InstanceID]Link
	woken map[models.InstanceID]struct{}
	ready []models.Command // leased, not sent
}

// New makes a dispatcher; Start runs it.
func New(log *slog.Logger, now func() time.Time, commands Commands, build Builder) *Dispatcher {
	return &Dispatcher{
		Base:     service.Base{Log: log, Now: now},
		commands: commands, build: build,
		nudge: make(chan struct{}, 1),
		links: map[models.InstanceID]Link{},
		woken: map[models.InstanceID]struct{}{},
	}
}

// Start begins to hand out commands.
func (d *Dispatcher) Start(ctx context.Context) error {
	err := d.Every(ctx, "release command leases", tick, nil, d.sweep)
	return errors.Join(err, d.Every(ctx, "dispatch commands", tick, d.nudge, d.runOnce))
}

// Connect makes the link the one to its instance; an older one is closed.
func (d *Dispatcher) Connect(id models.InstanceID, link Link) {
	d.mu.Lock()
	old := d.links[id]
	d.links[id] = link
	d.mu.Unlock()
	if old != nil {
		old.Close(protocol.RefusedReplaced, "another session of this agent has taken over")
	}
	d.Wake(id)
}

// Disconnect forgets the link, unless a newer one has taken its place. It
// tells whether it was the current one.
func (d *Dispatcher) Disconnect(id models.InstanceID, link Link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[id] != link {
		return false
	}
	delete(d.links, id)
	return true
}

// Drop closes the instance's link, if there is one. It counts as connected no
// more, at once: a machine that is started again would be taken for one whose
// agent is here.
func (d *Dispatcher) Drop(id models.InstanceID, code, reason string) {
	d.mu.Lock()
	link := d.links[id]
	delete(d.links, id)
	d.mu.Unlock()
	if link != nil {
		link.Close(code, reason)
	}
}

// Connected tells whether the instance's agent is connected to this process.
func (d *Dispatcher) Connected(id models.InstanceID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.links[id] != nil
}

// ConnectedCount is the number of agents connected to this process.
func (d *Dispatcher) ConnectedCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.links)
}

// Wake says that the instances may have something to do.
func (d *Dispatcher) Wake(ids ...models.InstanceID) {
	d.mu.Lock()
	for _, id := range ids {
		if d.links[id] != nil {
			d.woken[id] = struct{}{}
		}
	}
	d.mu.Unlock()
	service.Nudge(d.nudge)
}

// Deliver sends commands that were leased when they were made: for instances
// that are connected here and have nothing else to do.
func (d *Dispatcher) Deliver(commands []models.Command) {
	d.mu.Lock()
	d.ready = append(d.ready, commands...)
	d.mu.Unlock()
	service.Nudge(d.nudge)
}

// Cancel asks the instance's agent to end a command; it tells whether the
// agent was there to be asked.
func (d *Dispatcher) Cancel(id models.InstanceID, command models.CommandID, reason string) bool {
	return d.Ask(id, protocol.Cancel{CommandID: string(command), Reason: reason})
}

// Ask sends the instance's agent a message that is no command; it tells whether
// the agent was there to be asked.
func (d *Dispatcher) Ask(id models.InstanceID, message any) bool {
	d.mu.Lock()
	link := d.links[id]
	d.mu.Unlock()
	return link != nil && link.Send(message) == nil
}

// sweep offers unconfirmed commands again and wakes whoever has work: whatever
// a lost nudge or another process left behind is found here.
func (d *Dispatcher) sweep(ctx context.Context) error {
	if _, err := d.commands.ReleaseLeases(ctx, d.Clock()); err != nil {
		return fmt.Errorf("release command leases: %w", err)
	}
	waiting, err := d.commands.WithWork(ctx)
	if err != nil {
		return fmt.Errorf("look for commands that wait: %w", err)
	}
	if len(waiting) > 0 {
		d.Wake(waiting...)
	}
	return nil
}

// runOnce sends everything that the woken instances may run now.
func (d *Dispatcher) runOnce(ctx context.Context) error {
	ready, ids := d.take()
	errs := []error{d.send(ctx, ready)}
	for len(ids) > 0 {
		n := min(len(ids), batch)
		errs = append(errs, d.leaseFor(ctx, ids[:n]))
		ids = ids[n:]
	}
	return errors.Join(errs...)
}

func (d *Dispatcher) take() (ready []models.Command, ids []models.InstanceID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ready, d.ready = d.ready, nil
	ids = make([]models.InstanceID, 0, len(d.woken))
	for id := range d.woken {
		if d.links[id] != nil {
			ids = append(ids, id)
		}
	}
	clear(d.woken)
	return ready, ids
}

func (d *Dispatcher) leaseFor(ctx context.Context, ids []models.InstanceID) error {
	now := d.Clock()
	leased, err := d.commands.Lease(ctx, ids, now, now.Add(Lease))
	if err != nil {
		return fmt.Errorf("lease commands: %w", err)
	}
	return d.send(ctx, leased)
}

// send offers leased commands to their agents. A failed send needs no care: the
// agent's next Hello, or the end of the lease, offers the command again.
func (d *Dispatcher) send(ctx context.Context, leased []models.Command) error {
	if len(leased) == 0 {
		return nil
	}
	offers, err := d.build(ctx, leased)
	if err != nil {
		return fmt.Errorf("build %d commands: %w", len(leased), err)
	}
	for _, offer := range offers {
		d.mu.Lock()
		link := d.links[offer.Instance]
		d.mu.Unlock()
		if link != nil {
			_ = link.Send(offer.Message)
		}
	}
	return nil
}
