package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"opsyard/models"
)

// errInside refuses an address that is none of a stranger's business.
type errInside struct{ address netip.Addr }

// Error is a sentence for the delivery log.
func (e *errInside) Error() string {
	return fmt.Sprintf("The address %s is inside this server's network, where webhooks may not go", e.address)
}

// never are addresses that no webhook may reach, allowed or not: they name
// any host, many, or none.
var never = prefixes("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")

// metadata are addresses where clouds answer with the machine's credentials.
// No webhook may reach them either, by whatever road.
var metadata = prefixes("169.254.0.0/16", "fe80::/10", // link-local: AWS, Google, Azure, Oracle, OpenStack and others
	"fd00:ec2::254/128",  // AWS
	"fd20:ce::254/128",   // Google
	"168.63.129.16/32",   // Azure, its agents' side
	"100.100.100.200/32", // Alibaba
	"192.0.0.192/32",     // Oracle
)

// inside are addresses that only the operator's leave opens: this host, and
// networks that the internet does not route.
var inside = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10",
	"192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "100::/64", "2001:db8::/32")

// carrier is a network whose addresses hold one of IPv4 that the packet may
// end at.
type carrier struct {
	netip.Prefix
	places [][4]int // where the bytes of that one may be
	mask   byte     // that they are hidden under
}

// last is at the end of the address.
var last = [4]int{12, 13, 14, 15}

var carriers = []carrier{
	{Prefix: netip.MustParsePrefix("64:ff9b::/96"), places: [][4]int{last}}, // NAT64
	// NAT64 within a network, which has chosen a length (RFC 6052, 2.2)
	{Prefix: netip.MustParsePrefix("64:ff9b:1::/48"), places: [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, last}},
	{Prefix: netip.MustParsePrefix("2002::/16"), places: [][4]int{{2, 3, 4, 5}}},     // 6to4
	{Prefix: netip.MustParsePrefix("2001::/32"), places: [][4]int{last}, mask: 0xff}, // Teredo
	{Prefix: netip.MustParsePrefix("::/96"), places: [][4]int{last}},                 // the old compatible form
	{Prefix: netip.MustParsePrefix("::ffff:0:0:0/96"), places: [][4]int{last}},       // a translator's own form (RFC 2765)
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for n, text := range texts {
		list[n] = netip.MustParsePrefix(text)
	}
	return list
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// carried are the addresses that one may hold inside it.
func carried(ip netip.Addr) (list []netip.Addr) {
	for _, c := range carriers {
		if !c.Contains(ip) {
			continue
		}
		whole := ip.As16()
		for _, place := range c.places {
			var held [4]byte
			for n, at := range place {
				held[n] = whole[at] ^ c.mask
			}
			list = append(list, netip.AddrFrom4(held))
		}
	}
	return list
}

// permitted tells whether webhooks may go to an address.
func permitted(ip netip.Addr, allowInternal bool) bool {
	ip = ip.Unmap().WithZone("")
	held := carried(ip)
	if within(never, ip) || within(metadata, ip) || slices.ContainsFunc(held, func(ip netip.Addr) bool { return within(metadata, ip) }) {
		return false
	}
	return allowInternal || len(held) == 0 && !within(inside, ip)
}

// CheckURL refuses an address whose own spelling shows that it may not be
// called, while there is somebody to tell. What a name stands for is checked
// when it is connected to.
func (s *Sender) CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return models.InvalidField("URL", "URL: must be an http or https address.")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		ip, err = netip.IPv6Loopback(), nil
	}
	if err != nil || permitted(ip, s.AllowInternal) {
		return nil
	}
	if !permitted(ip, true) {
		return models.InvalidField("URL", "URL: %s is an address that webhooks never go to.", u.Host)
	}
	return models.InvalidField("URL", "URL: %s is inside this server's network; for it, the server must be started with --allow-internal-webhooks.", u.Host)
}

// newClient makes a client that looks at the address it is about to connect
// to. A check of the name before would not do: who owns the name can change
// what it stands for in between. No proxy is used, since it would be the one
// that connects, and no redirect is followed.
func newClient(c Config) *http.Client {
	dialer := &net.Dialer{
		Timeout: c.Timeout, Resolver: c.Resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("read the address %q: %w", address, err)
			}
			if !permitted(to.Addr(), c.AllowInternal) {
				return &errInside{to.Addr()}
			}
			return nil
		},
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: c.TLS, TLSHandshakeTimeout: c.Timeout,
			MaxConnsPerHost: AtOnce, MaxIdleConnsPerHost: AtOnce, MaxIdleConns: 64, IdleConnTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: headerBytes, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// why is the sentence about a call that got no answer. The address is left
// out: it may be a secret.
func (s *Sender) why(ctx context.Context, err error) string {
	var refused *errInside
	var lookup *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &refused):
		return refused.Error() + "."
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "The name " + lookup.Name + " has no address."
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("There was no answer within %s.", s.Timeout)
	case ctx.Err() != nil:
		return "The server was stopped meanwhile."
	}
	return "The receiver could not be reached: " + clean(inner(err).Error()) + "."
}

// inner leaves out what repeats the address.
func inner(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
