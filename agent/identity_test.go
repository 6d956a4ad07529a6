package agent_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent"
	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	info, err := os.Stat(filepath.Join(b.data, "identity.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("identity: %v %v", info.Mode(), err)
	}
	t.Run("KeptIdentityIgnoresTheToken", func(t *testing.T) {
		b.stop()
		b.start(t, "some other token")
		b.connected(t)
		b.See(func(v agenttest.View) {
			if v.Enrolled != 1 || v.Hello.InstanceID != "i-1" {
				t.Errorf("enrolled %d times, is %s", v.Enrolled, v.Hello.InstanceID)
			}
		})
	})
	t.Run("UnknownIdentityEnrolsAgainWithANewToken", func(t *testing.T) {
		b.Forget("i-1")
		b.Wait(t, "the end of the session", func(v agenttest.View) bool { return !v.Connected })
		b.Token("new", "i-2")
		b.agent.Retry("new")
		b.Wait(t, "another identity", func(v agenttest.View) bool { return v.Connected && v.Hello.InstanceID == "i-2" })
	})
	t.Run("ErrSecondAgent", func(t *testing.T) {
		second, err := agent.New(config(b.URL, "", b.data))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := second.Run(ctx); err == nil || !strings.Contains(err.Error(), "another agent") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeregistered(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Token("token", "i-1")
	cfg := config(s.URL, "token", t.TempDir())
	cfg.Host = agent.Host{Hostname: "rack-7", PrivateIP: "192.0.2.7", InfrastructureClass: "ec2"}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(t.Context()) }()
	s.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected })
	s.See(func(v agenttest.View) {
		if f := v.Hello.Facts; f.Hostname != "rack-7" || f.PrivateIP != "192.0.2.7" {
			t.Errorf("it says of itself: %+v", f)
		}
	})
	s.Refuse(protocol.RefusedDeregistered)
	if err := <-ended; !errors.Is(err, agent.ErrDeregistered) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "identity.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its identity is still there: %v", err)
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	b := &bundle{Server: agenttest.NewServer(t), data: t.TempDir()}
	b.start(t, "wrong")
	t.Cleanup(func() { b.stop() })
	b.Token("right", "i-1")
	b.agent.Retry("right") // as SIGHUP with a mended file does
	b.connected(t)
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "opsyard.example.org", "ftp://x"} {
		if _, err := agent.New(config(server, "", t.TempDir())); err == nil {
			t.Errorf("%q was taken", server)
		}
	}
	if _, err := agent.New(config("http://127.0.0.1:1", "", "")); err == nil {
		t.Error("no data directory was taken")
	}
}

func TestDamagedIdentity(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	os.WriteFile(filepath.Join(data, "identity.json"), []byte("{"), 0o600)
	a, err := agent.New(config("http://127.0.0.1:1", "", data))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

// TestProxy: enrolment, session and content go through an HTTP proxy.
func TestProxy(t *testing.T) {
	t.Parallel()
	server := agenttest.NewServer(t)
	server.Token("token", "i-1")
	proxy, used := newProxy(t, server.URL)
	cfg := config("http://opsyard.invalid", "token", t.TempDir())
	cfg.HTTP = &http.Transport{Proxy: http.ProxyURL(proxy)}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	run := script("c", `cat $ATTRIBUTES`)
	run.Attributes = []string{server.Publish([]byte(`{"a":1}`))}
	server.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected })
	server.Send(run)
	if _, log := server.WaitDone(t, "c"); !strings.HasPrefix(string(log.Data), `{"a":1,`) {
		t.Errorf("got %q", log.Data)
	}
	if n := len(used); n < 3 {
		t.Errorf("the proxy was used %d times", n)
	}
}

// newProxy sends everything to one server, as CONNECT or as plain request.
func newProxy(t *testing.T, server string) (address *url.URL, used chan string) {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	used = make(chan string, 100)
	plain := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used <- r.Method
		if r.Method != http.MethodConnect {
			plain.ServeHTTP(w, r)
			return
		}
		tunnel(w, target.Host)
	}))
	t.Cleanup(srv.Close)
	address, _ = url.Parse(srv.URL)
	return address, used
}

func tunnel(w http.ResponseWriter, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	w.WriteHeader(http.StatusOK)
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(far, near); far.Close() })
	both.Go(func() { io.Copy(near, far); near.Close() })
	both.Wait()
}
