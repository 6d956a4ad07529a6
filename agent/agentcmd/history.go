package agentcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"opsyard/agent/spool"
)

// people are the commands for those who log in to an instance (OpsWorks:
// opsworks-agent-cli); its own spellings work as well.
type people struct {
	ListCommands   listCommandsCmd   `cmd:"" aliases:"list_commands" help:"List the commands that this host ran, the newest first."`
	ShowLog        showLogCmd        `cmd:"" aliases:"show_log" help:"Print the log of a command."`
	GetJSON        getJSONCmd        `cmd:"" name:"get-json" aliases:"get_json" help:"Print the attributes that a command's recipes were given."`
	RunCommand     runCommandCmd     `cmd:"" aliases:"run_command" help:"Run a command again, on this host alone and without the server."`
	InstanceReport instanceReportCmd `cmd:"" aliases:"instance_report,agent_report" help:"Tell about this instance and its agent."`
	StackState     stackStateCmd     `cmd:"" aliases:"stack_state" help:"Print what the last command knew of the stack."`
}

const installedConfig = "/etc/opsyard/agent.json"

// place says where the agent keeps its things.
type place struct {
	Data   string `help:"Data directory of the agent; without it the one that its configuration names." placeholder:"DIR" env:"OPSYARD_DATA"`
	Config string `help:"Configuration of the agent." placeholder:"FILE" env:"OPSYARD_CONFIG" default:"/etc/opsyard/agent.json"`
}

// read is the agent's configuration with the data directory, which exists.
func (p place) read() (config, error) {
	file := config{}
	raw, err := os.ReadFile(p.Config)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &file); err != nil {
			return file, fmt.Errorf("read the configuration %s: %w", p.Config, err)
		}
	case p.Data == "" && (!errors.Is(err, fs.ErrNotExist) || p.Config != installedConfig):
		return file, forbidden(err)
	}
	if p.Data != "" {
		file.Data = p.Data
	}
	if file.Data == "" {
		file.Data = defaultData
	}
	_, err = os.ReadDir(file.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return file, fmt.Errorf("there is no agent's data in %s: say with --data DIR where it is", file.Data)
	}
	return file, forbidden(err)
}

// forbidden says what to do where only root may look.
func forbidden(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("only root may see what the agent keeps, try it with sudo: %w", err)
	}
	return err
}

// when is a time as OpsWorks' agent wrote it.
func when(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

// selection picks among the kept commands. Each word is a type, a date or its
// beginning, an id or its beginning.
type selection struct {
	place
	Which []string `arg:"" optional:"" help:"Which: by type (deploy), date (2026-03-01 or 2026-03-01T12:00:00) or id, of all that fit the newest."`
}

func (s selection) kept() (data string, fitting []*spool.Command, err error) {
	file, err := s.read()
	if err != nil {
		return "", nil, err
	}
	all, err := spool.Kept(file.Data)
	if err != nil {
		return "", nil, forbidden(err)
	}
	return file.Data, slices.DeleteFunc(all, func(c *spool.Command) bool { return !s.fits(c) }), nil
}

func (s selection) fits(c *spool.Command) bool {
	for _, word := range s.Which {
		if c.Run.Type != strings.ReplaceAll(word, "-", "_") && !strings.HasPrefix(c.Run.CommandID, word) && !strings.HasPrefix(when(c.AcceptedAt), word) {
			return false
		}
	}
	return true
}

// newest is the one that is meant.
func (s selection) newest() (data string, c *spool.Command, err error) {
	data, fitting, err := s.kept()
	if err != nil {
		return "", nil, err
	}
	if len(fitting) > 0 {
		return data, fitting[0], nil
	}
	if len(s.Which) == 0 {
		return "", nil, errors.New("this host has not run a command yet")
	}
	return "", nil, fmt.Errorf("no command kept here fits %q: the files of the last %d are kept, see opsyard-agent list-commands",
		strings.Join(s.Which, " "), spool.KeepCommands)
}

type listCommandsCmd struct{ selection }

// Run prints the table.
func (c *listCommandsCmd) Run(stdout io.Writer) error {
	_, fitting, err := c.kept()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "DATE\tTYPE\tSTATUS\tID")
	for _, c := range fitting {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", when(c.AcceptedAt), c.Run.Type, c.Status(), c.Run.CommandID)
	}
	return w.Flush()
}

type showLogCmd struct {
	selection
	Follow bool `short:"f" help:"Go on until the command has ended."`
}

// Run prints the log.
func (c *showLogCmd) Run(stdout io.Writer) error {
	_, command, err := c.newest()
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(stop)
	over := func() bool {
		status := command.Status()
		return !c.Follow || status != "running" && status != "pending"
	}
	return forbidden(printLog(command, stdout, over, stop))
}

// logEvery is how often a growing log is looked at.
const logEvery = 100 * time.Millisecond

// printLog prints the command's log until it is over or something stops it. A
// log that ends in the middle of a line gets a line's end.
func printLog(c *spool.Command, stdout io.Writer, over func() bool, stop <-chan os.Signal) error {
	f, err := os.Open(filepath.Join(c.Dir, "output.log"))
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	defer f.Close()
	out := &lineEnd{w: stdout}
	ticker := time.NewTicker(logEvery)
	defer ticker.Stop()
	for {
		last := over() // asked first: what was written before the end is read after
		if _, err := io.Copy(out, f); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if last {
			return out.close()
		}
		select {
		case <-ticker.C:
		case <-stop:
			return out.close()
		}
	}
}

// lineEnd remembers whether the last line is whole.
type lineEnd struct {
	w    io.Writer
	open bool
}

func (l *lineEnd) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.open = p[len(p)-1] != '\n'
	}
	return l.w.Write(p)
}

func (l *lineEnd) close() error {
	if !l.open {
		return nil
	}
	_, err := io.WriteString(l.w, "\n")
	return err
}
