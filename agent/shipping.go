package agent

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"opsyard/agent/logship"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// tailEvery is how often the output of a running command is looked at.
const tailEvery = 50 * time.Millisecond

// runShipping cuts, sends and forgets the output of all held commands.
func (a *Agent) runShipping(ctx context.Context) error {
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	for {
		var tick <-chan time.Time
		if a.shipAll(ctx) {
			tick = ticker.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.ship:
		case <-tick:
		}
	}
}

// shipAll tells whether there may be more without a nudge.
func (a *Agent) shipAll(ctx context.Context) (more bool) {
	a.mu.Lock()
	tracks, l := slices.Clone(a.tracks), a.link
	a.mu.Unlock()
	for _, t := range tracks {
		unfinished, err := a.shipOne(t, l)
		if err != nil {
			a.log.ErrorContext(ctx, "ship log", slog.String("command_id", t.id()), slog.Any("error", err))
		}
		more = more || unfinished || err != nil
	}
	return more
}

func (a *Agent) shipOne(t *track, l *session.Link) (more bool, err error) {
	a.mu.Lock()
	current, ended, acked, again := t.current, t.ended, t.acked, t.again
	done := protocol.Done{CommandID: t.id(), Outcome: t.result.Outcome, ExitCode: t.result.ExitCode, Message: t.result.Message, At: t.result.At}
	stored := int64(0)
	if t.link == l {
		stored = t.stored
	}
	t.again = false
	a.mu.Unlock()
	if !current && !ended {
		return false, nil // it waits its turn
	}
	if err := t.cut(ended, done, a.cfg.Now); err != nil {
		return false, err
	}
	if l != nil {
		if err := t.send(l, stored, again); err != nil {
			return false, err
		}
	}
	a.mu.Lock()
	t.unstored = t.sender.Unstored()
	a.mu.Unlock()
	if acked && t.done != nil && t.sender.Complete() {
		return false, a.forget(t)
	}
	return t.done == nil, nil
}

// cut makes chunks of new output and, at the end, the Done.
func (t *track) cut(ended bool, done protocol.Done, now func() time.Time) error {
	if t.log == nil {
		log, err := logship.Open(t.cmd.Dir, now)
		if err != nil {
			return err
		}
		t.log, t.sender = log, logship.NewSender(log)
	}
	if t.done != nil {
		return nil
	}
	if err := t.log.Cut(ended); err != nil || !ended {
		return err
	}
	t.done = &done
	return nil
}

// send passes on what the session has not had yet. A failed write is not an
// error here: the session ends and the next one resumes.
func (t *track) send(l *session.Link, stored int64, again bool) error {
	if t.on != l {
		t.on, t.said = l, false
		t.sender.Resume(l.Stored[t.id()])
	}
	t.sender.Stored(stored)
	for {
		chunk, ok, err := t.sender.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		chunk.CommandID = t.id()
		if l.Send(chunk) != nil {
			return nil
		}
	}
	if t.done != nil && (again || !t.said) {
		t.done.LastSeq = t.log.Last()
		t.said = l.Send(*t.done) == nil
	}
	return nil
}

// forget lets go of a command that the server knows all about.
func (a *Agent) forget(t *track) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.spool.Confirm(t.cmd, *t.done); err != nil && a.spool.Find(t.id()) != nil {
		return err
	}
	a.tracks = slices.DeleteFunc(a.tracks, func(other *track) bool { return other == t })
	t.close()
	return nil
}
