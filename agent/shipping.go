package agent

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"opsyard/agent/facts"
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

// shipOne tells whether there may be more without a nudge.
func (a *Agent) shipOne(t *track, l *session.Link) (more bool, err error) {
	a.mu.Lock()
	current, ended, acked, again, gap := t.current, t.ended, t.acked, t.again, t.gap
	result, stored := t.result, int64(0)
	if t.link == l {
		stored = t.stored
	}
	// A gap stays noted until the log may be sent again.
	waits := gap && t.on == l && a.cfg.Now().Sub(t.rewound) < rewindEvery
	t.again, t.gap = false, waits
	a.mu.Unlock()
	if !current && !ended {
		return false, nil // it waits its turn
	}
	if err := t.resume(l, stored, gap && !waits, a.cfg.Now); err != nil {
		return false, err
	}
	if t.on == nil && t.from(a.bootID) {
		return false, nil // see from
	}
	if t.done == nil {
		if err := t.log.Cut(ended); err != nil {
			return false, err
		}
		if ended {
			t.done = &protocol.Done{CommandID: t.id(), Outcome: result.Outcome, ExitCode: result.ExitCode, Message: result.Message, At: result.At, Sources: t.cmd.Sources()}
			if result.Outcome == protocol.Successful {
				t.done.RebootOf = t.cmd.RebootOf()
			}
			if t.cmd.Run.Type == "setup" {
				t.done.Managers = facts.Managers()
			}
		}
	}
	if l != nil {
		if err := t.send(l, again); err != nil {
			return false, err
		}
	}
	a.mu.Lock()
	t.unstored = t.sender.Unstored()
	a.mu.Unlock()
	if acked && t.done != nil && t.sender.Complete() {
		return false, a.forget(t)
	}
	return t.done == nil || waits, nil
}

// from tells whether the command ran in an earlier boot. If the power went,
// the end of its index may be lost while the server has more: nothing must be
// cut anew before the server has said what it has.
func (t *track) from(bootID string) bool {
	p, started := t.cmd.Process()
	return started && p.BootID != bootID
}

// rewindEvery is how often a gap may make the log be sent again.
const rewindEvery = time.Second

// resume opens the log if need be and takes up what the server has of it.
func (t *track) resume(l *session.Link, stored int64, gap bool, now func() time.Time) error {
	if t.log == nil {
		log, err := logship.Open(t.cmd.Dir, now)
		if err != nil {
			return err
		}
		t.log, t.sender = log, logship.NewSender(log)
	}
	switch {
	case l == nil:
	case t.on != l:
		t.on, t.said = l, false
		t.sender.Resume(max(stored, l.Stored[t.id()]))
	case gap:
		t.rewound = now()
		t.sender.Resume(stored)
	default:
		t.sender.Stored(stored)
	}
	return nil
}

// send passes on what the session has not had yet. A failed write is not an
// error here: the session ends and the next one resumes.
func (t *track) send(l *session.Link, again bool) error {
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
