package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"opsyard/engine/compute"
	"opsyard/engine/compute/local"
	"opsyard/engine/compute/process"
	"opsyard/engine/compute/sim"
)

// makeProviders opens the compute providers that work on this host and names
// the one that new stacks get. With --provider auto that is local where it
// works, else process; the log says which and why.
func (f *serveFlags) makeProviders(ctx context.Context, log *slog.Logger) (map[string]compute.Provider, string, error) {
	all := map[string]compute.Provider{}
	closeAll := func() {
		for _, p := range all {
			_ = p.Close() // the error that brought us here is the one to tell
		}
	}
	machines, whyNot := f.localProvider(ctx, log)
	if machines != nil {
		all["local"] = machines
	}
	var err error
	if all["process"], err = process.New(process.Config{Dir: filepath.Join(f.Data, "process"), AgentCommand: f.agentCommand(), Ephemeral: f.Ephemeral, Log: log}); err != nil {
		delete(all, "process")
		closeAll()
		return nil, "", err
	}
	if all["sim"], err = sim.New(sim.Config{Dir: filepath.Join(f.Data, "sim"), Log: log}); err != nil {
		delete(all, "sim")
		closeAll()
		return nil, "", err
	}
	name := f.Provider
	switch {
	case name == "auto" && machines != nil:
		name = "local"
	case name == "auto":
		name = "process"
		log.WarnContext(ctx, "instances will be bare processes on this host, without isolation, addresses or services of their own", slog.String("because", whyNot))
	case name == "local" && machines == nil:
		closeAll()
		return nil, "", fmt.Errorf("--provider local does not work here: %s (opsyard doctor tells more)", whyNot)
	case all[name] == nil:
		closeAll()
		return nil, "", fmt.Errorf("there is no provider %q: choose auto, local, process or sim", name)
	}
	return all, name, nil
}

// localProvider opens the provider of namespace machines, or says why it
// cannot work here.
func (f *serveFlags) localProvider(ctx context.Context, log *slog.Logger) (compute.Provider, string) {
	p, err := local.New(local.Config{
		Dir: filepath.Join(f.Data, "local"), AgentCommand: f.agentCommand(), Image: f.Image, Ephemeral: f.Ephemeral, Log: log,
	})
	if err != nil {
		return nil, err.Error()
	}
	var missing []string
	for _, finding := range p.Check(ctx) {
		if finding.Needed && !finding.OK {
			missing = append(missing, finding.Name+": "+finding.Detail)
		}
	}
	if len(missing) > 0 {
		if err := p.Close(); err != nil && !errors.Is(err, context.Canceled) {
			missing = append(missing, err.Error())
		}
		return nil, strings.Join(missing, "; ")
	}
	return p, ""
}

// agentCommand starts the agent on instances of this host: the small program
// beside this one, or this one itself.
func (f *serveFlags) agentCommand() []string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	agent := filepath.Join(filepath.Dir(self), "opsyard-agent")
	if info, err := os.Stat(agent); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return []string{agent}
	}
	return []string{self, "agent"}
}
