package local

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
)

// TestStory does in real machines what stacks do: install a service, reach it
// from host and peer, and find it again after a stop and a power cut.
func TestStory(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	p := ephemeral(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	start := func(id string) compute.Machine {
		t.Helper()
		m, err := p.Start(ctx, compute.Spec{ID: id, Hostname: id, Size: "local.small",
			Enroll: compute.Enrollment{ServerURL: server.URL, Token: "token-" + id}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	run := func(id, script string) string { t.Helper(); return mustExec(t, p, id, script) }
	web, peer := start("web1"), start("web2")
	server.Await(t, "token-web1", func(h computetest.Hello) bool { return h.Hostname == "web1" })
	if got := run("web1", "systemctl is-system-running --wait || systemctl --failed"); got != "running" {
		t.Errorf("the system is %s", got)
	}
	run("web1", "apt-get update && apt-get install -y --no-install-recommends nginx-light")
	get := func() {
		t.Helper()
		res, err := http.Get("http://" + web.PrivateIP)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !strings.Contains(string(b), "nginx") {
			t.Fatalf("got %q", b)
		}
	}
	get()
	if got := run("web2", "curl -s http://"+web.PrivateIP); !strings.Contains(got, "nginx") {
		t.Fatalf("peer %s got %q", peer.PrivateIP, got)
	}
	if err := p.Stop(ctx, "web1", time.Minute); err != nil {
		t.Fatal(err)
	}
	start("web1")
	server.Await(t, "token-web1", func(h computetest.Hello) bool { return h.Boots == 2 })
	run("web1", "systemctl is-system-running --wait; systemctl is-active nginx")
	get()
}
