package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/models/store"
)

// server is an opsyard process with a data directory of its own. It may be
// killed and started again at the same address.
type server struct {
	t       *testing.T
	dir     string // holds all of this server
	data    string
	url     string
	program string
	args    []string
	cmd     *exec.Cmd
	done    chan struct{}
	log     *os.File
	db      *store.Store
	last    func() // after the server's end, before its directory goes
}

// newServer prepares a server; start runs it. The command is serve or demo.
func newServer(t *testing.T, command string, args ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp(base, "s")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := programs()
	if err != nil {
		t.Fatalf("build the programs: %v", err)
	}
	address := fmt.Sprint("127.0.0.1:", agenttest.FreePort(t))
	s := &server{t: t, dir: dir, data: filepath.Join(dir, "data"), url: "http://" + address, program: filepath.Join(programs, "opsyard"), last: func() {}}
	s.args = append([]string{command, "--listen", address, "--admin-listen", ""}, args...)
	if command == "serve" {
		s.args = append(s.args, "--data", s.data)
	}
	if s.log, err = os.Create(filepath.Join(dir, "server.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.clear()
		if t.Failed() {
			t.Logf("the server's last words:\n%s", lastLines(s.printed(), 80))
		}
		s.log.Close()
		s.last()
		_ = os.RemoveAll(dir)
	})
	return s
}

// serve starts a server and signs the first administrator in.
func serve(t *testing.T, args ...string) (*server, *console) {
	t.Helper()
	s := newServer(t, "serve", args...)
	s.start()
	return s, setUp(s)
}

// launch starts the process.
func (s *server) launch() {
	s.t.Helper()
	s.cmd = exec.Command(s.program, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.dir)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}(s.cmd, s.done)
}

// start returns when the server answers.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	s.wait("the server answers", time.Minute, func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended at its start:\n%s", lastLines(s.printed(), 20))
		default:
		}
		response, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	noteTags(s.dir)
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	s.t.Helper()
	s.closeStore()
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop asks the server to end, and waits; it is safe twice.
func (s *server) stop() {
	s.closeStore()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(90 * time.Second):
		s.t.Error("the server did not stop within 90 s")
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

// clear stops the server for good. Machines outlive a server by design, so one
// that keeps them is started once more, to end them.
func (s *server) clear() {
	if s.args[0] == "serve" && !slices.Contains(s.args, "--ephemeral") {
		s.stop()
		s.args = append(s.args, "--ephemeral")
		s.start()
	}
	s.stop()
}

func (s *server) printed() string {
	b, _ := os.ReadFile(s.log.Name())
	return string(b)
}

// said waits for a line that the server prints and returns its first group.
func (s *server) said(pattern string, within time.Duration) string {
	s.t.Helper()
	line := regexp.MustCompile("(?m)^" + pattern)
	var found string
	s.wait("the server prints "+pattern, within, func() bool {
		if m := line.FindStringSubmatch(s.printed()); m != nil {
			found = m[1]
		}
		return found != ""
	})
	return found
}

// store reads the server's database beside it.
func (s *server) store() *store.Store {
	s.t.Helper()
	if s.db == nil {
		box, err := store.LoadSecretBox(filepath.Join(s.data, "secret.key"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.db, err = store.Open(context.Background(), store.Config{
			URL: "sqlite:" + filepath.Join(s.data, "opsyard.db"), Secrets: box, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return s.db
}

func (s *server) closeStore() {
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
}

// in lets a part of a test fail by itself, until that part ends.
func (s *server) in(t *testing.T) *server {
	was := s.t
	s.t = t
	t.Cleanup(func() { s.t = was })
	return s
}

func (s *server) wait(what string, within time.Duration, holds func() bool) {
	s.t.Helper()
	wait(s.t, what, within, holds)
}

// wait returns when the condition holds.
func wait(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s until %s", within, what)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
