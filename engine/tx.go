package engine

import (
	"context"
	"slices"
	"strings"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
)

// tx is one verb's transaction and what is to be told when it has committed.
type tx struct {
	*store.Store
	e     *Engine
	news  map[note]struct{}
	wake  []models.InstanceID
	looks bool             // jobs were asked for
	send  []models.Command // leased already
	// told is the last entry that this transaction wrote of an instance.
	told map[models.InstanceID]int64
	// undo makes what callers hold be as before, for another attempt.
	undo []func()
	// outbox are the events that others are to hear of, see news.go.
	outbox []news
	dry    map[models.DeploymentID]bool
}

// takeBack makes the instances that a transaction has moved what they were: it
// has been rolled back and is tried again.
func (t *tx) takeBack() {
	if t == nil {
		return
	}
	for _, back := range slices.Backward(t.undo) {
		back()
	}
}

type note struct{ topic, kind, id string }

// tx runs do in one write transaction. After the commit it tells the watchers
// and wakes the dispatcher; after a rollback nothing has happened.
func (e *Engine) tx(ctx context.Context, do func(t *tx) error) error {
	var t *tx
	if err := e.store.Tx(ctx, func(st *store.Store) error {
		t.takeBack() // an earlier attempt
		t = &tx{e: e, news: map[note]struct{}{}, told: map[models.InstanceID]int64{}}
		t.Store = st
		if err := do(t); err != nil {
			return err
		}
		return t.writeNews(ctx)
	}); err != nil {
		return err
	}
	for n := range t.news {
		e.hub.Publish(n.topic, pubsub.Message{Kind: n.kind, ID: n.id})
		if strings.HasPrefix(n.topic, "user:") && n.kind != "session" {
			e.accounts.changed() // what users may do on instances goes with the rest
		}
	}
	if len(t.send) > 0 {
		e.dispatcher.Deliver(t.send)
	}
	if len(t.wake) > 0 {
		e.dispatcher.Wake(t.wake...)
	}
	if t.looks {
		e.jobs.Wake()
	}
	return nil
}

// lookAt has the engine look at an instance that has entered the status.
func (t *tx) lookAt(ctx context.Context, id models.InstanceID, status models.InstanceStatus) error {
	t.looks = true
	return t.e.jobs.ReconcileInstance(ctx, t.SQLTx(), id, status)
}

// TopicStacks is where the news of all stacks arrive.
const TopicStacks = "stacks"

// TopicStack is where a stack's news arrive.
func TopicStack(id models.StackID) string { return "stack:" + string(id) }

// TopicDeployment is where a deployment's news arrive.
func TopicDeployment(id models.DeploymentID) string { return "deployment:" + string(id) }

// TopicInstance is where an instance's news arrive.
func TopicInstance(id models.InstanceID) string { return "instance:" + string(id) }

func (t *tx) tell(topic, kind, id string) { t.news[note{topic, kind, id}] = struct{}{} }

func (t *tx) tellStack(id models.StackID) {
	t.tell(TopicStack(id), "stack", string(id))
	t.tell(TopicStacks, "stack", string(id))
}

func (t *tx) tellInstance(stack models.StackID, id models.InstanceID) {
	t.tell(TopicStack(stack), "instance", string(id))
	t.tell(TopicInstance(id), "instance", string(id))
	t.tell(TopicStacks, "stack", string(stack))
}

func (t *tx) tellDeployment(stack models.StackID, id models.DeploymentID) {
	t.tell(TopicStack(stack), "deployment", string(id))
	t.tell(TopicDeployment(id), "deployment", string(id))
}

func (t *tx) tellCommand(c *models.Command) {
	t.tell(TopicDeployment(c.DeploymentID), "command", string(c.ID))
	t.tell(TopicInstance(c.InstanceID), "command", string(c.ID))
}

// event writes an entry of the stack's timeline.
func (t *tx) event(ctx context.Context, ev models.StackEvent) error {
	ev.At = t.e.Clock()
	t.tell(TopicStack(ev.StackID), "event", "")
	err := t.Events.Append(ctx, &ev)
	if ev.InstanceID != "" {
		t.told[ev.InstanceID] = ev.ID
	}
	return err
}

// because links a cause to the entry of the timeline that led to it: what
// happened to the instance before. What a person wants begins a chain, and so
// does what is not about the instance alone.
func (t *tx) because(ctx context.Context, c models.Cause, i models.InstanceID) (models.Cause, error) {
	switch c.Kind {
	case models.CauseUser, models.CauseMembership, models.CauseChange, models.CauseAppDeleted:
		return c, nil
	}
	var err error
	if c.EventID == 0 {
		c.EventID = t.told[i]
	}
	if c.EventID == 0 {
		c.EventID, err = t.Events.Newest(ctx, i)
	}
	return c, err
}
