package local

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
)

func specOf(id, server string) compute.Spec {
	return compute.Spec{ID: id, Hostname: id, Size: "local.micro",
		Enroll: compute.Enrollment{ServerURL: server, Token: "token-" + id}}
}

// leavesNothing fails the test if anything of the provider's is on the host
// once it is closed.
func leavesNothing(t *testing.T, p *Provider) {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, "oy"+p.tag) {
			t.Errorf("link %s is left", l.Attrs().Name)
		}
	}
	for _, mount := range append([]string{p.cgroups.v2}, p.cgroups.v1["memory"], p.cgroups.v1["pids"], p.cgroups.v1["cpu"]) {
		if _, err := os.Stat(mount + "/" + p.cgroups.top); mount != "" && err == nil {
			t.Errorf("cgroup %s/%s is left", mount, p.cgroups.top)
		}
	}
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, _ := c.ListTables()
	for _, table := range tables {
		if table.Name == p.net.table().Name {
			t.Errorf("table %s is left", table.Name)
		}
	}
	if mounts, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(mounts), p.cfg.Dir) {
		t.Errorf("a mount in %s is left", p.cfg.Dir)
	}
}

// run opens an ephemeral provider for one test.
func ephemeral(t *testing.T, change func(*Config)) *Provider {
	p := open(t, t.TempDir(), func(c *Config) {
		c.Ephemeral = true
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		leavesNothing(t, p)
	})
	return p
}

func mustExec(t *testing.T, p *Provider, id, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	out, code, err := p.Exec(ctx, id, []string{"sh", "-c", script})
	if err != nil || code != 0 {
		t.Fatalf("%s: %s: code %d, error %v\n%s", id, script, code, err, out)
	}
	return strings.TrimSpace(string(out))
}

func next(t *testing.T, events <-chan compute.Event) compute.Event {
	t.Helper()
	select {
	case ev := <-events:
		return ev
	case <-time.After(90 * time.Second):
		t.Fatal("no event")
		return compute.Event{}
	}
}

// fromInside has a machine reboot itself, which brings it back, and power itself
// off, which is its end.
func fromInside(t *testing.T, p *Provider, server *computetest.Server, id string, boots int) {
	t.Helper()
	events, err := p.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before, _ := p.Describe(t.Context(), id)
	server.Await(t, "token-"+id, func(h computetest.Hello) bool { return h.Boots >= boots })
	mustExec(t, p, id, "systemctl is-system-running --wait; systemctl reboot")
	if ev := next(t, events); ev.State != compute.Running || ev.Reason != reasonRebooted {
		t.Fatalf("event of a reboot: %+v", ev)
	}
	server.Await(t, "token-"+id, func(h computetest.Hello) bool { return h.Boots > boots })
	if now, _ := p.Describe(t.Context(), id); now[0].PrivateIP != before[0].PrivateIP || now[0].BootID == before[0].BootID {
		t.Fatalf("rebooted machine %+v, was %+v", now, before)
	}
	mustExec(t, p, id, "systemctl is-system-running --wait; systemctl poweroff")
	if ev := next(t, events); ev.State != compute.Stopped || ev.Reason != reasonPoweredOff {
		t.Fatalf("event of a power-off: %+v", ev)
	}
}

func TestRebootAndPowerOffFromInside(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	p := ephemeral(t, nil)
	if _, err := p.Start(t.Context(), specOf("one", server.URL)); err != nil {
		t.Fatal(err)
	}
	fromInside(t, p, server, "one", 1)
}

// TestHostImage: the host's own root, without its secrets.
func TestHostImage(t *testing.T) {
	t.Parallel()
	if err := hasSystemd("/"); err != nil {
		t.Skip(err)
	}
	server := computetest.NewServer(t)
	odd, err := os.MkdirTemp("/", "opsyard-test-") // as a checkout may be: in a directory that machines do not see
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(odd) })
	p := ephemeral(t, func(c *Config) { c.Image, c.Dir = "host", filepath.Join(odd, "data", "local") })
	if _, err := p.Start(t.Context(), specOf("one", server.URL)); err != nil {
		t.Fatal(err)
	}
	server.Await(t, "token-one", func(h computetest.Hello) bool { return h.Hostname == "one" })
	if got := mustExec(t, p, "one", "systemctl is-system-running --wait || systemctl --failed --no-legend"); got != "running" {
		t.Errorf("system is %s", got)
	}
	for _, dir := range []string{"/root", "/home", "/srv", "/etc/ssl/private", "/opt", p.cfg.Dir} {
		out := mustExec(t, p, "one", "find "+dir+" -type f -not -path '/opt/opsyard/*' 2>/dev/null || true")
		if out != "" {
			t.Errorf("%s shows %s", dir, out)
		}
	}
	if out := mustExec(t, p, "one", "cut -d: -f2 /etc/shadow | sort -u"); out != "*" {
		t.Errorf("passwords are %s", out)
	}
	ours := strings.Fields(mustExec(t, p, "one", "ls -A /"))
	for _, dir := range ours {
		if _, fresh := freshDirs[dir]; !fresh && !visibleRoots[dir] {
			t.Errorf("/%s is visible", dir)
		}
	}
}

// TestGuards: what a machine must not do to the host or its neighbours.
func TestGuards(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	p := ephemeral(t, nil)
	spec := specOf("one", server.URL)
	spec.Size = "local.nano"
	if _, err := p.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	server.Await(t, "token-one", func(h computetest.Hello) bool { return true })
	for _, script := range []string{
		"! sysctl -w kernel.panic=17",     // the host's kernel
		"sysctl -w net.ipv4.ip_forward=1", // its own network
		"! echo b > /proc/sysrq-trigger",  //
		"! test -s /proc/kcore",           //
		"! touch /opt/opsyard/*",          // the agent's program is read-only
		"grep -q 'MemTotal: *262144 kB' /proc/meminfo",
		"test $(stat -c %a /etc/opsyard/agent.json) = 600",
	} {
		mustExec(t, p, "one", script)
	}
	if _, code, err := p.Exec(t.Context(), "one", []string{"sh", "-c", "exit 7"}); code != 7 || err != nil {
		t.Errorf("exit code %d, error %v", code, err)
	}
	// The hungry one is killed, the machine lives.
	if _, code, err := p.Exec(t.Context(), "one", []string{"sh", "-c", "head -c 1G /dev/zero | tail -c 900M > /dev/null"}); err != nil || code == 0 {
		t.Logf("memory is not limited on this host: code %d, error %v", code, err)
	}
	mustExec(t, p, "one", "systemctl is-active opsyard-agent")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := p.Exec(ctx, "one", []string{"sleep", "600"}); err == nil {
		t.Error("a command outlived its context")
	}
	mustExec(t, p, "one", "! pgrep -x sleep")
}

const serverWord = "local-test-server"

// ownSubnet is one that no other test takes while the server in this directory,
// which has the test's name, is dead.
func ownSubnet(dir string) string {
	for n, test := range []string{"TestServerKilled", "TestAdoptedFromInside", "TestAbandoned"} {
		if strings.Contains(dir, test) {
			return fmt.Sprintf("192.168.%d.0/24", 221+n)
		}
	}
	panic("no subnet for " + dir)
}

// mortal opens the directory of a server that is killed.
func mortal(t *testing.T, dir string, ephemeral bool) *Provider {
	t.Helper()
	return open(t, dir, func(c *Config) { c.Subnet, c.Ephemeral = ownSubnet(dir), ephemeral })
}

// serveAndDie is a server for tests that kill it: machine m0 goes on running,
// the others come and go.
func serveAndDie(dir, url string, agent []string) {
	p, err := New(Config{Dir: dir, AgentCommand: agent, Subnet: ownSubnet(dir), Ephemeral: strings.HasSuffix(dir, "-ephemeral")})
	if err == nil {
		_, err = p.Start(context.Background(), specOf("m0", url))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			id := fmt.Sprintf("m%d", i+1)
			for {
				if _, err := p.Start(context.Background(), specOf(id, url)); err != nil {
					fmt.Println(err)
				}
				p.Terminate(context.Background(), id)
			}
		})
	}
	wg.Wait()
}

// killedServer lets a server run for a while and kills it with -9.
func killedServer(t *testing.T, dir, url string, after time.Duration) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{serverWord, dir, url}, computetest.AgentCommand(t)...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("server says %q", line)
	}
	time.Sleep(after) // the moment is what is being tested
	cmd.Process.Kill()
	cmd.Wait()
}

// TestServerKilled kills a server with -9 at some moment, again and again: the
// next one finds every machine running or not, and can remove all traces.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	dir := t.TempDir()
	p := mortal(t, dir, false)
	if err := p.Prepare(t.Context()); err != nil { // the image is not what is being tested
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range 6 {
		killedServer(t, dir, server.URL, time.Duration(random.IntN(700))*time.Millisecond)
		p := mortal(t, dir, false)
		known := []string{"m0", "m1", "m2", "m3"}
		if round%2 == 1 {
			known = known[:1]
		}
		if err := p.Reconcile(t.Context(), known); err != nil {
			t.Fatal(err)
		}
		for _, id := range known {
			if _, err := p.Start(t.Context(), specOf(id, server.URL)); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			mustExec(t, p, id, "true")
		}
		if round%2 == 1 {
			if err := p.Reconcile(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if round%2 == 1 {
			leavesNothing(t, p)
		}
	}
}

// TestAdoptedFromInside: the kernel tells only a parent how a machine ended; a
// later server knows it from the machine's own note.
func TestAdoptedFromInside(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	dir := t.TempDir()
	mortal(t, dir, false)
	killedServer(t, dir, server.URL, 0)
	p := mortal(t, dir, true)
	if err := p.Reconcile(t.Context(), []string{"m0"}); err != nil {
		t.Fatal(err)
	}
	fromInside(t, p, server, "m0", 1)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	leavesNothing(t, p)
}

// TestAbandoned: nobody will come back for the directory of an ephemeral server
// that was killed, so the next server removes what it left.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	dir := t.TempDir() + "-ephemeral"
	dead := mortal(t, dir, false)
	killedServer(t, dir, server.URL, 100*time.Millisecond)
	p := ephemeral(t, nil)
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	leavesNothing(t, dead)
	if left, _ := os.ReadDir(filepath.Join(dir, "instances")); len(left) > 0 {
		t.Errorf("disks are left: %v", left)
	}
}
