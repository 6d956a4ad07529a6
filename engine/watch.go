package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
)

// watchMachines turns a provider's news into moves until the engine stops.
func (e *Engine) watchMachines(ctx context.Context, name string, p compute.Provider) {
	for ctx.Err() == nil {
		events, err := p.Watch(ctx)
		if err != nil {
			e.Log.ErrorContext(ctx, "watch machines", slog.String("provider", name), slog.Any("error", err))
			wait(ctx, e.times.Reminder)
			continue
		}
		if err := e.checkMachines(ctx, name, p); err != nil && ctx.Err() == nil {
			e.Log.ErrorContext(ctx, "look at machines", slog.String("provider", name), slog.Any("error", err))
		}
		for ev := range events {
			if err := e.machineEnded(ctx, ev); err != nil && ctx.Err() == nil {
				e.Log.ErrorContext(ctx, "take note of a machine's end", slog.String("instance", ev.ID), slog.Any("error", err))
			}
		}
		wait(ctx, time.Second) // a provider that closes at once must not spin
	}
}

// checkMachines finds machines that ended while nobody watched, for instance
// before this process started.
func (e *Engine) checkMachines(ctx context.Context, name string, p compute.Provider) error {
	here, err := e.store.Instances.WithStatus(ctx, models.InstanceOnline, models.InstanceRunningSetup, models.InstanceSetupFailed, models.InstanceBooting)
	if err != nil {
		return fmt.Errorf("list instances with machines: %w", err)
	}
	stacks, err := e.store.Stacks.List(ctx)
	if err != nil {
		return fmt.Errorf("list stacks: %w", err)
	}
	made := map[models.StackID]bool{}
	for _, s := range stacks {
		made[s.ID] = s.Provider == name
	}
	var ids []string
	for _, i := range here {
		if made[i.StackID] && !i.Registered() {
			ids = append(ids, string(i.ID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	machines, err := p.Describe(ctx, ids...)
	if err != nil {
		return fmt.Errorf("describe machines: %w", err)
	}
	var errs []error
	for _, m := range machines {
		reason := m.Reason
		if reason == "" {
			reason = string(m.State)
		}
		errs = append(errs, e.machineEnded(ctx, compute.Event{ID: m.ID, State: m.State, Reason: reason, At: e.Clock()}))
	}
	return errors.Join(errs...)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// machineEnded notes that a machine has stopped without being asked to.
func (e *Engine) machineEnded(ctx context.Context, ev compute.Event) error {
	if ev.State == compute.Running || ev.State == compute.Pending {
		return nil
	}
	i, err := e.store.Instances.Get(ctx, models.InstanceID(ev.ID))
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if !i.Status.CanBecome(models.InstanceConnectionLost) {
		return nil // stopping anyway, or lost already
	}
	reason := "The machine ended by itself: " + ev.Reason + "."
	return e.lose(ctx, i, models.Cause{Kind: models.CauseMachine, Text: "its machine ended: " + ev.Reason}, reason)
}

func (e *Engine) lose(ctx context.Context, i *models.Instance, cause models.Cause, reason string) error {
	err := e.moveAlone(ctx, i, models.InstanceConnectionLost, cause, store.InstanceChange{Reason: reason})
	if models.CodeOf(err) == models.CodeConflict && err != nil {
		return nil // it moved on meanwhile; the next round sees how
	}
	return err
}

// watchAgents finds agents that have been silent too long, and tells the
// watchers when one crosses the line to offline.
func (e *Engine) watchAgents(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	now := e.Clock()
	silent, err := e.store.Instances.Silent(ctx, now.Add(-e.times.Offline),
		models.InstanceOnline, models.InstanceRunningSetup, models.InstanceSetupFailed, models.InstanceRegistered, models.InstanceAssigning)
	if err != nil {
		return fmt.Errorf("look for silent agents: %w", err)
	}
	listening := e.listening(now) // after the database has answered: while it does not, no server can note whom it hears
	for n := range silent {
		i := &silent[n]
		quiet := now.Sub(lastHeard(i))
		if min(quiet, now.Sub(listening)) > e.times.Silence && !e.dispatcher.Connected(i.ID) {
			reason := fmt.Sprintf("The agent has been silent for %s.", span(quiet))
			if err := e.lose(ctx, i, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, reason); err != nil {
				return err
			}
			continue
		}
		if quiet <= e.times.Offline+2*e.lookForSilence() {
			e.tellSeen(i)
		}
	}
	return nil
}

// lookForSilence is how often agents are looked for that are silent: a look
// reads all instances, and what it finds has been so for a while anyway.
func (e *Engine) lookForSilence() time.Duration { return 3 * e.times.Reminder }

// listening is since when this process could have heard agents.
func (e *Engine) listening(now time.Time) time.Time {
	return e.attention.since(now, max(e.times.Offline, 10*e.times.Reminder))
}

// attention is since when this process could have heard agents. The silence of
// an agent counts from there: after a time in which the server did not run, was
// suspended or moved, all have been silent, and none of them is to blame.
type attention struct {
	mu          sync.Mutex
	began, last time.Time
}

// since is when the attention began, given that it is asked again and again:
// anew when the last time is longer ago than a pause may be, or when the clock
// was set back.
func (a *attention) since(now time.Time, pause time.Duration) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.last).Abs() > pause || now.Before(a.began) {
		a.began = now
	}
	a.last = now
	return a.began
}

// tellSeen wakes the pages that show the instance: the state is the same, but
// its agent now counts as offline, or does no more.
func (e *Engine) tellSeen(i *models.Instance) {
	for _, topic := range []string{TopicStack(i.StackID), TopicInstance(i.ID)} {
		e.hub.Publish(topic, pubsub.Message{Kind: "instance", ID: string(i.ID)})
	}
}

// lastHeard is when the agent was last heard in the instance's present state.
func lastHeard(i *models.Instance) time.Time {
	if i.AgentSeenAt != nil && i.AgentSeenAt.After(i.StatusSince) {
		return *i.AgentSeenAt
	}
	return i.StatusSince
}
