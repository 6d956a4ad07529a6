package e2e

import (
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"opsyard/models"
)

// Machines outlive a server that is killed: the next one takes them up as they
// are. One that is asked to leave nothing leaves nothing.
func TestMachinesOutliveServer(t *testing.T) {
	t.Parallel()
	needMachines(t)
	s, c := serve(t, "--provider", "local")
	stack := c.newStack("Outlive", "local")
	layer := c.newLayer(stack, "Work", map[models.Event]string{models.EventSetup: "opsyard_demo::setup"})
	id := models.InstanceID(c.made("/stacks/"+string(stack)+"/instances", url.Values{
		"LayerIds": {string(layer)}, "InstanceType": {"local.small"}, "Start": {"on"}}))
	s.becomes(models.InstanceOnline, 3*time.Minute, id)
	pid, before := machinePid(t, s.data, id), s.instance(id)

	s.kill()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the machine ended with its server: %v", err)
	}
	s.start()
	s.successful(c.execute(stack, "opsyard_demo::setup"), time.Minute)
	after := s.instance(id)
	if now := machinePid(t, s.data, id); now != pid || after.Status != models.InstanceOnline || after.PrivateIP != before.PrivateIP {
		t.Errorf("after the restart the machine has process %d, state %s and address %s; before %d, %s and %s",
			now, after.Status, after.PrivateIP, pid, before.Status, before.PrivateIP)
	}
	if left := leftovers(s.dir); !slices.ContainsFunc(left, isMachine) {
		t.Errorf("the look for leftovers does not see a running machine: %v", left)
	}

	s.clear()
	if left := leftovers(s.dir); len(left) > 0 {
		t.Errorf("an ephemeral server left behind: %v", left)
	}
}

func isMachine(left string) bool { return left[:5] == "inter" || left[:5] == "cgrou" }
