package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"opsyard/engine/service"
	"opsyard/models"
)

// membership fires Configure for the changes of who is online (OpsWorks:
// "Lifecycle Events"). It waits a moment for more of them, and lets each stack
// rest between two: when hundreds of instances boot, each change would
// otherwise send a command to every one of them. The changes are rows, written
// with the moves they are about, so none is lost.
type membership struct {
	service.Base
	e     *Engine
	nudge chan struct{}
	rest  map[models.StackID]time.Time // until then; the loop's own
}

// restPerInstance makes the rest between two Configures longer for large
// stacks, where each is more work: 8 s for 1,600 instances.
const restPerInstance = 5 * time.Millisecond

func newMembership(e *Engine) *membership {
	return &membership{Base: service.Base{Log: e.Log, Now: e.Now}, e: e, nudge: make(chan struct{}, 1), rest: map[models.StackID]time.Time{}}
}

func (m *membership) start(ctx context.Context) error { return m.Go(ctx, m.run) }

func (m *membership) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.nudge:
		case <-timer.C:
		}
		pause, err := m.round(ctx)
		if err != nil && ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "configure the stacks that have changed", slog.Any("error", err))
		}
		timer.Reset(pause)
	}
}

// round configures the stacks whose time has come and tells when the next
// one's comes.
func (m *membership) round(ctx context.Context) (pause time.Duration, err error) {
	pause = m.e.times.Reminder
	waiting, err := m.e.store.Membership.Waiting(ctx)
	if err != nil {
		return pause, err
	}
	var errs []error
	for stack, oldest := range waiting {
		now := m.Clock()
		due := oldest.Add(m.e.times.Gather)
		if rest := m.rest[stack]; rest.After(due) {
			due = rest
		}
		if due.After(now) {
			pause = min(pause, due.Sub(now))
			continue
		}
		told, err := m.e.configureChanged(ctx, stack)
		errs = append(errs, err)
		m.rest[stack] = m.Clock().Add(m.e.times.Between + time.Duration(told)*restPerInstance)
	}
	for stack, until := range m.rest {
		if _, ok := waiting[stack]; !ok && m.Clock().After(until) {
			delete(m.rest, stack)
		}
	}
	return pause, errors.Join(errs...)
}

// configureChanged sends the Configure that tells of all changes that have
// gathered, and counts whom it tells.
func (e *Engine) configureChanged(ctx context.Context, stack models.StackID) (told int, err error) {
	err = e.tx(models.AsEngine(ctx), func(t *tx) error {
		changes, err := t.Membership.Take(ctx, stack)
		if err != nil || len(changes) == 0 {
			return err
		}
		told, err = t.configure(ctx, stack, causeOf(changes))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("configure stack %s: %w", stack, err)
	}
	return told, nil
}

// noteMembership asks for a Configure that tells of the instance's change.
func (t *tx) noteMembership(ctx context.Context, i *models.Instance, what string) error {
	held, err := t.watchFlapping(ctx, i)
	if err != nil {
		return err
	}
	if held {
		_, err := t.Stacks.BumpVersion(ctx, i.StackID)
		return err
	}
	t.AfterCommit(func() { service.Nudge(t.e.membership.nudge) })
	return t.Membership.Note(ctx, &models.MembershipChange{
		StackID: i.StackID, InstanceID: i.ID, Hostname: i.Hostname, What: what, EventID: t.told[i.ID], At: t.e.Clock(),
	})
}

// noteChange asks for a Configure that tells of another change that recipes
// see: what is a whole clause ("Elastic IP 192.0.2.7 was associated with web1").
func (t *tx) noteChange(ctx context.Context, stack models.StackID, what string) error {
	if by := models.ActorFrom(ctx); by.Kind == models.ActorUser && by.Name != "" {
		what += " by " + by.Name
	}
	t.AfterCommit(func() { service.Nudge(t.e.membership.nudge) })
	return t.Membership.Note(ctx, &models.MembershipChange{StackID: stack, What: what, At: t.e.Clock()})
}

// causeOf says what has changed: "web1, web2 and 14 others entered online; …".
func causeOf(all []models.MembershipChange) models.Cause {
	var changes []models.MembershipChange
	var others []string
	for _, ch := range all {
		if ch.InstanceID != "" {
			changes = append(changes, ch)
		} else if !slices.Contains(others, ch.What) {
			others = append(others, ch.What)
		}
	}
	if len(changes) == 0 {
		return models.Cause{Kind: models.CauseChange, Text: someOf(others)}
	}
	c := causeOfInstances(changes)
	if len(others) > 0 {
		c.InstanceID = ""
		c.Text += "; " + someOf(others)
	}
	return c
}

// someOf joins up to three clauses and counts the rest.
func someOf(clauses []string) string {
	const most = 3
	if n := len(clauses); n > most {
		return strings.Join(clauses[:most], "; ") + fmt.Sprintf("; and %s", count(n-most, "other change"))
	}
	return strings.Join(clauses, "; ")
}

func causeOfInstances(changes []models.MembershipChange) models.Cause {
	c := models.Cause{Kind: models.CauseMembership, InstanceID: changes[0].InstanceID, EventID: changes[len(changes)-1].EventID}
	last := map[models.InstanceID]string{} // what counts of an instance that came and went
	for _, ch := range changes {
		last[ch.InstanceID] = ch.What
		if ch.InstanceID != c.InstanceID {
			c.InstanceID = "" // it is about several
		}
	}
	var order []string
	names := map[string][]string{}
	for _, ch := range changes {
		if last[ch.InstanceID] != ch.What || slices.Contains(names[ch.What], ch.Hostname) {
			continue
		}
		if names[ch.What] == nil {
			order = append(order, ch.What)
		}
		names[ch.What] = append(names[ch.What], ch.Hostname)
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, some(names[what])+" "+what)
	}
	c.Text = strings.Join(parts, "; ")
	return c
}

// some lists up to three names and counts the rest.
func some(names []string) string {
	const most = 3
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n <= most:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return fmt.Sprintf("%s and %d others", strings.Join(names[:most-1], ", "), n-most+1)
	}
}
