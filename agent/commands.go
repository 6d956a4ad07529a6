package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
	"opsyard/agent/spool"
)

var (
	errCanceled = errors.New("the command was canceled")
	errExpired  = errors.New("the command's time is over")
)

// watchEvery is how often a supervisor is looked at.
const watchEvery = 50 * time.Millisecond

// forceAfter is when the agent itself ends a supervisor that should be gone.
const forceAfter = protocol.KillDelay + 30*time.Second

// runCommands runs one command at a time, in the order they came.
func (a *Agent) runCommands(ctx context.Context) error {
	for {
		t := a.next()
		if t == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-a.work:
			}
			continue
		}
		a.execute(ctx, t)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// next takes the first command that has not ended.
func (a *Agent) next() *track {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = ""
	for _, t := range a.tracks {
		if !t.ended {
			t.current, a.running = true, t.id()
			nudge(a.ship)
			return t
		}
	}
	return nil
}

// execute brings a command to its end, wherever an earlier agent left it. When
// ctx ends it returns without one: the supervisor goes on.
func (a *Agent) execute(ctx context.Context, t *track) {
	log := a.log.With(slog.String("command_id", t.id()))
	result, ok := t.cmd.Result()
	if !ok {
		var err error
		result, err = a.supervised(ctx, t)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.ErrorContext(ctx, "run command", slog.Any("error", err))
			result = spool.Result{Outcome: protocol.Failed, ExitCode: 1, Message: sentence(err), At: a.cfg.Now()}
		}
	}
	log.InfoContext(ctx, "command ended", slog.String("outcome", string(result.Outcome)), slog.String("message", result.Message))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(ctx, t, result)
}

// sentence makes an error fit for people.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// supervised starts the command's supervisor, or finds it, and waits for it.
func (a *Agent) supervised(ctx context.Context, t *track) (spool.Result, error) {
	gone := make(chan struct{})
	p, started := t.cmd.Process()
	if !started {
		if cut, err := a.prepared(ctx, t); err != nil || cut != nil {
			if cut != nil {
				return *cut, nil
			}
			return spool.Result{}, err
		}
		if !a.accountsSettled(ctx) {
			return spool.Result{}, context.Cause(ctx)
		}
		var err error
		if gone, err = a.startSupervisor(t); err != nil {
			return spool.Result{}, fmt.Errorf("start the command: %w", err)
		}
	} else if p.BootID == a.bootID && p.Alive() {
		a.log.InfoContext(ctx, "found the command still running", slog.String("command_id", t.id()), slog.Int("pid", p.PID))
	} else {
		close(gone)
	}
	a.watch(ctx, t, gone, !started)
	if ctx.Err() != nil {
		return spool.Result{}, context.Cause(ctx)
	}
	if result, ok := t.cmd.Result(); ok {
		return result, nil
	}
	return a.unexplained(t), nil
}

// prepared brings the content here and tells whether the command was cut
// meanwhile.
func (a *Agent) prepared(ctx context.Context, t *track) (cut *spool.Result, err error) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	limit := time.Duration(t.cmd.Run.TimeoutSeconds) * time.Second
	if limit > 0 {
		defer time.AfterFunc(limit, func() { abort(errExpired) }).Stop()
	}
	a.mu.Lock()
	t.abort = abort
	_, canceled := t.cmd.CancelReason()
	a.mu.Unlock()
	if canceled {
		abort(errCanceled)
	}
	err = a.fetchContent(ctx, t.cmd.Run)
	a.mu.Lock()
	t.abort = nil
	a.mu.Unlock()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCanceled):
		r := a.canceledResult(t)
		return &r, nil
	case errors.Is(cause, errExpired):
		return &spool.Result{Outcome: protocol.Expired, ExitCode: 1, At: a.cfg.Now(),
			Message: fmt.Sprintf("The command was ended because it took longer than %s: its cookbooks and attributes could not be fetched from the server.", limit)}, nil
	}
	return nil, err
}

// startSupervisor starts a process that outlives this one. The channel is
// closed when it has ended.
func (a *Agent) startSupervisor(t *track) (gone chan struct{}, err error) {
	cmd := exec.Command(a.cfg.Supervise[0], append(slices.Clone(a.cfg.Supervise[1:]), t.cmd.Dir)...)
	cmd.Dir = "/"
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		// The token is no recipe's business; the limits are the agent's own.
		return strings.HasPrefix(kv, "OPSYARD_TOKEN=") || strings.HasPrefix(kv, "GOMEMLIMIT=") || strings.HasPrefix(kv, "GOGC=")
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if f, err := os.OpenFile(complaints(t.cmd.Dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		defer f.Close()
		cmd.Stderr = f // a file, not a pipe: it must not break when we end
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone = make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait() // how it ended is in the spool
	}()
	return gone, nil
}

// complaints is where a supervisor's own errors go.
func complaints(dir string) string { return filepath.Join(dir, "supervisor.err") }

// watch returns when the supervisor is gone or ctx ends. It ends one that does
// not come to an end in its time.
func (a *Agent) watch(ctx context.Context, t *track, gone <-chan struct{}, announce bool) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var cutAt time.Time
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			return
		case <-gone:
			ended = true
		case <-ticker.C:
		}
		p, started := t.cmd.Process()
		if !started {
			continue // it is only just beginning; if it fails to, gone tells
		}
		if announce {
			announce = false
			a.send(protocol.Started{CommandID: t.id(), At: p.Started})
		}
		if !p.Alive() {
			return
		}
		if cutAt = a.overdue(t, p, cutAt); !cutAt.IsZero() && time.Now().After(cutAt) {
			proc.KillSession(p.PID)
		}
	}
}

// overdue is the moment at which the supervisor must be gone, if it is known.
func (a *Agent) overdue(t *track, p spool.Process, known time.Time) time.Time {
	if !known.IsZero() {
		return known
	}
	if _, canceled := t.cmd.CancelReason(); canceled {
		return time.Now().Add(forceAfter)
	}
	limit := time.Duration(t.cmd.Run.TimeoutSeconds) * time.Second
	if limit > 0 && a.cfg.Now().Sub(p.Started) > limit {
		return time.Now().Add(forceAfter)
	}
	return time.Time{}
}

// unexplained is the result of a command whose supervisor left none.
func (a *Agent) unexplained(t *track) spool.Result {
	r := spool.Result{Outcome: protocol.Failed, ExitCode: 1, At: a.cfg.Now()}
	p, started := t.cmd.Process()
	if _, canceled := t.cmd.CancelReason(); canceled {
		return a.canceledResult(t)
	}
	switch {
	case started && p.BootID != a.bootID:
		r.Message = "The machine restarted while the command ran."
	case started:
		proc.KillSession(p.PID) // its recipes must not go on unwatched
		r.Message = "The process that ran the command was killed."
	default:
		r.Message = "The command could not be started: " + lastLine(complaints(t.cmd.Dir)) + "."
	}
	return r
}

func lastLine(file string) string {
	text, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return strings.TrimRight(last, ".")
	}
	return "its process ended at once"
}
