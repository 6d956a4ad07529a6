package resource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
)

// fakeMachine runs services as servers of the test: a unit's file says the
// port, and the app's command what to answer.
type fakeMachine struct {
	b        *bundle
	running  map[string]*http.Server
	enabled  map[string]bool
	calls    []string
	reloads  int
	answer   int   // what versions answer, 0 for none that listens
	nginx    error // why Nginx does not reload
	workers  [][]int
	restarts string
	none     error    // why there are no services here
	stranger error    // why another user listens
	pointed  []string // Nginx's upstreams at its reloads
}

func (m *fakeMachine) listens(int, string) error { return m.stranger }

func (m *fakeMachine) check() error { return m.none }

func (m *fakeMachine) systemctl(_ context.Context, args ...string) error {
	m.calls = append(m.calls, strings.Join(args, " "))
	verb, unit := args[0], args[len(args)-1]
	if verb == "--quiet" {
		verb = args[1]
	}
	switch verb {
	case "restart":
		m.stop(unit)
		return m.start(unit)
	case "stop":
		m.stop(unit)
	case "enable", "disable":
		m.enabled[unit] = verb == "enable"
	}
	return nil
}

var envFileLine = regexp.MustCompile(`(?m)^EnvironmentFile=(.*)$`)

func (m *fakeMachine) start(unit string) error {
	text, err := os.ReadFile(m.b.path("etc/systemd/system/" + unit))
	if err != nil {
		return err
	}
	env, err := os.ReadFile(m.b.path(envFileLine.FindStringSubmatch(string(text))[1]))
	if err != nil || m.answer == 0 {
		return err
	}
	port := regexp.MustCompile(`PORT="(\d+)"`).FindStringSubmatch(string(env))[1]
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	status := m.answer
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })}
	m.running[unit] = s
	go func() { _ = s.Serve(l) }()
	return nil
}

func (m *fakeMachine) stop(unit string) {
	if s := m.running[unit]; s != nil {
		_ = s.Close()
		delete(m.running, unit)
	}
}

func (m *fakeMachine) property(_ context.Context, unit, name string) (string, error) {
	if name == "NRestarts" {
		return m.restarts, nil
	}
	if m.running[unit] != nil {
		return "active", nil
	}
	return "inactive", nil
}

func (m *fakeMachine) journal(_ context.Context, unit string) error {
	m.calls = append(m.calls, "journal "+unit)
	return nil
}

func (m *fakeMachine) reloadNginx(context.Context) error {
	m.reloads++
	if conf, err := os.ReadFile(m.b.path("etc/nginx/conf.d/opsyard-app-hello.conf")); err == nil {
		m.pointed = append(m.pointed, strings.Join(regexp.MustCompile(`max_fails=0|backup|down`).FindAllString(string(conf), -1), " "))
	}
	return m.nginx
}

func (m *fakeMachine) nginxWorkers(context.Context) []int {
	if len(m.workers) == 0 {
		return nil
	}
	now := m.workers[0]
	m.workers = m.workers[1:]
	return now
}

// serving is a site whose app is a service.
type serving struct {
	*site
	m *fakeMachine
}

func setupServing(t *testing.T) *serving {
	t.Helper()
	s := &serving{site: setupSite(t)}
	s.m = &fakeMachine{b: s.bundle, running: map[string]*http.Server{}, enabled: map[string]bool{}, answer: 200, restarts: "0"}
	s.machine = s.m
	t.Cleanup(func() {
		for unit := range s.m.running {
			s.m.stop(unit)
		}
	})
	s.changes(t, 2, 0, "release", "create", "hello")
	return s
}

// version makes a new release, a second after the last.
func (s *serving) version(t *testing.T, content string) {
	t.Helper()
	s.now = s.now.Add(1e9)
	s.commit(t, content)
	s.changes(t, 1, 1, "release", "create", "hello")
}

func (s *serving) serves(t *testing.T, content, unit string) {
	t.Helper()
	s.holds(t, "srv/www/hello/current/index.html", content)
	var units []string
	for name := range s.m.running {
		units = append(units, name)
	}
	if !slices.Equal(units, []string{unit}) || !s.m.enabled[unit] {
		t.Errorf("%v run, want %s; enabled are %v", units, unit, s.m.enabled)
	}
}

const (
	firstUnit  = "opsyard-app-hello@1.service"
	secondUnit = "opsyard-app-hello@2.service"
)

var serveHello = []string{"app", "serve", "hello", "--command", "exec ./it's"}

func TestServe(t *testing.T) {
	s := setupServing(t)
	s.changes(t, 1, 0, serveHello...)
	s.serves(t, "one", firstUnit)
	s.changes(t, 0, 1, serveHello...)
	for path, want := range map[string]string{
		"etc/nginx/conf.d/opsyard-app-hello.conf": "max_fails=0;\n}",
		"etc/opsyard-apps/hello@1.run":            `exec bash -c 'exec ./it'\''s'`,
		"etc/systemd/system/" + firstUnit:         "WorkingDirectory=/srv/www/hello/releases/20260301120000\n",
		"etc/logrotate.d/opsyard-app-hello":       "/srv/www/hello/shared/log/*.log {",
	} {
		if got, err := os.ReadFile(s.path(path)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s lacks %q: %s, %v", path, want, got, err)
		}
	}
	if info, err := os.Stat(s.path("etc/opsyard-apps/hello@1.env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the environment is %v, %v", info, err)
	}
	s.version(t, "two")
	s.m.workers = [][]int{{7, 8}, {7, 9}, {9}}
	s.changes(t, 1, 0, serveHello...)
	s.serves(t, "two", secondUnit)
	if len(s.m.workers) != 0 {
		t.Error("the old version ended before its requests")
	}
	s.gone(t, "etc/systemd/system/"+firstUnit)
	s.changes(t, 2, 0, "app", "serve", "hello", "--rollback")
	s.serves(t, "one", firstUnit)
	s.fails(t, 1, "is the oldest one kept", "app", "serve", "hello", "--rollback")
	s.changes(t, 1, 0, "app", "serve", "hello", "--restart")
	s.serves(t, "one", secondUnit)
	s.changes(t, 1, 0, "app", "serve", "hello", "--stop")
	s.changes(t, 0, 1, "app", "serve", "hello", "--stop")
	s.changes(t, 1, 0, "app", "serve", "hello", "--start")
	s.serves(t, "one", secondUnit)
	s.changes(t, 1, 0, "app", "serve", "hello", "--absent")
	s.changes(t, 0, 1, "app", "serve", "hello", "--absent")
	if left, err := os.ReadDir(s.path("etc/opsyard-apps")); err != nil || len(left)+len(s.m.running) > 0 {
		t.Errorf("%v and %v are left, %v", left, s.m.running, err)
	}
}

func TestServeNewEnvironment(t *testing.T) {
	s := setupServing(t)
	s.changes(t, 1, 0, serveHello...)
	s.document(t, "OPSYARD_PRIVATE", map[string]any{"apps": []protocol.App{{Shortname: "hello", Environment: map[string]string{"COLOUR": "red $HOME"}}}})
	s.changes(t, 1, 0, serveHello...)
	s.serves(t, "one", secondUnit)
	if got, err := os.ReadFile(s.path("etc/opsyard-apps/hello@2.env")); err != nil || !strings.Contains(string(got), `COLOUR="red \$HOME"`) {
		t.Errorf("the environment is %s, %v", got, err)
	}
}

// A version that fails in any way leaves the old one as it was.
func TestServeFailures(t *testing.T) {
	s := setupServing(t)
	s.m.answer = 0
	s.fails(t, 1, "does not answer on port", append(serveHello, "--timeout", "150ms")...)
	s.gone(t, "srv/www/hello/current")
	s.m.answer = 200
	s.changes(t, 1, 0, serveHello...)
	for says, breaks := range map[string]func(){
		"it answers / with 503":         func() { s.m.answer = 503 },
		"somebody else listens":         func() { s.m.stranger = errors.New("somebody else listens") },
		"ends as soon as it is started": func() { s.m.answer, s.m.restarts = 0, "2" },
		"point Nginx at the app":        func() { s.m.nginx = errors.New("bad file") },
	} {
		s.version(t, says)
		s.m.answer, s.m.restarts, s.m.nginx, s.m.stranger = 200, "0", nil, nil
		breaks()
		s.fails(t, 1, says, append(serveHello, "--timeout", "1s")...)
		s.serves(t, "one", firstUnit)
		if n := s.releases(t); n != 1 {
			t.Errorf("%s: %d releases are left", says, n)
		}
		s.gone(t, "etc/systemd/system/"+secondUnit)
	}
	s.m.none = errors.New("no systemd here")
	s.fails(t, 1, "no systemd here", serveHello...)
	s.fails(t, 1, "no systemd here", "app", "serve", "hello", "--stop")
}

func TestServeRefuses(t *testing.T) {
	s := setupServing(t)
	s.fails(t, 1, "nothing says how to run", "app", "serve", "hello")
	s.fails(t, 1, "not an app's short name", "app", "serve", "a b", "--absent")
	s.fails(t, 1, "NAME=VALUE", append(serveHello, "--set", "1")...)
	s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"deploy": map[string]any{"hello": map[string]any{"user": "me\nUser=root"}}})
	s.fails(t, 1, "cannot run with", serveHello...)
	s.gone(t, "etc/systemd/system/"+firstUnit)
}

func TestServePorts(t *testing.T) {
	s := setupServing(t)
	s.write(t, "etc/opsyard-apps/other.json", fmt.Sprintf(`{"ports":[%d,%d]}`, firstPort, firstPort+1))
	s.changes(t, 1, 0, serveHello...)
	if got, err := os.ReadFile(s.path("etc/opsyard-apps/hello.json")); err != nil || strings.Contains(string(got), fmt.Sprintf("[%d", firstPort)) {
		t.Errorf("the app has the ports of another: %s, %v", got, err)
	}
}

// A port on which the app does not run is anybody's: Nginx must not ask there.
func TestServeNamesNoIdlePort(t *testing.T) {
	s := setupServing(t)
	s.changes(t, 1, 0, serveHello...)
	s.version(t, "two")
	s.changes(t, 1, 0, serveHello...)
	s.changes(t, 1, 0, "app", "serve", "hello", "--stop")
	s.changes(t, 1, 0, "app", "serve", "hello", "--start")
	if want := []string{"max_fails=0", "max_fails=0 backup", "max_fails=0", "down", "max_fails=0"}; !slices.Equal(s.m.pointed, want) {
		t.Errorf("Nginx was pointed at %q, want %q", s.m.pointed, want)
	}
}

// Somebody who sits on the idle port does not keep the next version from coming.
func TestServeGoesToAnotherPort(t *testing.T) {
	s := setupServing(t)
	s.changes(t, 1, 0, serveHello...)
	var l []net.Listener
	t.Cleanup(func() {
		for _, one := range l {
			_ = one.Close()
		}
	})
	for port := firstPort; port < firstPort+4; port++ {
		if one, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l = append(l, one)
		}
	}
	s.version(t, "two")
	s.changes(t, 1, 0, serveHello...)
	s.serves(t, "two", secondUnit)
}

func TestWhoListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, _ := l.Addr().(*net.TCPAddr)
	me, another := fmt.Sprint(os.Geteuid()), fmt.Sprint(os.Geteuid()+1)
	if err := (ownMachine{}).listens(addr.Port, me); err != nil {
		t.Error(err)
	}
	if err := (ownMachine{}).listens(addr.Port, another); err == nil || !strings.Contains(err.Error(), "instead of the app") {
		t.Errorf("another user's: %v", err)
	}
}
