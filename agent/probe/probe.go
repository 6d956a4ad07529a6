// Package probe finds out whether a machine is there, without a login and
// without raw sockets: by what its ports answer.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Limit is how long a machine may take to answer.
const Limit = 3 * time.Second

// Reach tries some ports of a machine at once. A machine that refuses a
// connection lives as much as one that accepts it: its kernel answers. Detail
// says which port it was, or why nobody answered.
func Reach(ctx context.Context, address string, ports ...int) (alive bool, detail string) {
	if _, err := netip.ParseAddr(address); err != nil || len(ports) == 0 {
		return false, "there is no address to try"
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	type answer struct {
		port int
		err  error
	}
	answers := make(chan answer, len(ports))
	for _, port := range ports {
		go func() { answers <- answer{port, dial(ctx, address, port)} }()
	}
	for range ports {
		a := <-answers
		switch {
		case alive: // only waited for
		case a.err == nil:
			alive, detail = true, fmt.Sprintf("port %d answers", a.port)
			cancel()
		case errors.Is(a.err, syscall.ECONNREFUSED), errors.Is(a.err, syscall.ECONNRESET):
			alive, detail = true, fmt.Sprintf("port %d refuses", a.port)
			cancel()
		default:
			detail = why(a.err)
		}
	}
	return alive, detail
}

func dial(ctx context.Context, address string, port int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

// why says in a few words what an attempt ended with.
func why(err error) string {
	var failed syscall.Errno
	if errors.As(err, &failed) {
		return failed.Error()
	}
	return fmt.Sprintf("no answer within %s", Limit)
}
