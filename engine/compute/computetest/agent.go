package computetest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// agentWord, as first argument, turns a test binary into an agent.
const agentWord = "computetest-agent"

// AgentCommand starts this test binary as an agent that reports where it runs.
// TestMain must call MaybeAgent.
func AgentCommand(t testing.TB) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, agentWord}
}

// Hello is what an agent reports, again and again.
type Hello struct {
	Token    string
	Hostname string
	Boots    int // how often an agent has started on this disk
	Pid      int
	From     string // its address as the server sees it
}

// MaybeAgent is the agent if this process was started as one; then it does not return.
func MaybeAgent() {
	if len(os.Args) != 4 || os.Args[1] != agentWord || os.Args[2] != "--config" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var cfg struct{ Server, Token, Data string }
	b, err := os.ReadFile(os.Args[3])
	if err == nil {
		err = json.Unmarshal(b, &cfg)
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	report(ctx, cfg.Server, Hello{Token: cfg.Token, Hostname: hostname(), Boots: countBoot(cfg.Data), Pid: os.Getpid()})
	os.Exit(0)
}

func hostname() string { h, _ := os.Hostname(); return h }

// countBoot keeps the number of starts on the machine's disk.
func countBoot(data string) int {
	file := filepath.Join(data, "boots")
	b, _ := os.ReadFile(file)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	_ = os.MkdirAll(data, 0o700)
	_ = os.WriteFile(file, []byte(strconv.Itoa(n+1)), 0o600)
	return n + 1
}

func report(ctx context.Context, server string, h Hello) {
	b, _ := json.Marshal(h)
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := client.Post(server+"/hello", "application/json", bytes.NewReader(b)); err == nil {
			res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Server is where the agents of a test report.
type Server struct {
	URL string

	mu    sync.Mutex
	last  map[string]Hello // by token
	heard chan struct{}    // closed and replaced with every report
}

// NewServer listens on the loopback until the test ends.
func NewServer(t testing.TB) *Server {
	s := &Server{last: map[string]Hello{}, heard: make(chan struct{})}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// ServeHTTP takes one report.
func (s *Server) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var h Hello
	if json.NewDecoder(r.Body).Decode(&h) != nil {
		return
	}
	h.From = r.RemoteAddr
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[h.Token] = h
	close(s.heard)
	s.heard = make(chan struct{})
}

// Await returns the first report with this token that ok accepts.
func (s *Server) Await(t testing.TB, token string, ok func(Hello) bool) Hello {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		s.mu.Lock()
		h, known := s.last[token]
		heard := s.heard
		s.mu.Unlock()
		if known && ok(h) {
			return h
		}
		select {
		case <-heard:
		case <-deadline:
			t.Fatalf("no agent reported as expected; last: %+v", h)
		}
	}
}
