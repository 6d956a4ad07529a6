package agenttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"
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

// ListenAgain takes the address of a listener that was closed. A process that
// another test has just forked holds it until it runs its program.
func ListenAgain(t testing.TB, address string) net.Listener {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// FreePort is one to listen on later.
func FreePort(t testing.TB) int {
	t.Helper()
	l := Listen(t)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
