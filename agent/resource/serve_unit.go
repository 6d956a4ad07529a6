package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// slot is one of the two places in which versions of an app run.
type slot struct {
	n    int
	unit string
	port int
}

func (s *served) slot(n int) slot {
	return slot{n, fmt.Sprintf("opsyard-app-%s@%d.service", s.App, n+1), s.state.Ports[n]}
}

func (s *served) unitFile(of slot) string { return filepath.Join("/etc/systemd/system", of.unit) }
func (s *served) envFile(of slot) string  { return s.file(fmt.Sprintf("@%d.env", of.n+1)) }
func (s *served) runFile(of slot) string  { return s.file(fmt.Sprintf("@%d.run", of.n+1)) }
func (s *served) logrotate() string       { return "/etc/logrotate.d/opsyard-app-" + s.App }

// Ports of apps lie below those that systems give to outgoing connections.
const (
	firstPort = 20000
	lastPort  = 29998
)

// choosePort gives a slot, in which nothing runs, a port that no other app has
// and nobody listens on.
func (s *served) choosePort(ctx context.Context, slot int) error {
	if port := s.state.Ports[slot]; port != 0 && free(ctx, port) {
		return nil
	}
	taken, err := s.takenPorts()
	if err != nil {
		return err
	}
	taken[s.state.Ports[1-slot]] = true
	for port := firstPort; port <= lastPort; port++ {
		if !taken[port] && free(ctx, port) {
			s.state.Ports[slot] = port
			return nil
		}
	}
	return errors.New("no port is free for the app")
}

func (s *served) takenPorts() (map[int]bool, error) {
	paths, err := filepath.Glob(s.h.path(filepath.Join(serveDir, "*.json")))
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var other serveState
		if err := json.Unmarshal(data, &other); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		taken[other.Ports[0]], taken[other.Ports[1]] = true, true
	}
	return taken, nil
}

func free(ctx context.Context, port int) bool {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// serveFile is a file of the service.
type serveFile struct {
	content []byte
	mode    fs.FileMode
}

// files are those of a slot that serves the release, by path.
func (s *served) files(of slot, release string) (map[string]serveFile, error) {
	user, group, err := s.d.people()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.d.dir, "releases", release)
	log := filepath.Join(s.d.dir, "shared", "log")
	// These end up in files that root's programs read.
	for _, value := range []string{user, group, dir} {
		if !harmless(value) {
			return nil, fmt.Errorf("app %s cannot run with %q: only letters, digits and . _ - / are allowed there", s.App, value)
		}
	}
	env, err := s.environment(of, dir)
	if err != nil {
		return nil, err
	}
	return map[string]serveFile{
		s.unitFile(of): {[]byte(fmt.Sprintf(unitFormat, s.App, release, user, group, dir, s.envFile(of), s.runFile(of), s.App)), 0o644},
		s.runFile(of):  {[]byte(fmt.Sprintf(runFormat, quoteShell(filepath.Join(log, s.App+".log")), quoteShell(s.Command))), 0o755},
		s.envFile(of):  {env, 0o600},
		s.logrotate():  {[]byte(fmt.Sprintf(logrotateFormat, log, user, group)), 0o644},
	}, nil
}

func harmless(value string) bool {
	return value != "" && !strings.HasPrefix(value, "-") && !strings.ContainsFunc(value, func(r rune) bool {
		return !strings.ContainsRune("._-/", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// unitFormat: systemd starts it again whenever it ends, and ends all of it.
const unitFormat = `# Written by Opsyard; changes made here are lost.
[Unit]
Description=App %s, release %s
After=network.target
StartLimitIntervalSec=0

[Service]
User=%s
Group=%s
WorkingDirectory=%s
EnvironmentFile=%s
ExecStart=/bin/bash %s
SyslogIdentifier=%s
Restart=always
RestartSec=1
SuccessExitStatus=143
TimeoutStopSec=60
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`

// runFormat: what the app prints goes to the journal and to its log. The log's
// writer must outlast the signal that ends the app.
const runFormat = `# Written by Opsyard; changes made here are lost.
exec > >(trap '' TERM INT QUIT HUP; exec tee -a -- %s) 2>&1
exec bash -c %s
`

// logrotateFormat: as OpsWorks had it, each day for thirty days.
const logrotateFormat = `# Written by Opsyard; changes made here are lost.
%s/*.log {
    su %s %s
    daily
    rotate 30
    missingok
    notifempty
    compress
    delaycompress
    copytruncate
}
`

// environment is the app's, with where it is to listen.
func (s *served) environment(of slot, dir string) ([]byte, error) {
	a, err := app(s.App)
	if err != nil {
		return nil, err
	}
	env := map[string]string{"HOST": "127.0.0.1"}
	for name, value := range appEnvironment(a) {
		env[name] = value
	}
	for _, pair := range s.Set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !isVariable(name) {
			return nil, fmt.Errorf("--set takes NAME=VALUE, not a value alone or a name such as %q", name)
		}
		env[name] = strings.ReplaceAll(value, "{release}", dir)
	}
	env["PORT"] = strconv.Itoa(of.port)
	return formatEnvironment("systemd", env)
}

// same tells whether the files hold what they should.
func (s *served) same(files map[string]serveFile) bool {
	for path, f := range files {
		has, err := os.ReadFile(s.h.path(path))
		if err != nil || !bytes.Equal(has, f.content) {
			return false
		}
	}
	return true
}

func (s *served) write(files map[string]serveFile) error {
	for path, f := range files {
		if err := s.put(path, f.content, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// clear ends what runs in a slot and removes the slot's files.
func (s *served) clear(ctx context.Context, of slot) error {
	if _, err := os.Lstat(s.h.path(s.unitFile(of))); err == nil {
		if err := s.m.systemctl(ctx, "--quiet", "disable", of.unit); err != nil {
			return err
		}
		if err := s.m.systemctl(ctx, "stop", of.unit); err != nil {
			return err
		}
		_ = s.m.systemctl(ctx, "--quiet", "reset-failed", of.unit) // complains of one that has not failed
	}
	for _, path := range []string{s.unitFile(of), s.envFile(of), s.runFile(of)} {
		if err := os.Remove(s.h.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.m.systemctl(ctx, "daemon-reload")
}

// appMachine is what an app's service needs of its machine.
type appMachine interface {
	// check tells why apps cannot be served here.
	check() error
	systemctl(ctx context.Context, args ...string) error
	property(ctx context.Context, unit, name string) (string, error)
	// journal prints the last lines of a unit.
	journal(ctx context.Context, unit string) error
	reloadNginx(ctx context.Context) error
	// listens tells why the user is not who listens on a port of this machine.
	listens(port int, user string) error
	// nginxWorkers are the processes of Nginx that answer requests.
	nginxWorkers(ctx context.Context) []int
}

func (h *host) appMachine() appMachine {
	if h.machine != nil {
		return h.machine
	}
	return ownMachine{h}
}

// ownMachine is the machine that the agent runs on.
type ownMachine struct{ h *host }

func (m ownMachine) check() error {
	if err := m.h.ownMachine(); err != nil {
		return err
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil || !found("systemctl") {
		return errors.New("this host does not run systemd, which keeps the processes of apps running")
	}
	return nil
}

func (m ownMachine) systemctl(ctx context.Context, args ...string) error {
	return m.h.run(ctx, "systemctl", args...)
}

func (m ownMachine) property(ctx context.Context, unit, name string) (string, error) {
	return systemd{}.property(ctx, m.h, name, unit)
}

func (m ownMachine) journal(ctx context.Context, unit string) error {
	return m.h.run(ctx, "journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=30", "--unit="+unit)
}

func (m ownMachine) reloadNginx(ctx context.Context) error {
	if err := m.h.run(ctx, "nginx", "-t", "-q"); err != nil {
		return err
	}
	active, err := systemd{}.active(ctx, m.h, "nginx")
	if err != nil || !active {
		return err // it reads its files when it starts
	}
	return systemd{}.do(ctx, m.h, "reload", "nginx")
}

func (m ownMachine) listens(port int, user string) error {
	id, err := userID(user)
	if err != nil {
		return err
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, owner := range listeners(string(data), port) {
			if owner != id {
				return fmt.Errorf("user %d listens on port %d instead of the app", owner, port)
			}
		}
	}
	return nil
}

// reached are the addresses, as the kernel writes them, of sockets that are
// reached by 127.0.0.1.
var reached = []string{"0100007F", "00000000", "0000000000000000FFFF00000100007F", "00000000000000000000000000000000"}

// listeners are the users who listen on a port of 127.0.0.1, by the kernel's table.
func listeners(table string, port int) (users []int) {
	const listening = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[3] != listening {
			continue
		}
		address, on, _ := strings.Cut(f[1], ":")
		if on != fmt.Sprintf("%04X", port) || !slices.Contains(reached, address) {
			continue
		}
		if id, err := strconv.Atoi(f[7]); err == nil {
			users = append(users, id)
		}
	}
	return users
}

func (m ownMachine) nginxWorkers(ctx context.Context) []int {
	master, err := systemd{}.property(ctx, m.h, "MainPID", "nginx")
	if err != nil || master == "0" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join("/proc", master, "task", master, "children"))
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
