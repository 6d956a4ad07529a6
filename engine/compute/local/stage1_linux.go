package local

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The names, as argv[0], under which this executable is run as a child.
const (
	stage1Name = "opsyard-local-machine"
	execName   = "opsyard-local-exec"
)

func isChild() bool { return len(os.Args) > 0 && (os.Args[0] == stage1Name || os.Args[0] == execName) }

func init() {
	if isChild() {
		// main then runs on the main thread, so /proc/self is the thread whose
		// namespaces change.
		runtime.LockOSThread()
	}
}

// MaybeChild turns this process into a machine's first process, or into a
// command run in one, if it was started as such; then it does not return. main
// calls it before anything else.
func MaybeChild() {
	switch {
	case !isChild():
		return
	case os.Args[0] == stage1Name:
		becomeMachine()
	default:
		runInMachine()
	}
}

// becomeMachine reads its configuration from descriptor 3 and reports an error
// on descriptor 4. A server that dies first closes the pipe, which ends this.
func becomeMachine() {
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	unix.Umask(0o022) // whatever the server's is
	var cfg bootConfig
	err := json.NewDecoder(os.NewFile(3, "config")).Decode(&cfg)
	if err == nil {
		err = cfg.boot()
	}
	_, _ = fmt.Fprint(os.NewFile(4, "fault"), err) // boot returns only with an error
	os.Exit(1)
}

func (cfg bootConfig) boot() error {
	// Only now: the root of a cgroup namespace is the group one is in.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	startUptime()
	if err := cfg.mountRoot(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(cfg.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := cfg.linkUp(); err != nil {
		return err
	}
	cfg.pinCPUs()
	if err := dropCapabilities(); err != nil {
		return err
	}
	env := append(machineEnv(), "container=opsyard")
	for _, systemd := range systemdPaths {
		err := unix.Exec(systemd, []string{"/sbin/init", "--log-target=console", "--show-status=no"}, env)
		if err != unix.ENOENT {
			return fmt.Errorf("execute systemd: %w", err)
		}
	}
	return fmt.Errorf("the image has no systemd")
}

var systemdPaths = []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"}

// startUptime makes the machine's uptime begin now, where the kernel has time
// namespaces that are entered at exec (Linux 6.1); elsewhere it is the host's.
func startUptime() {
	if unix.Unshare(unix.CLONE_NEWTIME) != nil {
		return
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	_ = os.WriteFile("/proc/self/timens_offsets", fmt.Appendf(nil, "boottime -%d 0\n", now.Sec), 0)
}

func (cfg bootConfig) linkUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	eth, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find eth0: %w", err)
	}
	addr, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", cfg.IP, cfg.Bits))
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(eth, addr); err != nil {
		return fmt.Errorf("set the address: %w", err)
	}
	if err := netlink.LinkSetUp(eth); err != nil {
		return fmt.Errorf("bring up eth0: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.ParseIP(cfg.Gateway)}); err != nil {
		return fmt.Errorf("set the default route: %w", err)
	}
	return nil
}

// pinCPUs shows the machine as many processors as its size has. Whole ones are
// inherited from PID 1; the share of time is the cgroup's affair. The address
// spreads machines over the host's processors.
func (cfg bootConfig) pinCPUs() {
	var have, want unix.CPUSet
	if unix.SchedGetaffinity(0, &have) != nil {
		return
	}
	n, total := int(cfg.CPUs+0.999), have.Count()
	if n < 1 || n >= total {
		return
	}
	skip := int(net.ParseIP(cfg.IP).To4()[3]) % total
	for round := 0; round < 2; round++ {
		for cpu := 0; cpu < 1024 && want.Count() < n; cpu++ {
			if !have.IsSet(cpu) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			want.Set(cpu)
		}
	}
	_ = unix.SchedSetaffinity(0, &want)
}

// dropCapabilities takes from PID 1's bounding set, and so from all below it,
// what would change the shared kernel.
func dropCapabilities() error {
	for _, c := range []uintptr{unix.CAP_SYS_MODULE, unix.CAP_SYS_TIME, unix.CAP_SYS_RAWIO, unix.CAP_MAC_ADMIN,
		unix.CAP_MAC_OVERRIDE, unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_SYSLOG} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // a kernel without it
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	return nil
}
