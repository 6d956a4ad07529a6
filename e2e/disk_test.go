package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"opsyard/models"
)

// flood prints more than the disk of its instance holds, faster than it can be
// sent away.
const flood = `
echo begin
yes "0123456789abcdef0123456789abcdef" | head -n 4000000
echo end
`

// A full disk under the agent's spool ends the command with a sentence; what
// was kept is stored, and the instance works again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a small disk needs root")
	}
	s := newServer(t, "serve", "--provider", "process")
	instances := filepath.Join(s.data, "process")
	if err := os.MkdirAll(instances, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("small", instances, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	// The server's own end comes first: it was prepared before.
	s.last = func() {
		if err := syscall.Unmount(instances, syscall.MNT_DETACH); err != nil {
			t.Errorf("take the small disk away: %v", err)
		}
	}
	s.start()
	c := setUp(s)
	stack := c.newStack("Full", "process")
	c.useCookbooks(stack, "Full", repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{"e2e/recipes/flood.sh": flood}))
	id := c.newInstances(stack, c.newLayer(stack, "Work", nil), 1)[0]
	s.becomes(models.InstanceOnline, 2*time.Minute, id)

	d := c.execute(stack, "e2e::flood")
	failsWith(t, s, c, d, "no space left on device")
	command := s.ended(d, time.Second)[0]
	wait(t, "the log is complete", 2*time.Minute, func() bool { return c.complete(command.ID) })
	log := c.logOf(command.ID)
	t.Logf("%d bytes of the log were kept", len(log))
	if len(log) < 1<<20 || !strings.HasPrefix(log, "begin\n0123") {
		t.Errorf("the log has %d bytes and begins with %.40q", len(log), log)
	}
	wait(t, "the instance works again", time.Minute, func() bool {
		return s.ended(c.execute(stack, "opsyard_demo::setup"), time.Minute)[0].Status == models.CommandSuccessful
	})
}
