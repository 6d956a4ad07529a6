package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of proxies that are believed.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks, as 127.0.0.1 or 10.0.0.0/8.
func ParseProxies(list []string) (Proxies, error) {
	var all Proxies
	for _, text := range list {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network, as 127.0.0.1 or 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, network)
	}
	return all, nil
}

func (p Proxies) has(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// Believe makes RemoteAddr the address of who asks, when one of the proxies has
// handed the request on. Throttles, sessions and the audit go by it; behind a
// proxy everybody would have the proxy's.
//
// Each proxy adds to X-Forwarded-For whom it was asked by, so the list is read
// from its end: the last address that is no proxy's. What stands before it was
// sent by whoever asks, and may be anything.
func (p Proxies) Believe(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := p.asker(r); from.IsValid() {
			own := r.WithContext(r.Context()) // a copy
			own.RemoteAddr = net.JoinHostPort(from.String(), "0")
			r = own
		}
		next.ServeHTTP(w, r)
	})
}

// asker is who asks by way of proxies; invalid when the request came from
// somebody else, or they say nothing that can be read.
func (p Proxies) asker(r *http.Request) netip.Addr {
	direct, err := netip.ParseAddr(SourceAddr(r))
	if err != nil || !p.has(direct.Unmap()) {
		return netip.Addr{}
	}
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(said) {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return netip.Addr{}
		}
		if addr = addr.Unmap().WithZone(""); !p.has(addr) {
			return addr
		}
	}
	return netip.Addr{}
}
