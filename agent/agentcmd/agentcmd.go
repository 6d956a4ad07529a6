// Package agentcmd is the agent's command line, shared by opsyard-agent and
// "opsyard agent": run, supervise, version, the helpers that recipes call, and
// what people ask who log in to an instance.
package agentcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"opsyard/agent"
	"opsyard/agent/accounts"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/ansible"
	"opsyard/agent/recipe/chef"
	"opsyard/agent/recipe/puppet"
	"opsyard/agent/recipe/shell"
	"opsyard/agent/resource"
	"opsyard/agent/supervise"
)

// Version is set by the linker.
var Version = "dev"

// memoryLimit makes the collector work harder before the agent grows beyond
// what a small machine can spare.
const memoryLimit = 20 << 20

type cli struct {
	Run       runCmd       `cmd:"" default:"withargs" help:"Serve this machine: enrol, keep a session with the server, run its commands."`
	Supervise superviseCmd `cmd:"" hidden:"" help:"Run one command of the spool."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	people
}

// Main runs the command line, without the program's name, and returns the exit code.
func Main(args []string) int { return run(args, os.Stdout, os.Stderr) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && resource.IsHelper(args[0]) {
		return resource.Main(context.Background(), args)
	}
	code := -1
	parser, err := kong.New(&cli{},
		kong.Name("opsyard-agent"),
		kong.Description("The Opsyard agent. Recipes also call it as package, service, file, template and so on: see opsyard-agent file --help."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(stdout, (*io.Writer)(nil)))
	if err == nil {
		var call *kong.Context
		call, err = parser.Parse(args)
		if code >= 0 { // --help
			return code
		}
		if err == nil {
			err = call.Run()
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "opsyard-agent: "+err.Error())
		if errors.Is(err, agent.ErrDeregistered) {
			return exitDeregistered
		}
		return 1
	}
	return 0
}

type runCmd struct {
	Server string `help:"The server's address, such as https://opsyard.example.org." placeholder:"URL" env:"OPSYARD_SERVER"`
	Token  string `help:"One-time enrolment token; better given by environment or file than here, where every user of the machine sees it." env:"OPSYARD_TOKEN"`
	Data   string `help:"Data directory." placeholder:"DIR" env:"OPSYARD_DATA"`
	Config string `help:"JSON file with server, token and data; what is given otherwise wins. SIGHUP reads it again." placeholder:"FILE" env:"OPSYARD_CONFIG"`
	Log    string `help:"Least level to log." enum:"debug,info,warn,error" default:"info" env:"OPSYARD_LOG"`
}

// config is the content of the file.
type config struct {
	Server string `json:"server"`
	Token  string `json:"token"`
	Data   string `json:"data"`
	// What the installer knows of the host; see agent.Host.
	Hostname            string `json:"hostname"`
	PrivateIP           string `json:"private_ip"`
	PublicIP            string `json:"public_ip"`
	InfrastructureClass string `json:"infrastructure_class"`
}

const defaultData = "/var/lib/opsyard-agent"

func (c *runCmd) config() (config, error) {
	var file config
	if c.Config != "" {
		raw, err := os.ReadFile(c.Config)
		if err != nil {
			return file, fmt.Errorf("read the configuration: %w", err)
		}
		if err := json.Unmarshal(raw, &file); err != nil {
			return file, fmt.Errorf("read the configuration %s: %w", c.Config, err)
		}
	}
	for from, to := range map[string]*string{c.Server: &file.Server, c.Token: &file.Token, c.Data: &file.Data} {
		if from != "" {
			*to = from
		}
	}
	file.Token = strings.TrimSpace(file.Token)
	if file.Data == "" {
		file.Data = defaultData
	}
	if file.Server == "" {
		return file, errors.New("no server is given: use --server URL or --config FILE")
	}
	return file, nil
}

// shellHome is where shells of a process instance begin, and what they read at
// their start: in the instance's home, not in that of whoever runs the server.
func shellHome() string {
	if os.Getenv("OPSYARD_INSTANCE_DIR") == "" {
		return ""
	}
	return os.Getenv("HOME")
}

// Run serves until TERM or INT.
func (c *runCmd) Run() error {
	file, err := c.config()
	if err != nil {
		return err
	}
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(memoryLimit)
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log)); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	command, err := superviseCommand()
	if err != nil {
		return err
	}
	a, err := agent.New(agent.Config{
		Server: file.Server, Token: file.Token, DataDir: file.Data,
		Version: Version, Supervise: command, Log: log, Accounts: accounts.Machine(),
		ShellHome: shellHome(),
		Host:      agent.Host{Hostname: file.Hostname, PrivateIP: file.PrivateIP, PublicIP: file.PublicIP, InfrastructureClass: file.InfrastructureClass},
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go c.reload(ctx, a, log)
	err = a.Run(ctx)
	if errors.Is(err, agent.ErrDeregistered) {
		installed.remove(log)
	}
	return err
}

// reload lets the agent dial at once on HUP, with the token that the file has now.
func (c *runCmd) reload(ctx context.Context, a *agent.Agent, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		file, err := c.config()
		if err != nil {
			log.ErrorContext(ctx, "reload", slog.Any("error", err))
		}
		a.Retry(file.Token)
	}
}

// superviseCommand is this program as it was called: "opsyard agent" must
// come back as "opsyard agent supervise".
func superviseCommand() ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		return []string{program, "agent", "supervise"}, nil
	}
	return []string{program, "supervise"}, nil
}

type superviseCmd struct {
	Dir string `arg:"" help:"The command's directory in the spool."`
}

// Run executes one command.
func (c *superviseCmd) Run() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	runners := map[string]recipe.Runner{}
	for _, r := range []recipe.Runner{shell.New(), chef.New(), puppet.New(), ansible.New()} {
		runners[r.Name()] = r
	}
	return supervise.Run(c.Dir, supervise.Config{Runners: runners, AgentPath: program, Version: Version, Now: time.Now})
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, Version)
	return err
}
