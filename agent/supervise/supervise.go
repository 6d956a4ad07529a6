// Package supervise runs one command to its end in a process of its own, which
// neither the agent's death nor its update touches. It talks to nobody: what
// it is asked and what it has to say are files of the spool.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"opsyard/agent/facts"
	"opsyard/agent/logship"
	"opsyard/agent/proc"
	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/redact"
	"opsyard/agent/spool"
)

// CancelSignal asks the supervisor to cancel; the reason is in the spool.
// Other signals mean that somebody else wants it to end.
const CancelSignal = syscall.SIGUSR1

// Config is what a supervisor needs beside the command.
type Config struct {
	// Runners are the configuration managers this agent knows, by name.
	Runners map[string]recipe.Runner
	// AgentPath is the agent program for the recipes' helpers.
	AgentPath string
	Version   string // of the agent
	Now       func() time.Time
}

// Why a run is cut; each is a sentence for people.
type cutShort struct {
	outcome protocol.Outcome
	message string
}

func (c *cutShort) Error() string { return c.message }

// Run executes the command in dir, DATA/commands/ID, and returns when its
// result is durable. A command that has ever been started is not run again.
func Run(dir string, cfg Config) error {
	c, err := spool.OpenCommand(dir)
	if err != nil {
		return err
	}
	unlock, err := c.Lock()
	if err != nil {
		return nil // another supervisor is at it
	}
	defer unlock()
	if _, started := c.Process(); started {
		return nil
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, CancelSignal, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGHUP)
	id, err := proc.Identify(os.Getpid())
	if err != nil {
		return err
	}
	if err := c.SetProcess(spool.Process{ID: id, BootID: facts.BootID(), Started: cfg.Now()}); err != nil {
		return err
	}
	result := execute(c, cfg, signals)
	if c.Local() {
		c.ForgetSecrets()
	}
	return keepTrying(func() error { return c.SetResult(result) })
}

// keepTrying bears with a disk that refuses for a while even the page that was
// reserved for the result, as copy-on-write ones can.
func keepTrying(do func() error) error {
	var err error
	for range 60 {
		if err = do(); err == nil {
			return nil
		}
		time.Sleep(time.Second)
	}
	return err
}

func execute(c *spool.Command, cfg Config, signals <-chan os.Signal) spool.Result {
	ctx, cut := context.WithCancelCause(context.Background())
	defer cut(nil)
	if c.Run.TimeoutSeconds > 0 {
		limit := time.Duration(c.Run.TimeoutSeconds) * time.Second
		timer := time.AfterFunc(limit, func() {
			cut(&cutShort{protocol.Expired, fmt.Sprintf("The command was ended because it took longer than %s.", limit)})
		})
		defer timer.Stop()
	}
	go watchSignals(ctx, c, signals, cut)
	hider := redact.NewHider(append(append(redact.Values(c.Run), hostSecrets(c.Run)...), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")))
	rec, err := logship.NewRecorder(c.Dir, cfg.Now)
	if err != nil {
		return resultOf(&cutShort{protocol.Failed, diskSentence(c.Dir, err)}, hider, cfg.Now())
	}
	out := newReporter(rec, hider, func(err error) {
		cut(&cutShort{protocol.Failed, diskSentence(c.Dir, err)})
	})
	r := &run{Command: c, Config: cfg, data: filepath.Dir(filepath.Dir(c.Dir)), out: out}
	err = bounded(ctx, r.alone)
	err = errors.Join(err, out.close())
	if cause := context.Cause(ctx); cause != nil {
		proc.KillSession(os.Getpid()) // what left its process group but not the run
		err = cause
	} else if diskErr := rec.Err(); diskErr != nil {
		err = &cutShort{protocol.Failed, diskSentence(c.Dir, diskErr)}
	}
	if err := rec.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return resultOf(err, hider, cfg.Now())
}

// bounded gives up on a runner that does not come back when it should.
func bounded(ctx context.Context, do func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for range 2 {
		select {
		case err := <-done:
			return err
		case <-time.After(protocol.KillDelay + 5*time.Second):
			proc.KillSession(os.Getpid())
		}
	}
	return context.Cause(ctx)
}

func watchSignals(ctx context.Context, c *spool.Command, signals <-chan os.Signal, cut context.CancelCauseFunc) {
	if reason, asked := c.CancelReason(); asked { // before we could hear the signal
		cut(canceled(reason))
		return
	}
	select {
	case <-ctx.Done():
	case s := <-signals:
		if s == CancelSignal {
			reason, _ := c.CancelReason()
			cut(canceled(reason))
			return
		}
		cut(&cutShort{protocol.Failed, "The command was ended from outside, as when the machine shuts down."})
	}
}

func canceled(reason string) error {
	if reason == "" {
		reason = "The command was canceled."
	}
	return &cutShort{protocol.Canceled, reason}
}

func diskSentence(dir string, err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "The command was ended because its output could not be kept: no space left on device in " + dir + "."
	}
	return "The command was ended because its output could not be kept: " + err.Error() + "."
}

func resultOf(err error, hider *redact.Hider, at time.Time) spool.Result {
	if err == nil {
		return spool.Result{Outcome: protocol.Successful, At: at}
	}
	r := spool.Result{Outcome: protocol.Failed, ExitCode: 1, Message: hider.String(err.Error()), At: at}
	if cut, ok := errors.AsType[*cutShort](err); ok {
		r.Outcome, r.Message = cut.outcome, hider.String(cut.message)
	} else if f, ok := errors.AsType[*recipe.Failure](err); ok {
		r.Message = hider.String(f.Error())
		if f.ExitCode != 0 {
			r.ExitCode = f.ExitCode
		}
	}
	return r
}
