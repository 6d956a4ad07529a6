package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent"
	"opsyard/agent/agenttest"
	"opsyard/agent/proc"
	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/supervise"
)

// The test program is also its own supervisor and its own agent, for the tests
// that kill one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "supervise" {
		// Built-in recipes go to shell, whatever the manager; the tests' scripts stand for both.
		runners := map[string]recipe.Runner{"script": scriptRunner{}, "shell": scriptRunner{}}
		if err := supervise.Run(os.Args[2], supervise.Config{Runners: runners, AgentPath: "/bin/true", Now: time.Now}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 4 && os.Args[1] == "agent" {
		a, err := agent.New(config(os.Args[2], os.Args[3], os.Args[4]))
		if err == nil {
			err = a.Run(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// scriptRunner runs the bash scripts in a command's arguments.
type scriptRunner struct{}

func (scriptRunner) Name() string { return "script" }

func (scriptRunner) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	raw, err := os.ReadFile(job.Private)
	if err != nil {
		return err
	}
	var private struct{ Args map[string][]string }
	if err := json.Unmarshal(raw, &private); err != nil {
		return err
	}
	for i, item := range job.Items {
		end := out.Begin("recipe", item.Recipe.String())
		cmd := exec.Command("bash", "-c", private.Args["script"][i])
		cmd.Dir, cmd.Env = job.Dir, append(os.Environ(), "ATTRIBUTES="+job.Attributes)
		for i, dir := range job.Cookbooks {
			cmd.Env = append(cmd.Env, fmt.Sprintf("COOKBOOKS%d=%s", i, dir))
		}
		cmd.Stdout, cmd.Stderr = out, out
		err := proc.Run(ctx, cmd, time.Second)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = &recipe.Failure{Recipe: item.Recipe, ExitCode: exit.ExitCode()}
		}
		end(recipe.Result{Err: err})
		if err != nil {
			return err
		}
	}
	return nil
}

func script(id string, scripts ...string) protocol.Run {
	run := protocol.Run{CommandID: id, Type: "execute_recipes", Manager: "script", TimeoutSeconds: 300, Args: map[string][]string{"script": scripts}}
	for i := range scripts {
		run.RunList = append(run.RunList, protocol.RunItem{Recipe: fmt.Sprintf("test::script%d", i), BuiltIn: true})
	}
	return run
}

// config has no host to reboot.
func config(server, token, data string) agent.Config {
	return agent.Config{
		Server: server, Token: token, DataDir: data, Version: "test",
		Supervise: []string{os.Args[0], "supervise"},
		Backoff:   10 * time.Millisecond,
		Reboot:    func() error { return nil },
		Log:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// bundle is a fake server with an agent in this process.
type bundle struct {
	*agenttest.Server
	data     string
	agent    *agent.Agent
	stop     func()
	sessions int // before the last start
	reboots  chan struct{}
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{Server: agenttest.NewServer(t), data: t.TempDir()}
	b.Token("token", "i-1")
	b.start(t, "token")
	t.Cleanup(func() { b.stop() })
	b.connected(t)
	return b
}

// start runs an agent; an earlier one must have been stopped.
func (b *bundle) start(t *testing.T, token string) {
	t.Helper()
	b.See(func(v agenttest.View) { b.sessions = v.Sessions })
	c := config(b.URL, token, b.data)
	b.reboots = make(chan struct{}, 1)
	reboots := b.reboots
	c.Reboot = func() error { reboots <- struct{}{}; return nil }
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	b.agent = a
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("agent: %v", err)
		}
		b.stop = func() {}
	}
}

// connected waits for a session since the last start.
func (b *bundle) connected(t *testing.T) {
	t.Helper()
	b.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected && v.Sessions > b.sessions })
}

// startProcess runs an agent that can be killed.
func (b *bundle) startProcess(t *testing.T, token string) (kill func()) {
	t.Helper()
	b.See(func(v agenttest.View) { b.sessions = v.Sessions })
	cmd := exec.Command(os.Args[0], "agent", b.URL, token, b.data)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	return kill
}

// appears waits for a file that a script makes.
func appears(t *testing.T, path string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not appear", filepath.Base(path))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
