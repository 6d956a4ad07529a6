package simulated_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, s *agenttest.Server, disk *simulated.Disk, script simulated.Script) (agent *simulated.Agent, stop func()) {
	t.Helper()
	s.Token("token", "i-1")
	before := 0
	s.See(func(v agenttest.View) { before = v.Sessions })
	agent = simulated.New(simulated.Config{Server: s.URL, Token: "token", Host: "web1", Script: &script, Disk: disk, BootID: "boot"})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { agent.Run(ctx) })
	stop = func() { cancel(); run.Wait() }
	t.Cleanup(stop)
	s.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected && v.Sessions > before })
	return agent, stop
}

func TestScript(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	start(t, s, nil, simulated.Script{Commands: map[string]simulated.Behaviour{
		"setup":   {Duration: 500 * time.Millisecond, Lines: 10},
		"deploy":  {FailureRate: 1, Lines: 1},
		"execute": {Duration: time.Hour},
		"custom": {Lines: 2, Output: func(l simulated.Line) string { return fmt.Sprint(l.Host, l.Recipe, l.Index) },
			Outcome: func(string, protocol.Run) (protocol.Outcome, string) { return protocol.Failed, "No luck." }},
	}})
	list := []protocol.RunItem{{Recipe: "a::b"}, {Recipe: "c::d"}}
	s.Send(protocol.Run{CommandID: "setup", Type: "setup", RunList: list})
	s.Send(protocol.Run{CommandID: "configure", Type: "configure"})
	s.Send(protocol.Run{CommandID: "deploy", Type: "deploy"})
	s.Send(protocol.Run{CommandID: "custom", Type: "custom", RunList: list})
	s.Send(protocol.Run{CommandID: "late", Type: "execute", TimeoutSeconds: 1})
	s.Send(protocol.Run{CommandID: "cut", Type: "execute"})
	done, log := s.WaitDone(t, "setup")
	if done.Outcome != protocol.Successful || strings.Count(string(log.Data), "\n") != 10 || len(log.Steps) != 4 {
		t.Errorf("setup: %+v with log %q and steps %+v", done, log.Data, log.Steps)
	}
	if done, log := s.WaitDone(t, "configure"); done.Outcome != protocol.Successful || done.LastSeq != 0 || log.Seq != 0 {
		t.Errorf("configure: %+v", done)
	}
	if done, _ := s.WaitDone(t, "deploy"); done.Outcome != protocol.Failed || done.ExitCode == 0 {
		t.Errorf("deploy: %+v", done)
	}
	done, log = s.WaitDone(t, "custom")
	if done.Message != "No luck." || string(log.Data) != "web1a::b0\nweb1c::d1\n" || log.Steps[3].Result != "failed" {
		t.Errorf("custom: %+v with log %q and steps %+v", done, log.Data, log.Steps)
	}
	if done, _ := s.WaitDone(t, "late"); done.Outcome != protocol.Expired {
		t.Errorf("late: %+v", done)
	}
	s.Send(protocol.Cancel{CommandID: "cut", Reason: "Enough."})
	if done, _ := s.WaitDone(t, "cut"); done.Outcome != protocol.Canceled || done.Message != "Enough." {
		t.Errorf("cut: %+v", done)
	}
	s.Send(protocol.Run{CommandID: "setup", Type: "setup"})
	s.Wait(t, "a repeated answer", func(v agenttest.View) bool { return len(v.Done["setup"]) == 2 && v.Started["setup"] == 1 })
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Measure(1)
	disk := &simulated.Disk{}
	_, stop := start(t, s, disk, simulated.Script{})
	s.Wait(t, "figures", func(v agenttest.View) bool { return len(v.Metrics) > 1 })
	s.See(func(v agenttest.View) {
		f := v.Metrics[0].Values
		if len(f) != 16 || f[0]+f[1]+f[2]+f[3]+f[4]+f[5] < 99.9 || f[6] != 2<<20 || f[7]+f[8]+f[9]+f[10] < 2<<20-3 {
			t.Errorf("figures %v", f)
		}
	})
	stop()
	start(t, s, disk, simulated.Script{Metrics: func(host string, _ time.Time) protocol.Figures {
		if host != "web1" {
			return nil
		}
		return simulated.Busy(90)
	}})
	s.Wait(t, "those of the script", func(v agenttest.View) bool { return v.Metrics[len(v.Metrics)-1].Values[0] == 10 })
}

// TestCuts: lost connections, and a loss of memory, change nothing of the log.
func TestCuts(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	disk := &simulated.Disk{}
	script := simulated.Script{Commands: map[string]simulated.Behaviour{"": {Duration: 2 * time.Second, Lines: 100_000, Output: func(l simulated.Line) string {
		return fmt.Sprintf("line %d of %s", l.Index, l.Host)
	}}}}
	agent, stop := start(t, s, disk, script)
	run := protocol.Run{CommandID: "c"}
	s.Send(run)
	for cut := range 5 {
		s.Wait(t, "more of the log", func(v agenttest.View) bool {
			return v.Connected && v.Logs["c"] != nil && v.Logs["c"].Seq > int64(cut*5)
		})
		agent.Cut()
	}
	stop()
	// The server still has what came; an agent without memory plays it again.
	start(t, s, &simulated.Disk{Seed: disk.Seed, InstanceID: disk.InstanceID}, script)
	s.Send(run)
	_, log := s.WaitDone(t, "c")
	want := new(strings.Builder)
	for i := range 100_000 {
		fmt.Fprintf(want, "line %d of web1\n", i)
	}
	if string(log.Data) != want.String() {
		t.Errorf("got %d bytes, want %d", len(log.Data), want.Len())
	}
}

func TestPowerLoss(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	disk := &simulated.Disk{}
	script := simulated.Script{Commands: map[string]simulated.Behaviour{"": {Duration: time.Hour, Lines: 36000}}}
	_, stop := start(t, s, disk, script)
	s.Send(protocol.Run{CommandID: "c"})
	s.Wait(t, "some of the log", func(v agenttest.View) bool { return v.Logs["c"] != nil && v.Logs["c"].Seq > 1 })
	stop()
	start(t, s, disk, script)
	if done, _ := s.WaitDone(t, "c"); done.Outcome != protocol.Failed || !strings.Contains(done.Message, "restarted") {
		t.Errorf("got %+v", done)
	}
}
