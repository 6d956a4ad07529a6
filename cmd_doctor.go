package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"

	"opsyard/engine/compute"
	"opsyard/engine/compute/local"
	"opsyard/engine/compute/process"
)

type doctorCmd struct {
	dataFlags
	Image string `help:"Root file system of local machines, as for serve." default:"auto"`
}

// Run prints what works here; it fails when the server could not run at all.
func (c *doctorCmd) Run(ctx context.Context) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tCHECK\t\tFOUND")
	absent := c.absent()
	bad := c.server(table)
	flags := serveFlags{dataFlags: c.dataFlags, Image: c.Image}
	quiet := slog.New(slog.DiscardHandler)
	provider := "process"
	machines, err := local.New(local.Config{Dir: filepath.Join(c.Data, "local"), AgentCommand: flags.agentCommand(), Image: c.Image, Log: quiet})
	if err != nil {
		line(table, "local", compute.Finding{Name: "provider", Detail: err.Error()})
	} else if findings(ctx, table, machines) {
		provider = "local"
	}
	bare, err := process.New(process.Config{Dir: filepath.Join(c.Data, "process"), AgentCommand: flags.agentCommand(), Log: quiet})
	if err != nil {
		line(table, "process", compute.Finding{Name: "provider", Detail: err.Error()})
	} else {
		findings(ctx, table, bare)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if absent != "" {
		_ = os.RemoveAll(absent) // a look leaves nothing behind
	}
	if bad {
		return errors.New("the server cannot run here: see the lines marked NO")
	}
	fmt.Printf("\nWith --provider auto the machines of new stacks are made by: %s\n", provider)
	return nil
}

// absent is the topmost directory that looking at --data has to make; empty
// when all are there.
func (c *doctorCmd) absent() string {
	made := ""
	for dir := c.Data; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return made
		}
		made = dir
	}
}

// server checks what every server needs.
func (c *doctorCmd) server(table *tabwriter.Writer) (bad bool) {
	data := compute.Finding{Name: "data directory", OK: true, Needed: true, Detail: c.Data}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		data.OK, data.Detail = false, err.Error()
	} else if probe, err := os.CreateTemp(c.Data, ".doctor-*"); err != nil {
		data.OK, data.Detail = false, err.Error()
	} else {
		_ = probe.Close()
		_ = os.Remove(probe.Name())
	}
	line(table, "server", data)
	git := compute.Finding{Name: "git", OK: true}
	if path, err := exec.LookPath("git"); err != nil {
		git.OK, git.Detail = false, "not installed; only the demo needs it on this host"
	} else {
		git.Detail = path
	}
	line(table, "server", git)
	return !data.OK
}

// findings prints a provider's and tells whether it works.
func findings(ctx context.Context, table *tabwriter.Writer, p compute.Provider) bool {
	works := true
	for _, f := range p.Check(ctx) {
		line(table, p.Name(), f)
		works = works && (f.OK || !f.Needed)
	}
	_ = p.Close() // it has started nothing
	return works
}

func line(table *tabwriter.Writer, part string, f compute.Finding) {
	mark := "ok"
	switch {
	case !f.OK && f.Needed:
		mark = "NO"
	case !f.OK:
		mark = "no"
	}
	fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", part, f.Name, mark, f.Detail)
}
