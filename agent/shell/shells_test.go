package shell

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
)

const id = "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"

// server is the other side of a session: it gathers what the shells say.
type server struct {
	t      *testing.T
	shells *Shells

	mu     sync.Mutex
	output map[string]*bytes.Buffer
	taken  map[string]int
	ended  map[string]protocol.ShellEnded
	news   chan struct{}
	// eager gives credit for all output at once.
	eager bool
}

// serve begins a session in which shells of the agent's own user begin in home.
func serve(t *testing.T, passwd string) *server {
	t.Helper()
	s := &server{
		t: t, output: map[string]*bytes.Buffer{}, taken: map[string]int{}, ended: map[string]protocol.ShellEnded{}, news: make(chan struct{}, 1), eager: true,
	}
	home := t.TempDir()
	s.shells = Serve(t.Context(), Config{Send: s.hear, Log: slog.New(slog.DiscardHandler), Home: home, Passwd: passwd})
	t.Cleanup(s.shells.Close)
	return s
}

func (s *server) hear(message any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := message.(type) {
	case protocol.ShellOutput:
		if len(m.Data) > protocol.ShellFrame {
			s.t.Errorf("a frame has %d bytes", len(m.Data))
		}
		if s.output[m.ID] == nil {
			s.output[m.ID] = &bytes.Buffer{}
		}
		s.output[m.ID].Write(m.Data)
		if n := len(m.Data); s.eager {
			s.shells.Handle(protocol.ShellCredit{ID: m.ID, Bytes: n})
		}
	case protocol.ShellTaken:
		s.taken[m.ID]++
	case protocol.ShellEnded:
		s.ended[m.ID] = m
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
	return nil
}

// until waits for something to become true of what the shells have said.
func (s *server) until(what string, is func() bool) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		ok := is()
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-s.news:
		case <-deadline:
			s.t.Fatalf("%s: it never came; the shells said %q, and ended with %+v", what, s.text(id), s.ended)
		}
	}
}

func (s *server) text(id string) string {
	if s.output[id] == nil {
		return ""
	}
	return s.output[id].String()
}

// shown is text for whoever does not hold mu.
func (s *server) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text(id)
}

func (s *server) says(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("output %q", text), func() bool { return strings.Contains(s.text(id), text) })
}

func (s *server) ends() protocol.ShellEnded {
	s.t.Helper()
	var e protocol.ShellEnded
	s.until("the end", func() bool { var ok bool; e, ok = s.ended[id]; return ok })
	return e
}

func (s *server) types(text string) {
	s.shells.Handle(protocol.ShellInput{ID: id, Data: []byte(text)})
}

// own opens a shell of the agent's own user.
func (s *server) own() {
	s.shells.Handle(protocol.ShellOpen{ID: id, Own: true, Sudo: true, Columns: 80, Rows: 24, Term: "xterm-256color"})
}

// What is typed is echoed, answered, and the shell's end is told with its code.
func TestTypeAndExit(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.own()
	s.types("tty; echo $((6*7))=x; stty size\r")
	s.says("42=x")
	s.says("24 80")
	s.says("/dev/pts/")
	s.shells.Handle(protocol.ShellResize{ID: id, Columns: 132, Rows: 50})
	s.until("the answer", func() bool { return s.taken[id] == 2 })
	s.types("stty size\r")
	s.says("50 132")
	s.types("exit 7\r")
	if e := s.ends(); e.ExitCode != 7 || e.Message != "" {
		t.Errorf("the shell ended with %+v", e)
	}
}

// The agent's own environment, with its secrets, stays its own.
func TestCleanEnvironment(t *testing.T) {
	t.Setenv("OPSYARD_TEST_SECRET", "canary")
	s := serve(t, "")
	s.own()
	s.types("env; echo do''ne\r")
	s.says("done")
	for _, want := range []string{"TERM=xterm-256color", "HOME=" + s.shells.home} {
		if !strings.Contains(s.shown(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(s.shown(), "canary") {
		t.Error("the shell has the agent's environment")
	}
}

// Whatever the shell started goes with it, also what ignores a hang-up or has a
// session of its own.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.own()
	s.types("set -m; sleep 1000 & echo first=$!=; (trap '' HUP TERM; exec sleep 1000) & echo second=$!=; (setsid sh -c 'trap \"\" HUP; echo third=$$=; exec sleep 1000'; true) & cat\r")
	pids := make([]int, 0, 3)
	for _, name := range []string{"first=", "second=", "third="} {
		s.until(name, func() bool { _, ok := number(s.text(id), name); return ok })
		pid, _ := number(s.shown(), name)
		pids = append(pids, pid)
	}
	s.shells.Handle(protocol.ShellClose{ID: id})
	if e := s.ends(); e.ExitCode != -1 && e.ExitCode != 129 {
		t.Errorf("the shell ended with %+v", e)
	}
	for _, pid := range pids {
		if state := stateOf(pid); state != "" && state != "Z" {
			t.Errorf("process %d is still there: %s", pid, state)
		}
	}
}

// number is what stands between name and the next "=", as a program has written
// it: what was typed has a $ there.
func number(text, name string) (int, bool) {
	for _, part := range strings.Split(text, name)[1:] {
		digits, _, closed := strings.Cut(part, "=")
		if n, err := strconv.Atoi(digits); err == nil && closed {
			return n, true
		}
	}
	return 0, false
}

func stateOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return rest[:1]
}

// A flood stops where the server has no room, whatever the shell still writes,
// and can be ended there.
func TestFloodWaitsForRoom(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.eager = false
	s.own()
	s.types("yes flood\r")
	s.until("the window to be full", func() bool { return len(s.text(id)) >= protocol.ShellWindow })
	s.shells.Handle(protocol.ShellCredit{ID: id, Bytes: 1000})
	s.until("what was given back", func() bool { return len(s.text(id)) >= protocol.ShellWindow+1000 })
	s.shells.Handle(protocol.ShellCredit{ID: id, Bytes: 1 << 40})
	s.until("no more than a window", func() bool { return len(s.text(id)) >= 2*protocol.ShellWindow+1000 })
	s.shells.Handle(protocol.ShellClose{ID: id})
	s.ends()
	if n := len(s.text(id)); n != 2*protocol.ShellWindow+1000 {
		t.Errorf("%d bytes came of the %d that there was room for", n, 2*protocol.ShellWindow+1000)
	}
}

// The end of the session is the end of its shells, also of one that waits for
// room and one whose program does not read what is typed.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.eager = false
	s.own()
	s.types("stty raw; echo ra''w; sleep 1000\r")
	s.says("raw")
	for range protocol.ShellPending {
		s.types(strings.Repeat("x", protocol.ShellFrame))
	}
	began := time.Now()
	s.shells.Close()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	s.ends()
}

// More input than was answered ends the shell: nothing waits without bound.
func TestInputBeyondBound(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.own()
	s.types("stty raw; echo ra''w; sleep 1000\r")
	s.says("raw")
	for range 40 {
		s.types(strings.Repeat("x", protocol.ShellFrame))
	}
	s.ends()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open protocol.ShellOpen
		want string
	}{
		"NoAccountYet": {protocol.ShellOpen{User: "ada", UID: 2001}, "does not exist on this instance yet"},
		"SomebodyElse": {protocol.ShellOpen{User: "grace", UID: 2002}, "somebody else's"},
		"Root":         {protocol.ShellOpen{User: "root", UID: 2002}, "somebody else's"},
		"OwnNoSudo":    {protocol.ShellOpen{Own: true}, "only who may use sudo"},
		"Hostile":      {protocol.ShellOpen{User: "../../x", UID: 2002}, "does not understand"},
		"HostileTerm":  {protocol.ShellOpen{Own: true, Sudo: true, Term: "x\nLD_PRELOAD=/x"}, "does not understand"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, passwd(t, "root:x:0:0::/root:/bin/sh", "grace:x:500:500::/:/bin/sh", "broken", "ada2:x:2001:2001::/:/bin/sh"))
			s.shells.uid = 0
			o := c.open
			o.ID, o.Columns, o.Rows = id, 80, 24
			if o.Term == "" {
				o.Term = "xterm"
			}
			s.shells.Handle(o)
			if e := s.ends(); e.ExitCode != -1 || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %+v, want %q", e, c.want)
			}
		})
	}
	t.Run("OwnNoSudoNotRoot", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "")
		s.shells.uid = 1234 // the server's own user has its database, root or not
		s.shells.Handle(protocol.ShellOpen{ID: id, Own: true, Columns: 80, Rows: 24, Term: "xterm"})
		if e := s.ends(); e.ExitCode != -1 || !strings.Contains(e.Message, "only who may use sudo") {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("NotRoot", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "")
		s.shells.uid = 1234
		s.shells.Handle(protocol.ShellOpen{ID: id, User: "ada", UID: 2001, Columns: 80, Rows: 24, Term: "xterm"})
		if e := s.ends(); !strings.Contains(e.Message, "does not run as root") {
			t.Errorf("got %+v", e)
		}
	})
}

// passwd writes a file of accounts.
func passwd(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// As root, the shell is the account's own, in its home, and the terminal belongs
// to it.
func TestAccount(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	home, err := os.MkdirTemp("/tmp", "opsyard-shell") // others may enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chown(home, 2345, 2345); err != nil {
		t.Fatal(err)
	}
	s := serve(t, passwd(t, "shelltest:x:2345:2345:Ada,,,:"+home+":/bin/sh"))
	s.shells.Handle(protocol.ShellOpen{ID: id, User: "shelltest", UID: 2345, Columns: 80, Rows: 24, Term: "xterm"})
	s.types("echo uid=$(id -u) gid=$(id -g) groups=$(id -G) in=$(pwd) tty=$(stat -c %u:%a $(tty)) zero=$0; test -r /etc/shadow || echo no''secrets\r")
	s.says("uid=2345 gid=2345 groups=2345 in=" + home + " tty=2345:620 zero=-sh")
	s.says("nosecrets")
	s.types("exit\r")
	if e := s.ends(); e.ExitCode != 0 {
		t.Errorf("ended with %+v", e)
	}
}

// One agent runs a bounded number, and hears nothing of shells that it has not.
func TestMostAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	ids := make([]string, protocol.ShellsAtOnce+1)
	for n := range ids {
		ids[n] = fmt.Sprintf("0190aaaa-%04d", n)
		s.shells.Handle(protocol.ShellOpen{ID: ids[n], Own: true, Sudo: true, Columns: 80, Rows: 24, Term: "xterm"})
	}
	s.until("a refusal", func() bool {
		return strings.Contains(s.ended[ids[protocol.ShellsAtOnce]].Message, "Too many")
	})
	for _, m := range []any{protocol.ShellInput{ID: "x"}, protocol.ShellCredit{ID: "x"}, protocol.ShellClose{ID: "x"}, protocol.ShellResize{ID: "x", Columns: 1, Rows: 1}} {
		if !s.shells.Handle(m) {
			t.Errorf("%T is not about shells", m)
		}
	}
	if s.shells.Handle(protocol.Cancel{}) {
		t.Error("Cancel is about shells")
	}
	s.shells.Close()
	if len(s.ended) != len(ids) {
		t.Errorf("%d of %d ended", len(s.ended), len(ids))
	}
}
