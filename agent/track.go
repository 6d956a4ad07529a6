package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"opsyard/agent/logship"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
	"opsyard/agent/spool"
	"opsyard/agent/supervise"
)

// track follows a held command. The agent's mutex guards the upper fields; the
// shipping loop alone touches the lower ones.
type track struct {
	cmd      *spool.Command
	current  bool                    // the commands loop has taken it
	abort    context.CancelCauseFunc // ends its preparation
	ended    bool                    // nothing of it runs any more; result tells how it went
	result   spool.Result
	acked    bool          // the server has stored its Done
	again    bool          // say Done again
	stored   int64         // the server has stored the log up to here…
	link     *session.Link // …in this session
	gap      bool          // the server misses a chunk
	unstored int64         // bytes the server has not

	log    *logship.Log
	sender *logship.Sender
	on     *session.Link  // the session that sender is in
	done   *protocol.Done // when the log is cut to its end
	said   bool           // done was sent in this session
	// rewound is when the log was last sent again because of a gap.
	rewound time.Time
}

func newTrack(c *spool.Command) *track { return &track{cmd: c} }

func (t *track) id() string { return t.cmd.Run.CommandID }

func (t *track) close() {
	if t.log != nil {
		_ = t.log.Close() // every chunk was written when it was made
		t.log = nil
	}
}

func (a *Agent) find(id string) *track {
	i := slices.IndexFunc(a.tracks, func(t *track) bool { return t.id() == id })
	if i < 0 {
		return nil
	}
	return a.tracks[i]
}

// accept takes a command, once; a repeat gets the answer it got before.
func (a *Agent) accept(ctx context.Context, run protocol.Run) (answer any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if done, ok := a.known(run.CommandID); ok {
		return done
	}
	if t := a.find(run.CommandID); t != nil {
		t.again = true
		nudge(a.ship)
		return protocol.Accepted{CommandID: t.id(), At: t.cmd.AcceptedAt}
	}
	cmd, err := a.spool.Accept(run, a.cfg.Now())
	if err != nil {
		a.log.ErrorContext(ctx, "accept command", slog.String("command_id", run.CommandID), slog.Any("error", err))
		// It is not on our disk, so it is not accepted; but it must not hang either.
		return a.refuse(protocol.Done{CommandID: run.CommandID, Outcome: protocol.Failed, ExitCode: 1, Message: a.acceptSentence(err)})
	}
	a.log.InfoContext(ctx, "accepted command", slog.String("command_id", run.CommandID), slog.String("type", run.Type))
	a.tracks = append(a.tracks, newTrack(cmd))
	nudge(a.work)
	return protocol.Accepted{CommandID: run.CommandID, At: cmd.AcceptedAt}
}

// known returns the end of a command that the agent no longer holds.
func (a *Agent) known(id string) (protocol.Done, bool) {
	if done, ok := a.refused[id]; ok {
		return done, true
	}
	return a.spool.Finished(id)
}

// refuse keeps a Done without files in memory until the server has stored it.
func (a *Agent) refuse(done protocol.Done) protocol.Done {
	done.At = a.cfg.Now()
	a.refused[done.CommandID] = done
	return done
}

func (a *Agent) acceptSentence(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Sprintf("The agent could not keep the command: no space left on device in %s.", a.cfg.DataDir)
	}
	return fmt.Sprintf("The agent could not keep the command: %v.", err)
}

// cancel ends a command that runs, and one that waits before it begins.
func (a *Agent) cancel(ctx context.Context, m protocol.Cancel) (answer any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if done, ok := a.known(m.CommandID); ok {
		return done
	}
	t := a.find(m.CommandID)
	if t == nil { // never seen: it must not run if it comes now
		return a.refuse(protocol.Done{CommandID: m.CommandID, Outcome: protocol.Canceled, Message: m.Reason})
	}
	if t.ended {
		t.again = true
		nudge(a.ship)
		return nil
	}
	a.log.InfoContext(ctx, "cancel command", slog.String("command_id", m.CommandID), slog.String("reason", m.Reason))
	if err := t.cmd.SetCancel(m.Reason); err != nil {
		a.log.ErrorContext(ctx, "cancel command", slog.String("command_id", m.CommandID), slog.Any("error", err))
	}
	switch p, started := t.cmd.Process(); {
	case started && p.BootID == a.bootID && p.Alive():
		_ = syscall.Kill(p.PID, supervise.CancelSignal)
	case t.abort != nil:
		t.abort(errCanceled)
	case !t.current:
		a.end(ctx, t, a.canceledResult(t))
	}
	return nil
}

func (a *Agent) canceledResult(t *track) spool.Result {
	reason, _ := t.cmd.CancelReason()
	if reason == "" {
		reason = "The command was canceled."
	}
	return spool.Result{Outcome: protocol.Canceled, Message: reason, At: a.cfg.Now()}
}

// end lets a command be done. The caller holds the mutex.
func (a *Agent) end(ctx context.Context, t *track, r spool.Result) {
	if _, noted := t.cmd.Result(); !noted {
		if err := t.cmd.SetResult(r); err != nil {
			a.log.ErrorContext(ctx, "note result", slog.String("command_id", t.id()), slog.Any("error", err))
		}
	}
	t.ended, t.result = true, r
	nudge(a.ship)
}

func (a *Agent) logStored(l *session.Link, m protocol.LogStored) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.find(m.CommandID); t != nil {
		if t.link != l {
			t.link, t.stored = l, 0
		}
		// What is confirmed without progress lies before a gap.
		t.gap = m.Seq <= t.stored
		t.stored = max(t.stored, m.Seq)
		nudge(a.ship)
	}
}

func (a *Agent) doneStored(m protocol.DoneStored) {
	a.mu.Lock()
	delete(a.refused, m.CommandID)
	if t := a.find(m.CommandID); t != nil && t.ended {
		t.acked = true
		nudge(a.ship)
	}
	a.mu.Unlock()
	if !m.Reboot {
		return
	}
	a.log.Info("reboot the host, as a command has asked", slog.String("command_id", m.CommandID))
	if err := a.cfg.Reboot(); err != nil {
		a.log.Error("reboot the host", slog.Any("error", err))
	}
}
