package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"opsyard/models"
)

// What happens to the same instance again and again is a loop that nobody
// watches: a heal that does not help, or an agent that comes and goes and
// sends all its peers a Configure each time. The third time within
// Times.Repeat its author is held for that instance, and says so.

// mostRepeats is how often the same may happen within Times.Repeat.
const mostRepeats = 3

// watchRepeats holds an author that has moved the instance to the same end too
// often. A schedule cannot: each of its turns is a row.
func (t *tx) watchRepeats(ctx context.Context, i *models.Instance, n *models.Intent) error {
	if n.Author != models.ByHealing && n.Author != models.ByLoad {
		return nil
	}
	since, held, err := t.repeatsSince(ctx, i.ID, n.Author)
	if err != nil || held {
		return err
	}
	times, err := t.Intents.CountSince(ctx, n, since)
	if err != nil || times < mostRepeats {
		return err
	}
	deed := map[models.IntentWant]string{models.WantOnline: "started", models.WantStopped: "stopped", models.WantRestarted: "restarted"}[n.Want]
	return t.hold(ctx, i, n.Author, fmt.Sprintf("%s was %s %d times within %s.", i.Hostname, deed, times, t.e.inARow()))
}

// inARow names the time in which repetitions count.
func (e *Engine) inARow() string {
	if n := int(e.times.Repeat.Minutes()); n > 0 {
		return count(n, "minute")
	}
	return e.times.Repeat.String()
}

// repeatsSince is from when on repetitions count, and whether the author is
// held already.
func (t *tx) repeatsSince(ctx context.Context, id models.InstanceID, author models.IntentAuthor) (since time.Time, held bool, err error) {
	since = t.e.Clock().Add(-t.e.times.Repeat)
	p, err := t.Intents.LastPause(ctx, id, author)
	if err != nil || p == nil {
		return since, false, err
	}
	if p.EndedAt == nil {
		return since, true, nil
	}
	if p.EndedAt.After(since) {
		since = *p.EndedAt
	}
	return since, false, nil
}

// alertRepeats is the type of alerts about an author that is held.
const alertRepeats = "InstanceRepeats"

// hold keeps an author from an instance. Of a loop that nobody watched somebody
// hears now.
func (t *tx) hold(ctx context.Context, i *models.Instance, author models.IntentAuthor, reason string) error {
	if err := t.Intents.Pause(ctx, &models.IntentPause{InstanceID: i.ID, Author: author, StackID: i.StackID, Reason: reason, At: t.e.Clock()}); err != nil {
		return err
	}
	t.tellInstance(i.StackID, i.ID)
	paused := author.Label() + " of " + i.Hostname + " is paused"
	err := t.event(ctx, models.StackEvent{
		StackID: i.StackID, Kind: "instance", Tone: "warn", InstanceID: i.ID,
		Text: paused, Cause: models.Cause{Kind: models.CauseAgent, Text: reason, InstanceID: i.ID},
	})
	if err != nil {
		return err
	}
	return t.alert(ctx, i, alertRepeats, paused+". "+reason)
}

// watchFlapping tells whether the instance's coming and going is kept from its
// peers. When its connection is lost for the third time they are told so, and
// then not again until it has been quiet for as long, or a person says so:
// they do best without it.
func (t *tx) watchFlapping(ctx context.Context, i *models.Instance) (held bool, err error) {
	since, held, err := t.repeatsSince(ctx, i.ID, models.ByConfigure)
	if err != nil || held || i.Status != models.InstanceConnectionLost {
		return held, err
	}
	times, err := t.Events.CountSince(ctx, i.ID, movedTo(i, models.InstanceConnectionLost), since)
	if err != nil || times < mostRepeats {
		return false, err
	}
	return false, t.hold(ctx, i, models.ByConfigure, fmt.Sprintf("The connection to %s was lost %d times within %s. Its peers are not told that it is back until it has stayed for as long.", i.Hostname, times, t.e.inARow()))
}

// movedTo is the entry of the timeline for a move.
func movedTo(i *models.Instance, to models.InstanceStatus) string {
	return fmt.Sprintf("%s is %s", i.Hostname, to)
}

// endHolds tells the peers of instances that have become quiet.
func (e *Engine) endHolds(ctx context.Context) error {
	pauses, err := e.store.Intents.Pauses(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range pauses {
		if p.Author == models.ByConfigure {
			errs = append(errs, e.endHold(ctx, p.InstanceID))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) endHold(ctx context.Context, id models.InstanceID) error {
	err := e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil || e.Clock().Sub(i.StatusSince) < e.times.Repeat {
			return err
		}
		_, err = t.resume(ctx, i, models.ByConfigure)
		return err
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}

// resume ends a pause, and makes up for what was held.
func (t *tx) resume(ctx context.Context, i *models.Instance, author models.IntentAuthor) (bool, error) {
	ended, err := t.Intents.Resume(ctx, i.ID, author, t.e.Clock())
	if err != nil || !ended {
		return false, err
	}
	t.tellInstance(i.StackID, i.ID)
	if author == models.ByConfigure {
		if i.Status == models.InstanceOnline {
			err = t.noteMembership(ctx, i, "entered online")
		}
		return true, err
	}
	_, err = t.settle(ctx, i)
	return true, err
}

// ResumeIntents lets an author go on that is held for an instance because the
// same had happened to it again and again.
func (e *Engine) ResumeIntents(ctx context.Context, id models.InstanceID, author models.IntentAuthor) error {
	if _, err := e.instanceFor(ctx, id, "ResumeIntents"); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		switch ended, err := t.resume(ctx, i, author); {
		case err != nil:
			return err
		case !ended:
			return models.Conflict("Nothing is paused for %s any more.", i.Hostname)
		}
		cause := byWhom(ctx, author.Label()+" goes on")
		if err := t.event(ctx, models.StackEvent{StackID: i.StackID, Kind: "instance", InstanceID: i.ID, Text: author.Label() + " of " + i.Hostname + " goes on", Cause: cause}); err != nil {
			return err
		}
		return t.audit(ctx, "ResumeIntents", onInstance(i), nil, map[string]any{"Author": author}, models.Cause{})
	})
}
