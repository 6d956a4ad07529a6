package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opsyard/agent/protocol"
)

// keepLocal is how many runs are kept that somebody on the host started.
const keepLocal = 5

// Kept are the commands whose files are still in the agent's data directory,
// those that somebody on the host ran again among them, the newest first. It
// only reads, so it may be called while an agent works.
func Kept(data string) ([]*Command, error) {
	var all []*Command
	for _, dir := range []string{"commands", "local"} {
		entries, err := os.ReadDir(filepath.Join(data, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the commands: %w", err)
		}
		for _, e := range entries {
			c, err := OpenCommand(filepath.Join(data, dir, e.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				continue // just being accepted or removed
			}
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *Command) int {
		return cmp.Or(b.AcceptedAt.Compare(a.AcceptedAt), cmp.Compare(b.Order, a.Order))
	})
	return all, nil
}

// Local tells whether somebody on the host started the run: no server knows of it.
func (c *Command) Local() bool { return filepath.Base(filepath.Dir(c.Dir)) == "local" }

// Status is how far the command is, in one word: pending, running, its outcome,
// or interrupted if its process is gone and the agent has not yet said why.
func (c *Command) Status() string {
	if r, ok := c.Result(); ok {
		return string(r.Outcome)
	}
	p, started := c.Process()
	switch {
	case !started:
		return "pending"
	case p.Alive():
		return "running"
	}
	return "interrupted"
}

// AddLocal keeps a run that somebody on the host starts, and the last few of
// them. Its id is made from the time.
func AddLocal(data string, run protocol.Run, at time.Time) (*Command, error) {
	root := filepath.Join(data, "local")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("keep the run: %w", err)
	}
	if err := pruneLocal(root); err != nil {
		return nil, fmt.Errorf("remove old runs: %w", err)
	}
	id := "local-" + strings.ReplaceAll(at.UTC().Format("20060102T150405.000"), ".", "-")
	run.CommandID = id
	c := &Command{Dir: filepath.Join(root, id), AcceptedAt: at, Run: run}
	err := os.Mkdir(c.Dir, 0o700)
	if err == nil {
		err = c.save()
	}
	if err != nil {
		return nil, fmt.Errorf("keep the run: %w", err)
	}
	return c, nil
}

// pruneLocal makes room for one more; a name is a time, so they are in order.
func pruneLocal(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries[:max(0, len(entries)-keepLocal+1)] {
		dir := filepath.Join(root, e.Name())
		if c, err := OpenCommand(dir); err == nil && c.Status() == "running" {
			continue
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// ForgetSecrets removes what came with an ended command and may be secret.
func (c *Command) ForgetSecrets() {
	c.Cleared = c.Cleared || len(c.Run.Apps) > 0
	c.Run = withoutSecrets(c.Run)
	if err := c.saveEnvelope(); err != nil {
		os.RemoveAll(c.Dir) // rather no history than secrets left lying about
	}
}

// withoutSecrets is what stays of a run when the server has its result: what
// is not known to be harmless goes.
func withoutSecrets(run protocol.Run) protocol.Run {
	return protocol.Run{
		CommandID: run.CommandID, DeploymentID: run.DeploymentID, Type: run.Type, TimeoutSeconds: run.TimeoutSeconds,
		Manager: run.Manager, RunList: run.RunList, Args: run.Args, DryRun: run.DryRun,
		Attributes: run.Attributes, Cookbooks: run.Cookbooks, RefreshCookbooks: run.RefreshCookbooks,
	}
}
