// Package intent decides between those who want something of an instance: a
// person comes before healing, healing before the schedule, the schedule
// before the load. It is pure: rows in, a decision out.
package intent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"opsyard/models"
)

// RetryAfter is how long a schedule lets an instance rest that did not start,
// before it tries again.
const RetryAfter = 10 * time.Minute

// Act is what is to be done with an instance now.
type Act string

// What can be done.
const (
	Nothing Act = ""
	Start   Act = "start"
	Stop    Act = "stop"
)

// Ending closes an intent.
type Ending struct {
	Intent  models.Intent
	State   models.IntentState
	Outcome string // a sentence
}

// Waiting is an open intent for which nothing is done now, and why.
type Waiting struct {
	Intent models.Intent
	Why    string // a sentence
}

// Decision is what becomes of an instance's open intents.
type Decision struct {
	Act Act
	For *models.Intent // for whom it acts
	// HalfDone is a restart that has found the instance stopped.
	HalfDone *models.Intent
	End      []Ending
	Wait     []Waiting
}

// Empty tells whether there is nothing to write.
func (d *Decision) Empty() bool { return d.Act == Nothing && d.HalfDone == nil && len(d.End) == 0 }

// arbiter gathers a decision.
type arbiter struct {
	Decision
	i      *models.Instance
	paused map[models.IntentAuthor]string
	now    time.Time
}

// Arbitrate says what to do about an instance of which open is wanted, who
// waits, and whose intent has ended.
func Arbitrate(i *models.Instance, open []models.Intent, pauses []models.IntentPause, now time.Time) Decision {
	a := &arbiter{i: i, paused: map[models.IntentAuthor]string{}, now: now}
	for _, p := range pauses {
		a.paused[p.Author] = p.Reason
	}
	left := a.newest(open)
	left = a.keep(left, a.impossible)
	left = a.keep(left, a.arrived)
	left = a.keep(left, func(n models.Intent) (models.IntentState, string) { return outranked(n, left) })
	a.choose(left)
	return a.Decision
}

// keep ends the intents of which end names a final state, and returns the rest.
func (a *arbiter) keep(list []models.Intent, end func(models.Intent) (models.IntentState, string)) []models.Intent {
	var left []models.Intent
	for _, n := range list {
		if state, outcome := end(n); state != "" {
			a.End = append(a.End, Ending{n, state, outcome})
		} else {
			left = append(left, n)
		}
	}
	return left
}

// newest leaves one intent of each author, the strongest author first.
func (a *arbiter) newest(open []models.Intent) []models.Intent {
	sorted := slices.Clone(open)
	slices.SortStableFunc(sorted, func(x, y models.Intent) int {
		return cmp.Or(cmp.Compare(rank(x.Author), rank(y.Author)), y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(y.ID, x.ID))
	})
	var last models.IntentAuthor
	return a.keep(sorted, func(n models.Intent) (models.IntentState, string) {
		if n.Author == last {
			return models.IntentSuperseded, "The same author wants something else now."
		}
		last = n.Author
		return "", ""
	})
}

func rank(author models.IntentAuthor) int {
	if n := slices.Index(models.IntentAuthors, author); n >= 0 {
		return n
	}
	return len(models.IntentAuthors)
}

// impossible refuses what is not the author's to want of this instance.
func (a *arbiter) impossible(n models.Intent) (models.IntentState, string) {
	switch {
	case a.i.Registered() || a.i.InfrastructureClass == models.InfrastructureOnPremises:
		return models.IntentRefused, "Its machine is a registered host, which is not started or stopped from here."
	case n.Author == models.BySchedule && a.i.AutoScalingType != models.ScalingTimer:
		return models.IntentWithdrawn, "It is not a time-based instance."
	case n.Author == models.ByLoad && a.i.AutoScalingType != models.ScalingLoad:
		return models.IntentRefused, "Only load-based instances follow the load."
	case n.Author == models.ByLoad && n.Want == models.WantRestarted, n.Author == models.BySchedule && n.Want == models.WantRestarted:
		return models.IntentRefused, "Scaling starts and stops, it does not restart."
	}
	return "", ""
}

// arrived ends intents that are fulfilled, or were tried and failed.
func (a *arbiter) arrived(n models.Intent) (models.IntentState, string) {
	switch {
	case n.Want == models.WantStopped:
		return a.stopped(n)
	case n.Want == models.WantRestarted && n.StoppedAt == nil:
		return a.notYetStopped(n)
	}
	return a.online(n)
}

func (a *arbiter) stopped(n models.Intent) (models.IntentState, string) {
	switch {
	case a.i.Status == models.InstanceStopped:
		return models.IntentDone, "It is stopped."
	case a.i.Status == models.InstanceStopFailed && a.acted(n):
		return models.IntentFailed, sentence("It could not be stopped.", a.i.StatusReason)
	}
	return "", ""
}

func (a *arbiter) online(n models.Intent) (models.IntentState, string) {
	switch a.i.Status {
	case models.InstanceOnline:
		return models.IntentDone, "It is online."
	case models.InstanceSetupFailed:
		return models.IntentFailed, "It came up, but its Setup failed."
	case models.InstanceStopFailed:
		return models.IntentFailed, "It could not be stopped, so it was not started."
	case models.InstanceStartFailed:
		if a.acted(n) && n.Author != models.BySchedule { // which tries again
			return models.IntentFailed, sentence("It did not start.", a.i.StatusReason)
		}
	case models.InstanceConnectionLost:
		if n.Author != models.BySchedule { // whose hours last longer than that
			return models.IntentFailed, sentence("Its connection was lost.", a.i.StatusReason)
		}
	}
	return "", ""
}

// notYetStopped is the first half of a restart.
func (a *arbiter) notYetStopped(n models.Intent) (models.IntentState, string) {
	switch {
	case a.i.Status == models.InstanceStopFailed && a.acted(n):
		return models.IntentFailed, sentence("It could not be stopped.", a.i.StatusReason)
	case n.Author == models.ByHealing && !a.acted(n) && (a.i.Status == models.InstanceOnline || a.i.Status == models.InstanceSetupFailed):
		return models.IntentWithdrawn, "Its agent is back, so it was left alone."
	}
	return "", ""
}

// acted tells whether the state follows from what was done for the intent.
func (a *arbiter) acted(n models.Intent) bool {
	return n.ActedAt != nil && !a.i.StatusSince.Before(*n.ActedAt)
}

func sentence(first, more string) string {
	if more == "" {
		return first
	}
	return first + " " + more
}

// outranked ends an intent that another one makes void.
func outranked(n models.Intent, all []models.Intent) (models.IntentState, string) {
	for _, o := range all {
		if o.Author == n.Author {
			continue
		}
		stronger := rank(o.Author) < rank(n.Author)
		switch {
		case n.Author == models.ByLoad:
			return models.IntentRefused, fmt.Sprintf("%s owns it now: scaling by load leaves it alone.", o.Who())
		case stronger && o.Want == models.WantStopped:
			return models.IntentWithdrawn, fmt.Sprintf("%s wants it stopped.", o.Who())
		case stronger && o.Author == models.ByUser && n.Author == models.ByHealing:
			return models.IntentWithdrawn, fmt.Sprintf("%s wants it %s.", o.Who(), o.Want)
		case n.Author == models.ByHealing && o.Author == models.BySchedule && o.Want == models.WantStopped:
			return models.IntentWithdrawn, "Its schedule has turned it off, so there is nothing to heal."
		}
	}
	return "", ""
}

// choose acts for the strongest author who is not held; the others wait.
func (a *arbiter) choose(left []models.Intent) {
	var first *models.Intent
	for k := range left {
		n := &left[k]
		switch reason, held := a.paused[n.Author]; {
		case held && n.Author != models.ByUser:
			a.Wait = append(a.Wait, Waiting{*n, "Paused: " + reason})
		case first == nil:
			first = n
			a.pursue(n)
		default:
			a.Wait = append(a.Wait, Waiting{*n, fmt.Sprintf("%s comes first and wants it %s.", first.Who(), first.Want)})
		}
	}
}

// pursue takes the next step for an intent.
func (a *arbiter) pursue(n *models.Intent) {
	down := n.Want == models.WantStopped || n.Want == models.WantRestarted && n.StoppedAt == nil
	off := a.i.Status == models.InstanceStopped || a.i.Status == models.InstanceStartFailed
	switch {
	case down && n.Want == models.WantRestarted && off:
		a.HalfDone = n
		a.act(Start, n)
	case down && a.i.CanStop(false) == nil:
		a.act(Stop, n)
	case !down && off:
		a.start(n)
	default:
		a.Wait = append(a.Wait, Waiting{*n, fmt.Sprintf("It is %s, on its way.", a.i.Status)})
	}
}

func (a *arbiter) start(n *models.Intent) {
	rest := a.i.StatusSince.Add(RetryAfter)
	if a.i.Status == models.InstanceStartFailed && a.acted(*n) && a.now.Before(rest) {
		a.Wait = append(a.Wait, Waiting{*n, fmt.Sprintf("It did not start; the next try is at %s UTC.", rest.UTC().Format("15:04"))})
		return
	}
	a.act(Start, n)
}

func (a *arbiter) act(what Act, n *models.Intent) { a.Act, a.For = what, n }
