package agenttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Listen listens on a loopback port that can be left and taken again: it is
// below those that the kernel gives to whoever dials or asks for any.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))); err == nil {
			return l
		}
	}
	t.Fatal("no port is free")
	return nil
}

// FreePort is one to listen on later.
func FreePort(t testing.TB) int {
	t.Helper()
	l := Listen(t)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
