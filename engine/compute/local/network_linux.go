package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// network is the bridge that the machines are on.
type network struct {
	tag  string
	file string // remembers the subnet, so that addresses stay true over restarts
	want string
	log  *slog.Logger

	mu       sync.Mutex
	isUp     bool
	subnet   netip.Prefix
	forwards map[string]*forward // by port
}

// candidates are tried in order; the first that overlaps no route is used.
var candidates = []string{"10.213.0.0/16", "10.214.0.0/16", "10.215.0.0/16", "10.216.0.0/16", "10.217.0.0/16",
	"10.218.0.0/16", "10.219.0.0/16", "172.30.0.0/16", "172.29.0.0/16", "192.168.213.0/24", "192.168.214.0/24"}

func (n *network) bridge() string { return "oy" + n.tag + "-br" }

// vethName is unique on the host: the tag is the provider's, the rest the machine's.
func (n *network) vethName(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	b := a.As4()
	return fmt.Sprintf("oy%s-%02x%02x", n.tag, b[2], b[3])
}

func (n *network) prefix() netip.Prefix {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.subnet
}

func (n *network) gateway() string { return n.prefix().Addr().Next().String() }
func (n *network) bits() int       { return n.prefix().Bits() }
func (n *network) holds(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && n.prefix().Contains(a)
}

// free is the lowest address that is not used, nor the network's, the
// gateway's or the broadcast address.
func (n *network) free(used map[string]bool) (string, error) {
	subnet := n.prefix()
	for a := subnet.Addr().Next().Next(); subnet.Contains(a.Next()); a = a.Next() {
		if !used[a.String()] {
			return a.String(), nil
		}
	}
	return "", fmt.Errorf("the network %s has no free address left", subnet)
}

// up makes bridge, address, forwarding and NAT; again is harmless.
func (n *network) up() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isUp {
		return nil
	}
	release, err := lockHost()
	if err != nil {
		return err
	}
	defer release() // two servers must not choose the same subnet
	if n.subnet, err = n.choose(); err != nil {
		return err
	}
	if err := n.makeBridge(); err != nil {
		return fmt.Errorf("make the bridge of the machines: %w", err)
	}
	if err := remember(n.file, n.subnet); err != nil {
		return err
	}
	n.raise("/proc/sys/net/ipv4/ip_forward", 1)
	n.raise("/proc/sys/fs/inotify/max_user_instances", inotifyInstances)
	n.openFirewall()
	n.isUp = true
	return nil
}

// inotifyInstances is enough for some 2000 machines; each systemd takes four.
const inotifyInstances = 8192

// lockHost serialises what servers on this host do to its network.
func lockHost() (release func(), err error) {
	if err := os.MkdirAll(hostDir, 0o700); err != nil {
		return nil, fmt.Errorf("lock the host's network set-up: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(hostDir, "network.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the host's network set-up: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the host's network set-up: %w", err)
	}
	return func() { f.Close() }, nil
}

// choose takes the configured subnet, the remembered one, or a free one.
func (n *network) choose() (netip.Prefix, error) {
	var kept string
	if b, err := os.ReadFile(n.file); err == nil {
		_ = json.Unmarshal(b, &kept)
	}
	taken, err := n.takenRoutes()
	if err != nil {
		return netip.Prefix{}, err
	}
	if n.want != "" {
		return usable(n.want, taken)
	}
	if kept != "" {
		return usable(kept, taken) // addresses given out are promises: never silently change it
	}
	for _, c := range candidates {
		if subnet, err := usable(c, taken); err == nil {
			return subnet, nil
		}
	}
	return netip.Prefix{}, errors.New("no private network is free for local machines: set a subnet")
}

func usable(cidr string, taken []netip.Prefix) (netip.Prefix, error) {
	subnet, err := netip.ParsePrefix(cidr)
	if err != nil {
		return subnet, fmt.Errorf("the subnet of the machines: %w", err)
	}
	subnet = subnet.Masked()
	if !subnet.Addr().Is4() || subnet.Bits() < 16 || subnet.Bits() > 29 {
		return subnet, fmt.Errorf("the subnet %s of the machines is not between an IPv4 /16 and /29", subnet)
	}
	for _, t := range taken {
		if t.Overlaps(subnet) {
			return subnet, fmt.Errorf("the subnet %s of the machines overlaps the host's route to %s: choose another", subnet, t)
		}
	}
	return subnet, nil
}

// takenRoutes are the host's IPv4 routes but the default one and our own.
func (n *network) takenRoutes() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	own := -1
	if l, err := netlink.LinkByName(n.bridge()); err == nil {
		own = l.Attrs().Index
	}
	var taken []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil || r.LinkIndex == own {
			continue
		}
		if p, err := netip.ParsePrefix(r.Dst.String()); err == nil && p.Bits() > 0 {
			taken = append(taken, p)
		}
	}
	return taken, nil
}

func remember(file string, subnet netip.Prefix) error {
	b, _ := json.Marshal(subnet.String())
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := writeWhole(file, b); err != nil {
		return fmt.Errorf("remember the machines' subnet: %w", err)
	}
	return nil
}

func (n *network) makeBridge() error {
	gw := n.subnet.Addr().Next()
	// A fixed MAC: else the bridge takes the lowest of its ports' and changes it as they come and go.
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: n.bridge(), HardwareAddr: macOf(gw)}}
	if err := netlink.LinkAdd(br); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	l, err := netlink.LinkByName(n.bridge())
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", gw, n.subnet.Bits()))
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(l, addr); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// macOf is a locally administered MAC that follows the address, so neighbours'
// caches stay true when an address goes to another machine.
func macOf(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x4f, b[0], b[1], b[2], b[3]}
}

// raise lifts a kernel setting that is too low, and says so.
func (n *network) raise(file string, least int64) {
	was := readInt(file)
	if was >= least {
		return
	}
	if err := os.WriteFile(file, fmt.Append(nil, least), 0); err != nil {
		n.log.Warn("cannot raise a kernel setting that local machines need", slog.String("setting", file),
			slog.Int64("is", was), slog.Int64("wanted", least), slog.Any("error", err))
		return
	}
	n.log.Info("raised a kernel setting for local machines", slog.String("setting", file), slog.Int64("was", was), slog.Int64("is", least))
}

// addVeth links the bridge to an eth0 made directly in the child's namespace.
func (n *network) addVeth(ip string, pid int) error {
	br, err := netlink.LinkByName(n.bridge())
	if err != nil {
		return fmt.Errorf("find the machines' bridge: %w", err)
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return err
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: n.vethName(ip), MasterIndex: br.Attrs().Index},
		PeerName: "eth0", PeerNamespace: netlink.NsPid(pid), PeerHardwareAddr: macOf(addr)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("link the machine to the bridge: %w", err)
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return fmt.Errorf("link the machine to the bridge: %w", err)
	}
	return nil
}

// removeVeth deletes the link now: the kernel would, but some time later.
func (n *network) removeVeth(ip string) {
	if l, err := netlink.LinkByName(n.vethName(ip)); err == nil {
		_ = netlink.LinkDel(l)
	}
}

// removeOrphans deletes our links except those to keep.
func (n *network) removeOrphans(keep map[string]bool) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() == "veth" && strings.HasPrefix(name, "oy"+n.tag+"-") && !keep[name] {
			_ = netlink.LinkDel(l)
		}
	}
	return nil
}

// down removes the bridge and the rules.
func (n *network) down() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isUp = false
	n.closeFirewall()
	l, err := netlink.LinkByName(n.bridge())
	if err != nil {
		return nil // never made
	}
	if err := netlink.LinkDel(l); err != nil {
		return fmt.Errorf("remove the machines' bridge: %w", err)
	}
	return nil
}
