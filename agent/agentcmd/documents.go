package agentcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"

	"opsyard/agent/facts"
	"opsyard/agent/identity"
	"opsyard/agent/redact"
	"opsyard/agent/spool"
)

// filtered stands where a secret stood (OpsWorks).
const filtered = "*****FILTERED*****"

// secretKey is what keys are called whose values are nobody's business.
var secretKey = regexp.MustCompile(`(?i)passw|secret|private_?key|ssh_?key|token|credential`)

// hide replaces what is kept under a secret's name, and all secrets that are known.
func hide(v any, hider *redact.Hider) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if secretKey.MatchString(key) {
				v[key] = hideAll(value)
			} else {
				v[key] = hide(value, hider)
			}
		}
	case []any:
		for i, value := range v {
			v[i] = hide(value, hider)
		}
	case string:
		return hider.String(v)
	}
	return v
}

func hideAll(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case map[string]any:
		for key, value := range v {
			v[key] = hideAll(value)
		}
		return v
	case []any:
		for i, value := range v {
			v[i] = hideAll(value)
		}
		return v
	case string:
		if v == "" {
			return v
		}
	}
	return filtered
}

// readJSON keeps numbers as they are written.
func readJSON(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.UseNumber()
	doc := map[string]any{}
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return doc, nil
}

func printJSON(stdout io.Writer, v any) error {
	enc := json.NewEncoder(stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type getJSONCmd struct {
	selection
	Internal bool `short:"i" help:"With secrets, and with the private part if it is still there."`
}

// Run prints the attributes.
func (c *getJSONCmd) Run(stdout io.Writer) error {
	_, command, err := c.newest()
	if err != nil {
		return err
	}
	doc, err := readJSON(filepath.Join(command.Dir, "attributes.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("command %s has no attributes: it has not come to its recipes, or has none", command.Run.CommandID)
	}
	if err != nil {
		return forbidden(err)
	}
	if !c.Internal {
		return printJSON(stdout, hide(doc, redact.NewHider(redact.Values(command.Run))))
	}
	return printJSON(stdout, map[string]any{"attributes": doc, "private": private(command)})
}

// private is what came with the command beside the attributes.
func private(c *spool.Command) any {
	if c.Cleared {
		return "The apps went with their secrets when the server had the command's result."
	}
	return map[string]any{"apps": c.Run.Apps, "args": c.Run.Args, "rds_db_instances": c.Run.RdsDbInstances, "custom_cookbooks": c.Run.CustomCookbooks}
}

type stackStateCmd struct{ place }

// Run prints the stack, its layers with their online instances, and its apps.
func (c *stackStateCmd) Run(stdout io.Writer) error {
	file, err := c.read()
	if err != nil {
		return err
	}
	doc, err := readJSON(filepath.Join(file.Data, "attributes.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this host has not run a command yet that told it of the stack")
	}
	if err != nil {
		return forbidden(err)
	}
	state := map[string]any{}
	all, _ := doc["opsworks"].(map[string]any)
	for key, value := range all {
		if key != "activity" && key != "deployment" && key != "sent_at" {
			state[key] = value
		}
	}
	return printJSON(stdout, hide(state, redact.NewHider(nil)))
}

type instanceReportCmd struct{ place }

// Run prints the report.
func (c *instanceReportCmd) Run(stdout io.Writer) error {
	file, err := c.read()
	if err != nil {
		return err
	}
	kept, err := spool.Kept(file.Data)
	if err != nil {
		return forbidden(err)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	id, err := identity.Load(file.Data)
	if err != nil {
		return forbidden(err)
	}
	if id != nil {
		line("Instance", id.InstanceID)
		line("Hostname", id.Hostname)
	} else {
		line("Instance", "not enrolled")
	}
	f := facts.Collect(file.Server, Version)
	line("Private IP", f.PrivateIP)
	line("Public IP", file.PublicIP)
	line("Operating system", strings.TrimSpace(f.OSName+" "+f.OSVersion))
	line("Kernel", f.Kernel)
	line("Architecture", f.Arch)
	line("CPUs", fmt.Sprint(f.CPUs))
	line("Memory", fmt.Sprintf("%d MB", f.MemoryBytes>>20))
	line("Agent version", Version)
	line("Agent process", agentProcess(file.Data))
	line("Server", file.Server)
	line("Data directory", file.Data)
	for _, c := range kept {
		line("Last command", fmt.Sprintf("%s %s %s %s", when(c.AcceptedAt), c.Run.Type, c.Status(), c.Run.CommandID))
		break
	}
	line("Commands kept", fmt.Sprint(len(kept)))
	return w.Flush()
}

// agentProcess looks for who holds the agent's lock. It does not try the lock
// itself: an agent that starts at this moment would take us for another one.
func agentProcess(data string) string {
	info, err := os.Stat(filepath.Join(data, "agent.lock"))
	if err != nil {
		return "never ran"
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || !ok {
		return ""
	}
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line) // 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF
		if len(f) > 5 && f[1] == "FLOCK" && strings.HasSuffix(f[5], fmt.Sprintf(":%d", stat.Ino)) {
			return f[4]
		}
	}
	return "not running"
}
