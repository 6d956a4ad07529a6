package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute/internal/enroll"
)

// forwardServer makes the server's address reachable from the machines.
func (p *Provider) forwardServer(address string) error {
	_, port, err := enroll.Reroute(address, p.net.gateway())
	if err != nil || port == "" {
		return err
	}
	return p.net.openForward(port)
}

// forward carries connections to the gateway on to the same port of the host's
// loopback, where a server with its default address listens.
type forward struct {
	listener net.Listener
	port     string
	ctx      context.Context
	cancel   context.CancelFunc
	conns    sync.WaitGroup
}

// openForward does nothing if the port is taken at the gateway: then the server
// itself listens on every address.
func (n *network) openForward(port string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.forwards[port] != nil {
		return nil
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(n.subnet.Addr().Next().String(), port))
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("let machines reach port %s of this host: %w", port, err)
	}
	f := &forward{listener: l, port: port}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if n.forwards == nil {
		n.forwards = map[string]*forward{}
	}
	n.forwards[port] = f
	f.conns.Go(f.serve)
	return nil
}

func (n *network) closeForwards() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for port, f := range n.forwards {
		f.cancel()
		f.listener.Close()
		f.conns.Wait()
		delete(n.forwards, port)
	}
}

func (f *forward) serve() {
	for {
		in, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			f.conns.Go(func() { f.carry(in.(*net.TCPConn)) })
		}
	}
}

// carry joins one connection to the server's port until both sides are done or
// the provider closes.
func (f *forward) carry(in *net.TCPConn) {
	defer in.Close()
	var d net.Dialer
	conn, err := d.DialContext(f.ctx, "tcp4", "127.0.0.1:"+f.port)
	if err != nil {
		return // the machine sees the connection end, as with a server that is down
	}
	out := conn.(*net.TCPConn)
	defer out.Close()
	stop := context.AfterFunc(f.ctx, func() { in.Close(); out.Close() })
	defer stop()
	var back sync.WaitGroup
	back.Go(func() { pass(in, out) })
	pass(out, in)
	back.Wait()
}

// pass copies one direction and hands its end on, so half-closed connections work.
func pass(dst, src *net.TCPConn) {
	_, _ = io.Copy(dst, src)
	_ = dst.CloseWrite()
}
