// Opsyard models an application as stacks of layers of instances that run
// apps, and keeps it that way. This is the program: "opsyard serve" is the
// server, the other commands help to run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"opsyard/agent/agentcmd"
	"opsyard/engine/compute/local"
	"opsyard/models"
)

// version is set by the build.
var version = "0.1.0-dev"

// cli is the command line; each command is in a cmd_ file of its own.
type cli struct {
	Serve   serveCmd    `cmd:"" help:"Run the server."`
	Demo    demoCmd     `cmd:"" help:"Run the server with the sample stack and temporary data."`
	User    userCmd     `cmd:"" help:"Make and list users, set passwords and permissions."`
	Key     keyCmd      `cmd:"" help:"Make access keys for AWS clients."`
	Token   tokenCmd    `cmd:"" help:"Make tokens with which hosts enrol."`
	Audit   auditCmd    `cmd:"" help:"Prove and print the record of who did what."`
	Doctor  doctorCmd   `cmd:"" help:"Tell what this host offers and what is missing."`
	Backup  backupCmd   `cmd:"" help:"Copy the data of a running server to a file."`
	Restore restoreCmd  `cmd:"" help:"Make a data directory from a backup."`
	AWS     awsModelCmd `cmd:"" name:"aws-model" help:"Print or install the description of the AWS API for clients that lack it."`
	Agent   agentCmd    `cmd:"" help:"Run the agent on an instance, or one of its helpers."`
	Version versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	local.MaybeChild() // a machine's first process is this program too
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		os.Exit(agentcmd.Main(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:]))
}

// run is main without the process: it returns the exit code.
func run(args []string) int {
	var c cli
	parser, err := newParser(&c)
	if err != nil {
		return fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "opsyard: %s. Try: opsyard %s--help\n", strings.TrimRight(err.Error(), "?."), helpFor(err))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C does not wait; make passes on a TERM that its whole group
	// has had already, so what comes at once is the same wish.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		return fail(err)
	}
	return 0
}

func newParser(c *cli) (*kong.Kong, error) {
	return kong.New(c, kong.Name("opsyard"), kong.DefaultEnvars("OPSYARD"),
		kong.Description("The self-hosted successor to AWS OpsWorks: stacks of layers of instances that run apps."))
}

// helpFor is the command whose help answers a wrong command line, with a space
// behind it; empty for the whole program's.
func helpFor(err error) string {
	var wrong *kong.ParseError
	if !errors.As(err, &wrong) || wrong.Context == nil {
		return ""
	}
	var words strings.Builder
	for _, part := range wrong.Context.Path {
		if part.Command != nil {
			words.WriteString(part.Command.Name + " ")
		}
	}
	return words.String()
}

// oneLine joins the lines of an error that has several.
var oneLine = strings.NewReplacer(":\n\t", ": ", "\n\t", ", ", "\n", "; ")

// fail prints one sentence. What people cannot use is not in it, unless there
// is nothing else to say.
func fail(err error) int {
	text := err.Error()
	var refusal *models.Error
	if errors.As(err, &refusal) {
		text = refusal.Message
	}
	fmt.Fprintln(os.Stderr, "opsyard:", oneLine.Replace(text))
	return 1
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("opsyard", version)
	return nil
}

// agentCmd is here for --help; main hands its arguments to the agent itself.
type agentCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run never runs.
func (agentCmd) Run() error { return nil }
