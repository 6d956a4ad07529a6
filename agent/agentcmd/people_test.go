package agentcmd

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/spool"
)

// instance is a host with an agent of its own, as people find it who log in.
type instance struct {
	*agenttest.Server
	program, dir, data string
}

func setupInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{Server: agenttest.NewServer(t), program: build(t), dir: t.TempDir()}
	i.data = filepath.Join(i.dir, "data")
	i.Token("token", "i-1")
	config, _ := json.Marshal(map[string]string{"server": i.URL, "token": "token", "data": i.data})
	os.WriteFile(i.path("agent.json"), config, 0o600)
	cmd := exec.Command(i.program, "--config", i.path("agent.json"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	i.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected })
	return i
}

func (i *instance) path(name string) string { return filepath.Join(i.dir, name) }

// run is a command with one shell recipe.
func (i *instance) run(t *testing.T, id, kind, recipe string) protocol.Run {
	t.Helper()
	return protocol.Run{
		CommandID: id, Type: kind, Manager: "shell", TimeoutSeconds: 300, RunList: []protocol.RunItem{{Recipe: "book::one"}},
		Cookbooks:  []string{i.Publish(cookbook(t, "book/recipes/one.sh", recipe))},
		Attributes: []string{i.Publish([]byte(`{"opsworks":{"stack":{"name":"shop"}},"n":12345678901234567890,"db":{"Password":"hush"}}`))},
	}
}

// confirmed sends it and waits until the agent has forgotten its secrets.
func (i *instance) confirmed(t *testing.T, run protocol.Run) {
	t.Helper()
	run.Secrets = []protocol.Secret{{Name: "a", Value: "hush-hush"}}
	i.Send(run)
	i.WaitDone(t, run.CommandID)
	until(t, func() bool {
		c, err := spool.OpenCommand(filepath.Join(i.data, "commands", run.CommandID))
		return err == nil && c.Run.Secrets == nil
	})
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that")
		}
	}
}

// says runs the program as somebody at a terminal would.
func (i *instance) says(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	cmd := exec.Command(i.program, append(args, "--config", i.path("agent.json"))...)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != code {
		t.Errorf("%v: code %d, want %d: %s", args, cmd.ProcessState.ExitCode(), code, out)
	}
	for _, w := range want {
		if !strings.Contains(string(out), w) {
			t.Errorf("%v: %q is not in\n%s", args, w, out)
		}
	}
	if strings.Contains(string(out), "hush") {
		t.Errorf("%v tells a secret:\n%s", args, out)
	}
}

// TestPeople tries what people ask an instance whose agent is at work.
func TestPeople(t *testing.T) {
	t.Parallel()
	i := setupInstance(t)
	i.says(t, 1, []string{"has not run a command yet"}, "show-log")
	i.confirmed(t, i.run(t, "c-first", "configure", "echo ran $OPSYARD_COMMAND_ID as $OPSYARD_EVENT"))
	deploy := i.run(t, "c-second", "deploy", "opsyard-agent app list; printf 'no line end'")
	deploy.Apps = []protocol.App{{Shortname: "hello", Source: protocol.Source{Password: "hush-too"}}}
	i.confirmed(t, deploy)

	i.says(t, 0, []string{"DATE", "deploy     successful  c-second\n", "configure  successful  c-first\n"}, "list-commands")
	i.says(t, 0, []string{"c-first"}, "list_commands", "configure", when(time.Now())[:10])
	i.says(t, 0, []string{"ran c-first as configure\n"}, "show-log", "configure")
	i.says(t, 0, []string{"hello\nno line end\n"}, "show-log")
	i.says(t, 0, []string{"hello\n"}, "show_log", "c-sec", "--follow")
	i.says(t, 1, []string{`no command kept here fits "setup 1999"`}, "show-log", "setup", "1999")
	i.says(t, 0, []string{`"Password": "*****FILTERED*****"`, `"n": 12345678901234567890`}, "get-json", "c-first")
	i.says(t, 0, []string{`"name": "shop"`}, "stack-state")
	i.says(t, 0, []string{"i-1", "1.2.3", i.URL, "c-second"}, "instance-report")
	out, _ := exec.Command(i.program, "get-json", "-i", "--data", i.data).Output()
	if !strings.Contains(string(out), `"Password": "hush"`) || !strings.Contains(string(out), "went with their secrets") {
		t.Errorf("get-json -i says %s", out)
	}

	i.says(t, 1, []string{"came with apps, which went"}, "run-command", "deploy")
	i.says(t, 0, []string{"The server does not see this run.", "no line end\n"}, "run-command", "deploy", "--without-apps")
	i.says(t, 0, []string{"as local-", "ran local-", " as configure\n", ": successful\n"}, "run-command", "c-first")
	i.says(t, 0, []string{"configure  successful  local-"}, "list-commands", "local-")
	for range 7 {
		i.says(t, 0, nil, "run-command", "c-first")
	}
	if entries, _ := os.ReadDir(filepath.Join(i.data, "local")); len(entries) != 5 {
		t.Errorf("%d local runs are kept", len(entries))
	}
	i.See(func(v agenttest.View) {
		if len(v.Done) != 2 {
			t.Errorf("the server saw %d commands", len(v.Done))
		}
	})
	i.says(t, 1, []string{"there is no agent's data in " + i.path("none")}, "list-commands", "--data", i.path("none"))
}

// TestRunCommandAlone: what people run waits for the agent's command, and ends
// when they say so.
func TestRunCommandAlone(t *testing.T) {
	t.Parallel()
	i := setupInstance(t)
	i.confirmed(t, i.run(t, "c-quick", "configure", "if [ -e "+i.path("wait")+" ]; then echo waiting; sleep 1000; fi"))
	hold := "touch " + i.path("held") + "; until [ -e " + i.path("go") + " ]; do sleep 0.05; done; echo held"
	i.Send(i.run(t, "c-holds", "setup", hold))
	until(t, func() bool { _, err := os.Stat(i.path("held")); return err == nil })
	follow, again := i.start(t, "show-log", "setup", "-f"), i.start(t, "run-command", "c-quick")
	until(t, func() bool { return strings.Contains(again.text(), "Another run is under way on this host") })
	i.says(t, 0, []string{"setup      running     c-holds"}, "list-commands")
	os.WriteFile(i.path("go"), nil, 0o600)
	if code := follow.wait(t); code != 0 || follow.text() != "held\n" {
		t.Errorf("show-log -f: code %d, %q", code, follow.text())
	}
	if code := again.wait(t); code != 0 || !strings.Contains(again.text(), ": successful") {
		t.Errorf("run-command: code %d, %q", code, again.text())
	}

	os.WriteFile(i.path("wait"), nil, 0o600)
	again = i.start(t, "run-command", "c-quick")
	until(t, func() bool { return strings.Contains(again.text(), "waiting\n") })
	again.cmd.Process.Signal(syscall.SIGINT)
	if code := again.wait(t); code != 1 || !strings.Contains(again.text(), "canceled: Canceled at the terminal.") {
		t.Errorf("run-command: code %d, %q", code, again.text())
	}
}

// terminal is a program that somebody watches.
type terminal struct {
	cmd  *exec.Cmd
	file string
}

func (i *instance) start(t *testing.T, args ...string) *terminal {
	t.Helper()
	f, err := os.CreateTemp(i.dir, "terminal-*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := &terminal{exec.Command(i.program, append(args, "--config", i.path("agent.json"))...), f.Name()}
	x.cmd.Stdout, x.cmd.Stderr = f, f
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *terminal) text() string {
	data, _ := os.ReadFile(x.file)
	return string(bytes.ToValidUTF8(data, nil))
}

func (x *terminal) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { x.cmd.Process.Kill() })
	defer timer.Stop()
	x.cmd.Wait()
	return x.cmd.ProcessState.ExitCode()
}
