package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine"
	"opsyard/engine/healing"
	"opsyard/models"
)

// Real machines that are killed, cut off, or in a layer that is not healed.
func TestHealing(t *testing.T) {
	t.Parallel()
	s := newSite(t, engine.Times{
		Silence: 4 * time.Second, Offline: 2 * time.Second, Reminder: 250 * time.Millisecond, Stop: 5 * time.Second,
		Healing: healing.Rules{Settle: 2 * time.Second, Fresh: 10 * time.Second, Between: time.Second, Window: time.Second},
	})
	on, off := s.layer("on", models.HealingHeal), s.layer("off", models.HealingOff)
	ids := []models.InstanceID{s.start(on), s.start(on), s.start(on), s.start(on), s.start(on, off)}
	s.become(models.InstanceOnline, 4*time.Minute, ids...)

	for _, chapter := range []struct {
		name string
		tell func(*site, []models.InstanceID)
	}{
		{"a killed machine is healed", healsKilled},
		{"a machine whose agent is cut off is not", sparesCutOff},
		{"two of five at once freeze it", freezes},
		{"one layer that is off is enough", sparesOff},
	} {
		if !t.Run(chapter.name, func(t *testing.T) {
			was := s.t
			s.t = t
			defer func() { s.t = was }()
			chapter.tell(s, ids)
		}) {
			return
		}
	}
}

func healsKilled(s *site, ids []models.InstanceID) {
	before, peer := s.instance(ids[0]), ids[1]
	ran := len(s.configures(peer))
	s.inside(ids[0], "sh", "-c", "echo kept >/root/kept")
	s.power(ids[0])
	began := time.Now()
	s.become(models.InstanceConnectionLost, 20*time.Second, ids[0])
	s.become(models.InstanceOnline, 90*time.Second, ids[0])
	s.t.Logf("it was online again after %s", time.Since(began).Round(100*time.Millisecond))
	after := s.instance(ids[0])
	if after.Hostname != before.Hostname || after.PrivateIP != before.PrivateIP {
		s.t.Errorf("it was %s at %s, and is %s at %s", before.Hostname, before.PrivateIP, after.Hostname, after.PrivateIP)
	}
	if kept := s.inside(ids[0], "cat", "/root/kept"); strings.TrimSpace(kept) != "kept" {
		s.t.Errorf("its disk holds %q", kept)
	}
	h := s.decided(ids[0], models.DecisionHeal)
	if h.Evidence.Machine != "stopped" {
		s.t.Errorf("the evidence is %+v", h.Evidence)
	}
	wait(s.t, "the peers are configured for its leaving and its return", 30*time.Second, func() bool { return len(s.configures(peer)) >= ran+2 })
}

func sparesCutOff(s *site, ids []models.InstanceID) {
	pid := machinePid(s.t, s.dir, ids[1])
	s.cut(ids[1])
	s.become(models.InstanceConnectionLost, 30*time.Second, ids[1])
	h := s.decided(ids[1], models.DecisionAlive)
	if probe := h.Evidence.Reached(); probe == nil || probe.From == "" {
		s.t.Errorf("no peer reached it: %+v", h.Evidence)
	}
	s.t.Log(h.Sentence)
	s.mend(ids[1])
	s.become(models.InstanceOnline, 2*time.Minute, ids[1]) // its agent may be in its longest pause
	if now := machinePid(s.t, s.dir, ids[1]); now != pid {
		s.t.Errorf("its machine was restarted: process %d is %d now", pid, now)
	}
}

func freezes(s *site, ids []models.InstanceID) {
	pids := []int{machinePid(s.t, s.dir, ids[2]), machinePid(s.t, s.dir, ids[3])}
	for _, id := range ids[2:4] { // their agents stop, as by a bad update
		s.agents(id, syscall.SIGSTOP)
	}
	for _, id := range ids[2:4] {
		s.engine.Dispatcher().Drop(id, protocol.RefusedBusy, "the line breaks")
	}
	s.become(models.InstanceConnectionLost, 30*time.Second, ids[2:4]...)
	for _, id := range ids[2:4] {
		s.decided(id, models.DecisionFrozen)
	}
	state, err := s.engine.HealingState(s.ctx, s.stack.ID)
	check(s.t, err)
	s.t.Log(state.Frozen)
	for _, id := range ids[2:4] {
		s.agents(id, syscall.SIGCONT)
	}
	s.become(models.InstanceOnline, 2*time.Minute, ids[2:4]...)
	for n, id := range ids[2:4] {
		if now := machinePid(s.t, s.dir, id); now != pids[n] {
			s.t.Errorf("%s was restarted", id)
		}
	}
}

func sparesOff(s *site, ids []models.InstanceID) {
	both := ids[4]
	s.power(both)
	s.become(models.InstanceConnectionLost, 20*time.Second, both)
	h := s.decided(both, models.DecisionOff)
	if !strings.Contains(h.Sentence, "layer off") {
		s.t.Errorf("the sentence is %q", h.Sentence)
	}
	if status := s.instance(both).Status; status != models.InstanceConnectionLost {
		s.t.Errorf("it is %s", status)
	}
}

// decided waits until the newest entry about an instance is a decision.
func (s *site) decided(id models.InstanceID, want models.HealingDecision) *models.Healing {
	s.t.Helper()
	var newest *models.Healing
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the newest entry is %+v", newest)
		}
	}()
	wait(s.t, "healing decides: "+string(want), 30*time.Second, func() bool {
		h, err := s.store.Healings.Newest(s.ctx, id)
		check(s.t, err)
		newest = h
		return h != nil && h.Decision == want
	})
	return newest
}

// configures are the Configure commands of an instance.
func (s *site) configures(id models.InstanceID) (list []models.Command) {
	s.t.Helper()
	all, err := s.store.Commands.OfInstance(s.ctx, id, 100)
	check(s.t, err)
	for _, c := range all {
		if c.Type == models.CommandConfigure {
			list = append(list, c)
		}
	}
	return list
}

// power cuts the power of a machine.
func (s *site) power(id models.InstanceID) {
	s.t.Helper()
	check(s.t, syscall.Kill(machinePid(s.t, s.dir, id), syscall.SIGKILL))
}

// inside runs a command in a machine.
func (s *site) inside(id models.InstanceID, command ...string) string {
	s.t.Helper()
	pid := strconv.Itoa(machinePid(s.t, s.dir, id))
	out, err := exec.CommandContext(s.ctx, "nsenter", append([]string{"-t", pid, "-a", "--"}, command...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s in machine %s: %v\n%s", command[0], id, err, out)
	}
	return string(out)
}

// cut keeps everything that a machine sends to the server from leaving it. Its
// peers still reach it.
func (s *site) cut(id models.InstanceID) {
	s.t.Helper()
	s.route(id, "add")
	s.engine.Dispatcher().Drop(id, protocol.RefusedBusy, "the line breaks")
}

func (s *site) mend(id models.InstanceID) { s.route(id, "del") }

func (s *site) route(id models.InstanceID, how string) {
	s.t.Helper()
	pid := strconv.Itoa(machinePid(s.t, s.dir, id))
	ip := func(args ...string) string {
		out, err := exec.CommandContext(s.ctx, "nsenter", append([]string{"-t", pid, "-n", "--", "ip"}, args...)...).CombinedOutput()
		if err != nil {
			s.t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	fields := strings.Fields(ip("-4", "route", "show", "default"))
	if len(fields) < 3 {
		s.t.Fatalf("the machine's default route is %v", fields)
	}
	ip("route", how, "blackhole", fields[2]+"/32")
}

// agents sends a signal to the agent of a machine: to the processes of its
// name among those that the machine's first process can see.
func (s *site) agents(id models.InstanceID, sig syscall.Signal) {
	s.t.Helper()
	machine, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", machinePid(s.t, s.dir, id)))
	check(s.t, err)
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	check(s.t, err)
	found := false
	for _, exe := range exes {
		program, _ := os.Readlink(exe) // it may have ended
		space, _ := os.Readlink(filepath.Join(filepath.Dir(exe), "ns", "pid"))
		if filepath.Base(program) != "opsyard-agent" || space != machine {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(exe)))
		check(s.t, err)
		check(s.t, syscall.Kill(pid, sig))
		found = true
	}
	if !found {
		s.t.Fatalf("machine %s has no agent", id)
	}
}
