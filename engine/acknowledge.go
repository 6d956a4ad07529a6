package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"opsyard/engine/service"
	"opsyard/models"
)

// acknowledger gathers heartbeats and acknowledgements, which come by the
// thousand, and writes them a few times a second in one statement each.
type acknowledger struct {
	service.Base
	e     *Engine
	nudge chan struct{}

	mu   sync.Mutex
	acks map[models.CommandID]models.InstanceID
	seen map[models.InstanceID]time.Time
	tell []*models.Instance // that it was seen, when that is written
}

// gather is how long acknowledgements are collected, and beats how long
// heartbeats are when there are none to ride along with.
const (
	gather = 50 * time.Millisecond
	beats  = 5 * time.Second
)

func newAcknowledger(e *Engine) *acknowledger {
	return &acknowledger{
		Base: service.Base{Log: e.Log, Now: e.Now}, e: e, nudge: make(chan struct{}, 1),
		acks: map[models.CommandID]models.InstanceID{}, seen: map[models.InstanceID]time.Time{},
	}
}

func (a *acknowledger) start(ctx context.Context) error {
	return a.Every(ctx, "write heartbeats and acknowledgements", beats, a.nudge, func(ctx context.Context) error {
		wait(ctx, gather)
		return a.flush(context.WithoutCancel(ctx))
	})
}

func (a *acknowledger) heard(id models.InstanceID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[id] = a.Clock()
}

// back notes that the agent is back, and tells the pages that show its instance
// as soon as that is written.
func (a *acknowledger) back(i *models.Instance) {
	a.mu.Lock()
	a.seen[i.ID] = a.Clock()
	a.tell = append(a.tell, &models.Instance{ID: i.ID, StackID: i.StackID})
	a.mu.Unlock()
	service.Nudge(a.nudge)
}

func (a *acknowledger) acknowledge(id models.InstanceID, command models.CommandID) {
	a.mu.Lock()
	a.acks[command] = id
	a.seen[id] = a.Clock()
	a.mu.Unlock()
	service.Nudge(a.nudge)
}

func (a *acknowledger) take() (acks map[models.CommandID]models.InstanceID, seen map[models.InstanceID]time.Time, tell []*models.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acks, seen, tell = a.acks, a.seen, a.tell
	a.acks, a.seen, a.tell = map[models.CommandID]models.InstanceID{}, map[models.InstanceID]time.Time{}, nil
	return acks, seen, tell
}

// flush writes what has gathered. What cannot be written is dropped: the lease
// of an unconfirmed command ends and the agent confirms it again.
func (a *acknowledger) flush(ctx context.Context) error {
	acks, seen, tell := a.take()
	if len(seen) > 0 {
		if err := a.e.store.Instances.Seen(ctx, a.e.server, seen); err != nil {
			return err
		}
	}
	for _, i := range tell {
		a.e.tellSeen(i)
	}
	if len(acks) == 0 {
		return nil
	}
	ids := make([]models.CommandID, 0, len(acks))
	for id := range acks {
		ids = append(ids, id)
	}
	return a.e.tx(ctx, func(t *tx) error {
		own, err := t.Commands.OwnedBy(ctx, acks)
		if err != nil {
			return err
		}
		if len(own) < len(ids) {
			a.Log.WarnContext(ctx, "agents confirmed commands that are not theirs", slog.Int("count", len(ids)-len(own)))
		}
		moved, err := t.Commands.Acknowledge(ctx, own, a.Clock(), reportGrace)
		if err != nil {
			return err
		}
		for n := range moved {
			t.tellCommand(&moved[n])
		}
		return t.setupBegan(ctx, moved)
	})
}
