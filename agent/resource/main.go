// Package resource holds the helpers that shell recipes call: subcommands of
// the agent that bring one thing on the host (a package, a file, a service)
// into a wanted state. Each says whether it changed something, changes nothing
// when called again, and in a dry run only says what it would do.
package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"opsyard/agent/recipe/steps"
)

// cli lists the helpers.
type cli struct {
	Package   packageCmd   `cmd:"" help:"Install, update or remove packages (apt, dnf, yum)."`
	Service   serviceCmd   `cmd:"" help:"Enable, start, stop, restart or reload a service."`
	Template  templateCmd  `cmd:"" help:"Write a file from a template filled with the attributes."`
	File      fileCmd      `cmd:"" help:"Write a file, or remove it."`
	Directory directoryCmd `cmd:"" help:"Make a directory, or remove it."`
	Link      linkCmd      `cmd:"" help:"Make a symbolic link, or remove it."`
	Line      lineCmd      `cmd:"" help:"Make sure that a line is in a file, or is not."`
	User      userCmd      `cmd:"" help:"Make a user, or remove one."`
	Group     groupCmd     `cmd:"" help:"Make a group, or remove one."`
	Git       gitCmd       `cmd:"" help:"Put the files of a Git repository into a directory."`
	Archive   archiveCmd   `cmd:"" help:"Unpack a tar or zip file, local or over HTTP, into a directory."`
	Exec      execCmd      `cmd:"" help:"Run a command, if it is needed."`
	Attr      attrCmd      `cmd:"" help:"Print an attribute."`
	App       appCmd       `cmd:"" help:"Tell about the apps of this command."`
	Reboot    rebootCmd    `cmd:"" help:"Ask for a reboot of the host when the command has ended successfully."`
	Release   releaseCmd   `cmd:"" help:"Deploy an app: releases, shared directories, current release."`
}

// helpers are the names of the subcommands above.
var helpers = []string{
	"package", "service", "template", "file", "directory", "link", "line", "user",
	"group", "git", "archive", "exec", "attr", "app", "reboot", "release",
}

// IsHelper tells whether name, the agent's first argument, is a helper.
func IsHelper(name string) bool { return slices.Contains(helpers, name) }

// reporter is a helper that is a step of the run; the others only tell things.
type reporter interface{ step() string }

// exitError ends a helper with a code of its own, after it has said why.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// Main runs one helper with the arguments after the program's name and returns
// the exit code: 0 done, 1 failed, 2 called in a wrong way.
func Main(ctx context.Context, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return (&program{host: newHost(), out: os.Stdout, errs: os.Stderr}).run(ctx, args)
}

type program struct {
	host *host
	out  io.Writer
	errs io.Writer
}

func (p *program) run(ctx context.Context, args []string) int {
	p.host.out, p.host.errs = p.out, p.errs
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("opsyard-agent"), kong.UsageOnError(),
		kong.Description("Helpers for shell recipes. Each brings one thing into the wanted state and says whether it changed it."),
		kong.Writers(p.out, p.errs), kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // the structs above are wrong
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		_, _ = fmt.Fprintf(p.errs, "opsyard-agent: %v\nTry: opsyard-agent %s --help\n", err, strings.Join(args[:min(1, len(args))], " "))
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return p.finish(p.apply(parsed))
}

// apply runs the helper inside its step.
func (p *program) apply(parsed *kong.Context) error {
	command := parsed.Selected().Target.Addr().Interface()
	named, ok := command.(reporter)
	if !ok {
		return parsed.Run(p.host)
	}
	p.host.name = named.step()
	step, err := steps.Begin(p.host.name)
	if err != nil {
		return err
	}
	p.host.env = step.Environ()
	err = parsed.Run(p.host)
	result := steps.Result{Changed: p.host.changed, Unchanged: p.host.unchanged, Skipped: p.host.skipped}
	if err != nil {
		result.Error = fmt.Sprintf("%s: %v", p.host.name, err)
	}
	return errors.Join(err, step.End(result))
}

func (p *program) finish(err error) int {
	if err == nil {
		return 0
	}
	name := p.host.name
	if name == "" {
		name = "opsyard-agent"
	}
	_, _ = fmt.Fprintf(p.errs, "%s: %v\n", name, err)
	var own *exitError
	if errors.As(err, &own) {
		return own.code
	}
	return 1
}
