// Package computetest is the suite that every compute provider passes.
package computetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine/compute"
)

// Options fit the suite to a provider.
type Options struct {
	// Open returns a new provider over the same state; the suite closes each
	// before it opens the next.
	Open func(testing.TB) compute.Provider
	// Spec completes a spec that has ID, Hostname and Enroll; nil leaves it.
	Spec func(compute.Spec) compute.Spec
	// Server takes the agents' reports. nil: the provider does not start the
	// agent of AgentCommand, and the suite asks nothing of it.
	Server *Server
}

// Exercise runs the suite, case after case over one provider's state.
func Exercise(t *testing.T, o Options) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s := &suite{Options: o, t: t, ctx: ctx}
	s.reopen(t)
	defer func() {
		if err := s.p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := s.p.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
	}()
	for _, c := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"ErrBadSpec", (*suite).badSpec},
		{"AbsentIsFine", (*suite).absent},
		{"StartIsIdempotent", (*suite).startTwice},
		{"StopKeepsWhatWasThere", (*suite).stopAndStart},
		{"Reboot", (*suite).reboot},
		{"KillIsAnEvent", (*suite).kill},
		{"TerminateIsIdempotent", (*suite).terminate},
		{"ErrContextEnds", (*suite).canceled},
		{"ManyAtOnce", (*suite).many},
		{"ReconcileAdopts", (*suite).adopt},
		{"ReconcileRemovesOrphans", (*suite).orphans},
		{"VolumesOutliveMachines", (*suite).volumes},
		{"WatchEnds", (*suite).watchEnds},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.run(s, t) }) {
			return // the cases stand on each other
		}
	}
}

type suite struct {
	Options
	t   *testing.T // the whole suite's, which outlives a case
	ctx context.Context
	p   compute.Provider
}

func (s *suite) reopen(t testing.TB) {
	t.Helper()
	if s.p != nil {
		if err := s.p.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	s.p = s.Open(s.t)
}

func (s *suite) spec(id string) compute.Spec {
	spec := compute.Spec{ID: id, Hostname: id, StackID: "stack",
		Enroll: compute.Enrollment{ServerURL: "http://127.0.0.1:9", Token: "token-" + id}}
	if s.Server != nil {
		spec.Enroll.ServerURL = s.Server.URL
	}
	if s.Spec != nil {
		spec = s.Spec(spec)
	}
	return spec
}

func (s *suite) start(t testing.TB, id string) compute.Machine {
	t.Helper()
	m, err := s.p.Start(s.ctx, s.spec(id))
	if err != nil {
		t.Fatal(err)
	}
	if m.State != compute.Running || m.ID != id {
		t.Fatalf("started machine is %+v, want %s running", m, id)
	}
	if s.p.Caps().OwnIP && m.PrivateIP == "" {
		t.Fatalf("machine %+v has no address", m)
	}
	return m
}

func (s *suite) must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (s *suite) describe(t testing.TB, id string) compute.Machine {
	t.Helper()
	ms, err := s.p.Describe(s.ctx, id)
	if err != nil || len(ms) != 1 || ms[0].ID != id {
		t.Fatalf("describe %s: %+v, %v", id, ms, err)
	}
	return ms[0]
}

func (s *suite) expect(t testing.TB, id string, want compute.State) {
	t.Helper()
	if m := s.describe(t, id); m.State != want {
		t.Fatalf("machine is %+v, want %s", m, want)
	}
}

// agent waits for the machine's agent to have started boots times.
func (s *suite) agent(t testing.TB, id string, boots int) Hello {
	t.Helper()
	if s.Server == nil {
		return Hello{}
	}
	return s.Server.Await(t, "token-"+id, func(h Hello) bool { return h.Boots >= boots })
}

func (s *suite) badSpec(t *testing.T) {
	for name, change := range map[string]func(*compute.Spec){
		"size":      func(p *compute.Spec) { p.Size = "x1.enormous" },
		"no id":     func(p *compute.Spec) { p.ID = "" },
		"path":      func(p *compute.Spec) { p.ID = "../up" },
		"no server": func(p *compute.Spec) { p.Enroll.ServerURL = "" },
	} {
		spec := s.spec("bad")
		change(&spec)
		if _, err := s.p.Start(s.ctx, spec); !errors.Is(err, compute.ErrBadSpec) {
			t.Errorf("%s: got %v, want ErrBadSpec", name, err)
		}
	}
	s.expect(t, "bad", compute.Terminated)
}

func (s *suite) absent(t *testing.T) {
	s.expect(t, "nobody", compute.Terminated)
	s.must(t, "stop", s.p.Stop(s.ctx, "nobody", time.Second))
	s.must(t, "terminate", s.p.Terminate(s.ctx, "nobody"))
	if err := s.p.Reboot(s.ctx, "nobody", false); !errors.Is(err, compute.ErrNotFound) {
		t.Errorf("reboot: got %v, want ErrNotFound", err)
	}
}

func (s *suite) startTwice(t *testing.T) {
	first := s.start(t, "one")
	if again := s.start(t, "one"); again.BootID != first.BootID || !again.Started.Equal(first.Started) {
		t.Errorf("second start: %+v, want %+v", again, first)
	}
	h := s.agent(t, "one", 1)
	if s.p.Caps().OwnIP && s.Server != nil && h.Hostname != "one" {
		t.Errorf("agent runs on %q", h.Hostname)
	}
	ms, err := s.p.Describe(s.ctx)
	if err != nil || len(ms) != 1 || ms[0].State != compute.Running {
		t.Errorf("all machines: %+v, %v", ms, err)
	}
	console, err := s.p.Console(s.ctx, "one")
	switch {
	case err == nil:
		console.Close()
	case s.p.Caps().Console || !errors.Is(err, compute.ErrUnsupported):
		t.Errorf("console: %v", err)
	}
}

func (s *suite) stopAndStart(t *testing.T) {
	before := s.describe(t, "one")
	s.must(t, "stop", s.p.Stop(s.ctx, "one", time.Minute))
	s.expect(t, "one", compute.Stopped)
	s.must(t, "stop again", s.p.Stop(s.ctx, "one", time.Minute))
	after := s.start(t, "one")
	if after.PrivateIP != before.PrivateIP {
		t.Errorf("address was %s, is %s", before.PrivateIP, after.PrivateIP)
	}
	if after.BootID == before.BootID {
		t.Error("boot id is the same after a boot")
	}
	s.agent(t, "one", 2) // counted on the disk
}

func (s *suite) reboot(t *testing.T) {
	for i, hard := range []bool{false, true} {
		before := s.describe(t, "one")
		s.must(t, "reboot", s.p.Reboot(s.ctx, "one", hard))
		after := s.describe(t, "one")
		if after.State != compute.Running || after.BootID == before.BootID || after.PrivateIP != before.PrivateIP {
			t.Errorf("after reboot (hard %v): %+v, before %+v", hard, after, before)
		}
		s.agent(t, "one", 3+i)
	}
}

func (s *suite) kill(t *testing.T) {
	killer, ok := s.p.(compute.Killer)
	if !ok {
		t.Skip("the provider cannot pull the plug")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	events, err := s.p.Watch(ctx)
	s.must(t, "watch", err)
	s.must(t, "kill", killer.Kill(s.ctx, "one"))
	select {
	case ev := <-events:
		if ev.ID != "one" || ev.State != compute.Stopped || ev.Reason == "" || ev.At.IsZero() {
			t.Errorf("event %+v", ev)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
	if m := s.describe(t, "one"); m.State != compute.Stopped || m.Reason == "" {
		t.Errorf("killed machine: %+v", m)
	}
	s.start(t, "one")
	s.agent(t, "one", 5)
}

func (s *suite) terminate(t *testing.T) {
	for range 2 {
		s.must(t, "terminate", s.p.Terminate(s.ctx, "one"))
		s.expect(t, "one", compute.Terminated)
	}
	s.start(t, "one")
	if s.Server != nil {
		h := s.Server.Await(t, "token-one", func(h Hello) bool { return h.Boots < 5 })
		if h.Boots != 1 {
			t.Errorf("the disk outlived the machine: boots %d", h.Boots)
		}
	}
	s.must(t, "terminate", s.p.Terminate(s.ctx, "one"))
}

func (s *suite) canceled(t *testing.T) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.p.Start(ctx, s.spec("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("start: got %v, want context.Canceled", err)
	}
	s.must(t, "terminate", s.p.Terminate(s.ctx, "late"))
	s.expect(t, "late", compute.Terminated)
}

func (s *suite) many(t *testing.T) {
	const n = 5
	var wg sync.WaitGroup
	var mu sync.Mutex
	addresses := map[string]int{}
	for i := range 2 * n { // each is asked for twice
		wg.Go(func() {
			m, err := s.p.Start(s.ctx, s.spec(fmt.Sprintf("many%d", i%n)))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			addresses[m.PrivateIP]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if s.p.Caps().OwnIP && len(addresses) != n {
		t.Errorf("addresses %v, want %d different ones", addresses, n)
	}
	for i := range n {
		s.agent(t, fmt.Sprintf("many%d", i), 1)
	}
	for i := range n {
		wg.Go(func() {
			if err := s.p.Terminate(s.ctx, fmt.Sprintf("many%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ms, err := s.p.Describe(s.ctx); err != nil || len(ms) != 0 {
		t.Errorf("left over: %+v, %v", ms, err)
	}
}

func (s *suite) adopt(t *testing.T) {
	runs := s.start(t, "runs")
	s.agent(t, "runs", 1)
	s.start(t, "stopped")
	s.must(t, "stop", s.p.Stop(s.ctx, "stopped", 30*time.Second))
	s.reopen(t)
	s.must(t, "reconcile", s.p.Reconcile(s.ctx, []string{"runs", "stopped"}))
	if m := s.describe(t, "runs"); m.State != compute.Running || m.BootID != runs.BootID || m.PrivateIP != runs.PrivateIP {
		t.Errorf("adopted %+v, want %+v", m, runs)
	}
	s.expect(t, "stopped", compute.Stopped)
	if m := s.start(t, "runs"); m.BootID != runs.BootID {
		t.Error("start booted an adopted machine again")
	}
	if killer, ok := s.p.(compute.Killer); ok {
		events, err := s.p.Watch(s.ctx)
		s.must(t, "watch", err)
		s.must(t, "kill", killer.Kill(s.ctx, "runs"))
		if ev := <-events; ev.ID != "runs" || ev.State != compute.Stopped {
			t.Errorf("event of an adopted machine: %+v", ev)
		}
		s.start(t, "runs")
	}
	s.agent(t, "runs", 1)
}

func (s *suite) orphans(t *testing.T) {
	s.reopen(t)
	s.must(t, "reconcile", s.p.Reconcile(s.ctx, []string{"stopped"}))
	s.expect(t, "runs", compute.Terminated)
	s.expect(t, "stopped", compute.Stopped)
	s.must(t, "reconcile", s.p.Reconcile(s.ctx, nil))
	if ms, err := s.p.Describe(s.ctx); err != nil || len(ms) != 0 {
		t.Errorf("left over: %+v, %v", ms, err)
	}
}

// volumes are made at Start and stay until they are deleted; what is inside,
// only the provider's own tests can see.
func (s *suite) volumes(t *testing.T) {
	keeper, ok := s.p.(compute.VolumeKeeper)
	if !ok {
		t.Skip("the provider keeps no volumes")
	}
	spec := s.spec("disks")
	for what, volumes := range map[string][]compute.Volume{
		"path as id":           {{ID: "../up", MountPoint: "/vol/a"}},
		"relative mount point": {{ID: "vol-1", MountPoint: "vol/a"}},
		"mount point above":    {{ID: "vol-1", MountPoint: "/vol/../.."}},
		"the root":             {{ID: "vol-1", MountPoint: "/"}},
		"twice":                {{ID: "vol-1", MountPoint: "/vol/a"}, {ID: "vol-1", MountPoint: "/vol/b"}},
	} {
		spec.Volumes = volumes
		if _, err := s.p.Start(s.ctx, spec); !errors.Is(err, compute.ErrBadSpec) {
			t.Errorf("%s: got %v, want ErrBadSpec", what, err)
		}
	}
	spec.Volumes = []compute.Volume{{ID: "vol-1", MountPoint: "/vol/a/b", SizeGiB: 1}, {ID: "vol-2", MountPoint: "/vol/a", SizeGiB: 1}}
	_, err := s.p.Start(s.ctx, spec)
	s.must(t, "start with volumes", err)
	if err := keeper.DeleteVolume(s.ctx, "vol-1"); err == nil {
		t.Error("a volume was deleted under a running machine")
	}
	s.must(t, "terminate", s.p.Terminate(s.ctx, "disks"))
	for _, id := range []string{"vol-1", "vol-1", "vol-2", "vol-never"} {
		s.must(t, "delete "+id, keeper.DeleteVolume(s.ctx, id))
	}
	if err := keeper.DeleteVolume(s.ctx, ".."); !errors.Is(err, compute.ErrBadSpec) {
		t.Errorf("delete a path: %v", err)
	}
}

func (s *suite) watchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(s.ctx)
	events, err := s.p.Watch(ctx)
	s.must(t, "watch", err)
	cancel()
	if ev, open := <-events; open {
		t.Errorf("event after the end: %+v", ev)
	}
	for _, f := range s.p.Check(s.ctx) {
		if f.Name == "" || strings.TrimSpace(f.Detail) == "" || f.Needed && !f.OK {
			t.Errorf("finding %+v", f)
		}
	}
}
