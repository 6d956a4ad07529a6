package sim_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
	"opsyard/engine/compute/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, script simulated.Script) *sim.Provider {
	t.Helper()
	p, err := sim.New(sim.Config{Dir: dir, Script: script})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSuite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	computetest.Exercise(t, computetest.Options{
		Open: func(tb testing.TB) compute.Provider { return open(tb, dir, simulated.Script{}) },
	})
}

// TestMachinesAreAgents: a machine enrols, runs commands, and is itself again
// after a stop, and after a restart of the server's process.
func TestMachinesAreAgents(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Token("token", "i-1")
	dir := t.TempDir()
	script := simulated.Script{Boot: 10 * time.Millisecond, Commands: map[string]simulated.Behaviour{"": {Lines: 3}}}
	p := open(t, dir, script)
	spec := compute.Spec{ID: "i-1", Hostname: "web1", Size: "local.small", Enroll: compute.Enrollment{ServerURL: s.URL, Token: "token"}}
	sessions := 0
	again := func(what string) {
		t.Helper()
		sessions++
		s.Wait(t, what, func(v agenttest.View) bool { return v.Connected && v.Sessions == sessions && v.Enrolled == 1 })
		id := "c-" + what
		s.Send(protocol.Run{CommandID: id, Type: "setup"})
		if done, log := s.WaitDone(t, id); done.Outcome != protocol.Successful || len(log.Data) == 0 {
			t.Errorf("%s: %+v", what, done)
		}
	}
	m, err := p.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	again("boot")
	s.See(func(v agenttest.View) {
		if f := v.Hello.Facts; f.Hostname != "web1" || f.PrivateIP != m.PrivateIP || f.BootID != m.BootID {
			t.Errorf("facts %+v of %+v", f, m)
		}
	})
	if err := p.Stop(t.Context(), "i-1", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	again("start")
	p.Close()
	p = open(t, dir, script)
	defer p.Close()
	if err := p.Reconcile(t.Context(), []string{"i-1"}); err != nil {
		t.Fatal(err)
	}
	again("reconcile")
}
