package agentcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"opsyard/agent/content"
	"opsyard/agent/proc"
	"opsyard/agent/protocol"
	"opsyard/agent/spool"
	"opsyard/agent/supervise"
)

type runCommandCmd struct {
	selection
	WithoutApps bool `help:"Run it even if the apps that it came with are gone: recipes then find none to deploy."`
	DryRun      bool `help:"Change nothing, only say what would change."`
}

// Run runs a kept command again, as the agent would, and prints its log. The
// server is not told: a log and a status of a command that it did not send
// would be of no deployment.
func (c *runCommandCmd) Run(stdout io.Writer) error {
	data, kept, err := c.newest()
	if err != nil {
		return err
	}
	run, err := c.again(data, kept)
	if err != nil {
		return err
	}
	local, err := spool.AddLocal(data, run, time.Now())
	if err != nil {
		return forbidden(err)
	}
	_, _ = fmt.Fprintf(stdout, "Running %s of %s again as %s. The server does not see this run.\n", run.Type, when(kept.AcceptedAt), local.Run.CommandID)
	if err := superviseLocal(local, stdout); err != nil {
		return err
	}
	result, ok := local.Result()
	switch {
	case !ok:
		return errors.New("the process that ran the command was killed")
	case result.Outcome != protocol.Successful:
		return fmt.Errorf("%s: %s", result.Outcome, result.Message)
	}
	_, _ = fmt.Fprintf(stdout, "%s: successful\n", local.Run.CommandID)
	return nil
}

// again is the run with what is still here of it.
func (c *runCommandCmd) again(data string, kept *spool.Command) (protocol.Run, error) {
	run := kept.Run
	if kept.Cleared && !c.WithoutApps {
		return run, fmt.Errorf("command %s came with apps, which went with their secrets when the server had its result: run it from the console, or with --without-apps", run.CommandID)
	}
	store, err := content.Open(filepath.Join(data, "content"))
	if err != nil {
		return run, forbidden(err)
	}
	for _, digest := range slices.Concat(run.Attributes, run.Cookbooks) {
		if !store.Has(digest) {
			return run, fmt.Errorf("what command %s ran is no longer on this host: run it from the console", run.CommandID)
		}
	}
	run.RefreshCookbooks = false // the credentials for it may be gone
	run.DryRun = run.DryRun || c.DryRun
	return run, nil
}

// superviseLocal runs the command in a process like those of the agent, which
// outlives this one when its terminal goes. INT and TERM cancel it.
func superviseLocal(c *spool.Command, stdout io.Writer) error {
	argv, err := superviseCommand()
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], append(argv[1:], c.Dir)...)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	var gone atomic.Bool
	ended := make(chan struct{})
	go func() { // ends with the process, which is waited for below
		defer close(ended)
		_ = cmd.Wait() // how it ended is in the spool
		gone.Store(true)
	}()
	canceling := make(chan struct{})
	go func() { // ends with the process
		defer close(canceling)
		cancelOnSignal(c, cmd.Process, signals, ended)
	}()
	err = printLog(c, stdout, gone.Load, nil)
	<-ended
	<-canceling
	if _, ok := c.Result(); !ok { // it was killed: what it ran must not go on
		proc.KillSession(cmd.Process.Pid)
		c.ForgetSecrets()
	}
	return err
}

func cancelOnSignal(c *spool.Command, p *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-signals:
			if c.SetCancel("Canceled at the terminal.") == nil {
				_ = p.Signal(supervise.CancelSignal) // one that has just ended needs none
			}
		}
	}
}
