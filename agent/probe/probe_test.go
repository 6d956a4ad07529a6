package probe_test

import (
	"context"
	"net"
	"testing"

	"opsyard/agent/probe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReach(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	port := open.Addr().(*net.TCPAddr).Port
	once, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := once.Addr().(*net.TCPAddr).Port
	once.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		address string
		ports   []int
		want    bool
	}{
		"OneOfTwoAnswers": {t.Context(), "127.0.0.1", []int{closed, port}, true},
		"Refused":         {t.Context(), "127.0.0.2", []int{closed}, true},
		"NoPorts":         {t.Context(), "127.0.0.1", nil, false},
		"ErrName":         {t.Context(), "localhost", []int{port}, false},
		"NoTime":          {canceled, "127.0.0.1", []int{port}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alive, detail := probe.Reach(c.ctx, c.address, c.ports...)
			if alive != c.want || detail == "" {
				t.Errorf("got %t, %q", alive, detail)
			}
		})
	}
}
