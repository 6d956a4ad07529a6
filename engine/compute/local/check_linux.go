package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
)

var (
	_ compute.Provider = (*Provider)(nil)
	_ compute.Killer   = (*Provider)(nil)
	_ compute.Sizer    = (*Provider)(nil)
)

// Check tries what machines need. What would change the host is tried in
// namespaces that end with the test.
func (p *Provider) Check(context.Context) []compute.Finding {
	if os.Geteuid() != 0 {
		return []compute.Finding{{Name: "root", Needed: true, Detail: "local machines need root; run as root or choose the process provider"}}
	}
	return []compute.Finding{
		{Name: "root", OK: true, Needed: true, Detail: "running as root"},
		finding("kernel", true, "processes can be held by descriptor", "Linux 5.14 or newer is needed", tryPidfd()),
		finding("overlay", true, "disks can be overlays on "+p.cfg.Dir,
			"put the data directory on a plain file system, in a container on a volume", p.tryOverlay()),
		p.checkCgroups(),
		p.checkLimits(),
		finding("network", true, "bridges and veth links can be made", "the kernel needs bridge and veth", apart(tryLinks)),
		finding("nat", false, "machines get a way out", "without nf_tables in the kernel machines reach no internet", apart(tryNAT)),
		p.checkSubnet(),
		p.checkFilters(),
		p.checkInotify(),
		checkResolver(),
		p.checkImage(),
	}
}

func finding(name string, needed bool, good, advice string, err error) compute.Finding {
	f := compute.Finding{Name: name, OK: err == nil, Needed: needed, Detail: good}
	if err != nil {
		f.Detail = fmt.Sprintf("%v; %s", err, advice)
	}
	return f
}

// apart runs try on a thread with its own mount and network namespaces, which
// is thrown away afterwards.
func apart(try func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = try()
		}
		result <- err
	}()
	return <-result
}

func tryPidfd() error {
	fd, err := unix.PidfdOpen(os.Getpid(), unix.PIDFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("a process cannot be held by descriptor: %w", err)
	}
	return unix.Close(fd)
}

// tryOverlay mounts one on the file system that the machines' disks will be on.
func (p *Provider) tryOverlay() error {
	near := p.cfg.Dir
	for {
		if _, err := os.Stat(near); err == nil {
			break
		}
		near = filepath.Dir(near)
	}
	dir, err := os.MkdirTemp(near, ".opsyard-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	return apart(func() error {
		options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
		if err := unix.Mount("overlay", filepath.Join(dir, "root"), "overlay", 0, options); err != nil {
			return fmt.Errorf("an overlay cannot be mounted in %s: %w", near, err)
		}
		return unix.Unmount(filepath.Join(dir, "root"), 0)
	})
}

func tryLinks() error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "oycheck-br"}}
	if err := netlink.LinkAdd(br); err != nil {
		return fmt.Errorf("a bridge cannot be made: %w", err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "oycheck-a"}, PeerName: "oycheck-b"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("a veth link cannot be made: %w", err)
	}
	return nil
}

func tryNAT() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "oycheck"})
	c.AddChain(&nftables.Chain{Name: "postrouting", Table: t, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("address translation cannot be set up: %w", err)
	}
	return nil
}

func (p *Provider) checkCgroups() compute.Finding {
	if p.cgroups.v2 == "" {
		return finding("cgroup", true, "", "mount it, for example on /sys/fs/cgroup", errors.New("cgroup2 is not mounted"))
	}
	probe := filepath.Join(p.cgroups.v2, p.cgroups.top+"-check")
	err := os.Mkdir(probe, 0o755)
	_ = unix.Rmdir(probe)
	return finding("cgroup", true, "groups can be made in "+p.cgroups.v2, "in a container, cgroup2 must be writable", err)
}

// checkLimits names the controllers that no hierarchy offers.
func (p *Provider) checkLimits() compute.Finding {
	b, _ := os.ReadFile(filepath.Join(p.cgroups.v2, "cgroup.controllers"))
	v2 := strings.Fields(string(b))
	var missing []string
	for _, want := range []string{"memory", "cpu", "pids"} {
		if p.cgroups.v1[want] == "" && !slices.Contains(v2, want) {
			missing = append(missing, want)
		}
	}
	var err error
	if len(missing) > 0 {
		err = fmt.Errorf("no limits for %s", strings.Join(missing, ", "))
	}
	return finding("limits", false, "memory, processors and processes can be limited", "sizes are not enforced there", err)
}

func (p *Provider) checkSubnet() compute.Finding {
	subnet, err := p.net.choose()
	return finding("subnet", true, subnet.String(), "choose another subnet for local machines", err)
}

func (p *Provider) checkFilters() compute.Finding {
	f := compute.Finding{Name: "packet filter", OK: true, Detail: "nothing drops routed packets by default"}
	if toolPath("iptables") != "" {
		f.Detail = "iptables is installed: rules to accept the machines' packets are added while machines run"
		return f
	}
	c, err := nftables.New()
	if err != nil {
		return f
	}
	if chains, _ := droppingChains(c); len(chains) > 0 {
		f.Detail = fmt.Sprintf("%d chains drop by default: rules to accept the machines' packets are added while machines run", len(chains))
	}
	return f
}

func (p *Provider) checkInotify() compute.Finding {
	n := readInt("/proc/sys/fs/inotify/max_user_instances")
	f := compute.Finding{Name: "inotify", OK: true, Detail: fmt.Sprintf("%d instances allowed", n)}
	if n < inotifyInstances {
		f.Detail += fmt.Sprintf("; raised to %d with the first machine, as each needs four", inotifyInstances)
	}
	return f
}

func checkResolver() compute.Finding {
	var err error
	if !strings.Contains(upstreamResolvConf(), "nameserver") {
		err = errors.New("the host names no resolver but on its own loopback")
	}
	return finding("dns", false, "machines use the host's resolvers", "machines cannot look names up", err)
}

// checkImage says which root file system machines would get, and why.
func (p *Provider) checkImage() compute.Finding {
	kind, rest, _ := strings.Cut(p.cfg.Image, ":")
	switch kind {
	case "host":
		return finding("image", true, "the host's own root file system, its known secrets hidden", "choose another image", hasSystemd("/"))
	case "dir":
		return finding("image", true, rest, "choose another image", hasSystemd(rest))
	}
	r := newBootstrap(rest)
	switch {
	case hasSystemd(filepath.Join(p.images.dir, r.name())) == nil:
		return finding("image", true, "cached: "+filepath.Join(p.images.dir, r.name()), "", nil)
	case r.tool != "":
		return finding("image", true, fmt.Sprintf("%s, to be built once with %s", r.name(), filepath.Base(r.tool)), "", nil)
	case kind == "auto":
		return finding("image", true, "the host's own root file system, its known secrets hidden: neither mmdebstrap nor debootstrap is installed",
			"install mmdebstrap", hasSystemd("/"))
	}
	return finding("image", true, "", "install mmdebstrap", errors.New("neither mmdebstrap nor debootstrap is installed"))
}
