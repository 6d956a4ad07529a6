package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"opsyard/models"
)

// refusals bounds what refused attempts write: a page that is reloaded, or a
// script that does not give up, would otherwise fill the audit. The first ones
// of a kind in a minute are written, the rest is counted and the count written.
type refusals struct {
	mu    sync.Mutex
	by    map[refusedKind]*refusedCount
	kinds map[string]int // in by, of each actor
}

// refusedKind is what makes two refused attempts the same.
type refusedKind struct{ actor, action, target string }

type refusedCount struct {
	since   time.Time
	entry   models.AuditEntry // the last one
	written int
	leftOut int
}

const (
	refusedPeriod = time.Minute
	refusedReads  = 1  // written of one read in that time
	refusedDeeds  = 10 // and of one change
	// Somebody who is refused more kinds than that, of things whose names they
	// make up, has the rest counted as one.
	kindsOfActor = 1000
	maxRefusals  = 10_000
)

func newRefusals() *refusals {
	return &refusals{by: map[refusedKind]*refusedCount{}, kinds: map[string]int{}}
}

// isRead tells operations that only look from those that change something.
func isRead(action string) bool {
	if action == "DescribeStackProvisioningParameters" {
		return false // it makes a token
	}
	for _, verb := range []string{"Describe", "Get", "List", "Read"} {
		if strings.HasPrefix(action, verb) {
			return true
		}
	}
	return false
}

func kindOf(e *models.AuditEntry) refusedKind {
	actor := string(e.ActorKind) + " " + e.ActorID
	if e.ActorID == "" {
		actor += e.ActorName + " " + network(e.SourceAddr)
	}
	return refusedKind{actor, e.Action, e.TargetKind + " " + e.TargetID + " " + e.TargetName}
}

// admit tells whether a refusal is to be written; otherwise it is counted.
func (r *refusals) admit(e *models.AuditEntry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := r.countedAs(kindOf(e))
	c := r.by[kind]
	if c == nil {
		c = &refusedCount{since: e.At}
		r.by[kind] = c
		r.kinds[kind.actor]++
	}
	most := refusedDeeds
	if isRead(e.Action) {
		most = refusedReads
	}
	if c.written < most {
		c.written++
		return true
	}
	c.leftOut++
	c.entry = *e
	return false
}

// countedAs is the kind that one counts as: so many cannot all be told apart.
func (r *refusals) countedAs(kind refusedKind) refusedKind {
	if r.by[kind] == nil && r.kinds[kind.actor] >= kindsOfActor {
		kind = refusedKind{actor: kind.actor}
	}
	if r.by[kind] == nil && len(r.by) >= maxRefusals {
		kind = refusedKind{}
	}
	return kind
}

// over takes the kinds whose time has ended by now, and gives those of which
// something was left out.
func (r *refusals) over(now time.Time) []*refusedCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*refusedCount
	for kind, c := range r.by {
		if now.Sub(c.since) < refusedPeriod {
			continue
		}
		delete(r.by, kind)
		if r.kinds[kind.actor]--; r.kinds[kind.actor] <= 0 {
			delete(r.kinds, kind.actor)
		}
		if c.leftOut > 0 {
			list = append(list, c)
		}
	}
	return list
}

// auditRefusal records an attempt that was refused. It has no transaction to
// join; if it cannot be written, the refusal stands and the log tells.
func (e *Engine) auditRefusal(ctx context.Context, action string, on target) {
	e.auditRefused(ctx, auditEntry(ctx, action, on))
}

func (e *Engine) auditRefused(ctx context.Context, entry models.AuditEntry) {
	entry.Refused, entry.At = true, e.Clock()
	entry.TargetID, entry.TargetName = clip(entry.TargetID, 36), clip(entry.TargetName, 255) // anybody can ask for anything
	e.tellOfRefusals(ctx, entry.At)                                                          // those whose minute is over
	if e.refusals.admit(&entry) {
		e.writeRefusal(ctx, entry)
	}
}

// RefusedCredential records a request whose key or token is not good, and
// refuses the next ones for some time when there were many of one address, or
// of one key. It is asked only about what is not good: the owner of a key is
// not kept out by those who guess. tried is the id of the key, empty for what
// has none.
func (e *Engine) RefusedCredential(ctx context.Context, tried, why string) error {
	entry := auditEntry(ctx, "SignRequest", target{kind: "credential"})
	entry.ActorKind = models.ActorUser
	entry.Cause = models.Cause{Kind: models.CauseUser, Text: why}
	e.auditRefused(ctx, entry)
	if !e.credentials.allow(tried, entry.SourceAddr, tried == "") {
		return errTooManyTries()
	}
	return nil
}

// RefusedForeign records that a form or a websocket came from another site. Whose browser it
// was is not looked at: its session counts for nothing there.
func (e *Engine) RefusedForeign(ctx context.Context) {
	e.refusedStranger(ctx, "", "ForeignRequest", target{kind: "console"})
}

// RefusedPage records that somebody was not shown a page because of what it is
// for.
func (e *Engine) RefusedPage(ctx context.Context, action models.Action, id models.StackID) {
	on := target{kind: "stack"}
	if stack, err := e.store.Stacks.Get(ctx, id); err == nil {
		on = onStack(stack)
	}
	e.auditRefusal(ctx, string(action), on)
}

// tellOfRefusals writes how many refusals of each kind were left out until a
// time.
func (e *Engine) tellOfRefusals(ctx context.Context, until time.Time) {
	for _, c := range e.refusals.over(until) {
		entry := c.entry
		entry.At = e.Clock()
		entry.After = text(map[string]any{"LeftOut": c.leftOut, "Since": c.since})
		e.writeRefusal(ctx, entry)
	}
}

func (e *Engine) writeRefusal(ctx context.Context, entry models.AuditEntry) {
	err := e.tx(ctx, func(t *tx) error {
		own := entry // another attempt begins with it as it was
		return t.record(ctx, &own)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		e.Log.ErrorContext(ctx, "audit a refusal", slog.String("action", entry.Action), slog.Any("error", err))
	}
}
