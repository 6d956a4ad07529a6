package local

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"opsyard/engine/compute/computetest"
)

func TestMain(m *testing.M) {
	MaybeChild()
	computetest.MaybeAgent()
	if len(os.Args) > 4 && os.Args[1] == serverWord {
		serveAndDie(os.Args[2], os.Args[3], os.Args[4:])
	}
	goleak.VerifyTestMain(m)
}

// open returns a provider over dir; tests skip where it cannot work.
func open(t testing.TB, dir string, change func(*Config)) *Provider {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("local machines need root")
	}
	cfg := Config{Dir: dir, AgentCommand: computetest.AgentCommand(t), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Check(t.Context()) {
		if f.Needed && !f.OK {
			t.Skipf("local machines do not work here: %s: %s", f.Name, f.Detail)
		}
	}
	t.Cleanup(func() {
		if t.Failed() { // a test that broke off must not leave machines behind
			p.Reconcile(context.Background(), nil)
		}
		p.Close()
	})
	return p
}
