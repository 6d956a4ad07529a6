package e2e

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// within is how long an instance has to follow what was changed.
const within = time.Minute

// logins is a machine with an SSH server, and people who log in to it.
type logins struct {
	*server
	console *console
	stack   models.StackID
	id      models.InstanceID
	address string
	keys    string // the directory of everybody's key
}

// People log in to a machine with a real client at a real server, as long as
// they may.
func TestSSH(t *testing.T) {
	t.Parallel()
	needMachines(t)
	for _, program := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	s, c := serve(t, "--provider", "local")
	l := &logins{server: s, console: c, stack: c.newStack("Logins", "local"), keys: filepath.Join(s.dir, "keys")}
	check(t, os.Mkdir(l.keys, 0o700))
	ana, ben, eve := l.person("ana-ssh"), l.person("ben-ssh"), l.person("eve-ssh")
	l.permit(ana, true, true)
	l.permit(ben, true, false)
	l.id = c.newInstances(l.stack, c.newLayer(l.stack, "Work", nil), 1)[0]
	s.becomes(models.InstanceOnline, 3*time.Minute, l.id)
	l.address = s.instance(l.id).PrivateIP
	l.inside("sh", "-c", "useradd --uid 1500 --create-home eve-ssh && apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends openssh-server sudo")

	for _, story := range []struct {
		name string
		tell func(*testing.T)
	}{
		{"with sudo", func(t *testing.T) {
			l.eventually(t, "ana logs in with sudo", func() bool { return l.run("ana-ssh", "sudo", "-n", "id", "-u") == "0" })
			if got := l.run("ana-ssh", "id", "-un") + " " + l.run("ana-ssh", "id", "-gn") + " " + l.run("ana-ssh", "pwd"); got != "ana-ssh opsworks /home/ana-ssh" {
				t.Errorf("she is %s", got)
			}
			l.inside("visudo", "-c", "-q")
		}},
		{"without sudo", func(t *testing.T) {
			l.eventually(t, "ben logs in", func() bool { return l.run("ben-ssh", "id", "-un") == "ben-ssh" })
			if got := l.run("ben-ssh", "sudo", "-n", "true", "&&", "echo", "root"); got == "root" {
				t.Error("he has sudo")
			}
			if got := l.run("ben-ssh", "cat", "/home/ana-ssh/.ssh/authorized_keys", "||", "echo", "refused"); got != "refused" {
				t.Errorf("he reads %q of hers", got)
			}
		}},
		{"not permitted", func(t *testing.T) {
			if got := l.run("eve-ssh", "echo", "in"); got != "" {
				t.Errorf("she is %s", got)
			}
		}},
		{"name taken", func(t *testing.T) {
			l.permit(eve, true, true)
			l.shows(t, "is here already and is not Opsyard's")
			if got := l.inside("sh", "-c", "id -u eve-ssh; ls -A /home/eve-ssh/.ssh /etc/sudoers.d/opsyard-eve-ssh 2>/dev/null"); strings.TrimSpace(got) != "1500" {
				t.Errorf("her account there became %s", got)
			}
			l.permit(eve, false, false)
		}},
		{"sudo taken away ends what runs as root", func(t *testing.T) {
			root := l.stay("ana-ssh", "sudo", "-n", "sleep", "1000")
			l.eventually(t, "she is root", func() bool { return strings.Contains(l.inside("ps", "-eo", "user,args"), "root     sleep 1000") })
			l.permit(ana, true, false)
			l.ends(t, root)
			l.eventually(t, "it has ended", func() bool { return !strings.Contains(l.inside("ps", "-eo", "args"), "sleep 1000") })
			l.eventually(t, "she logs in without sudo", func() bool { return l.run("ana-ssh", "sudo", "-n", "true", "||", "echo", "refused") == "refused" })
		}},
		{"revoked", func(t *testing.T) {
			session := l.stay("ben-ssh", "sleep", "1001")
			l.eventually(t, "he is in", func() bool { return strings.Contains(l.inside("ps", "-eo", "args"), "sleep 1001") })
			l.inside("sh", "-c", "echo kept >/home/ben-ssh/notes")
			l.permit(ben, false, false)
			l.ends(t, session)
			l.eventually(t, "he is refused", func() bool { return l.run("ben-ssh", "echo", "in") == "" })
			if got := l.inside("sh", "-c", "getent passwd ben-ssh; cat /home/ben-ssh/notes"); strings.TrimSpace(got) != "kept" {
				t.Errorf("there is left %q", got)
			}
		}},
		{"for some time", func(t *testing.T) {
			in := "/stacks/" + string(l.stack) + "/permissions"
			c.in(t).post(in+"/grant-ssh", url.Values{"user": {ben}, "for": {"1h"}, "sudo": {"on"}})
			l.eventually(t, "he logs in with sudo", func() bool { return l.run("ben-ssh", "sudo", "-n", "id", "-u") == "0" })
			if page := text(c.in(t).get(in)); !strings.Contains(page, "SSH and sudo") {
				t.Errorf("the page does not say so: %s", page)
			}
			p, err := s.store().Permissions.Get(context.Background(), l.stack, models.UserID(ben))
			check(t, err)
			past := time.Now().Add(-time.Second)
			p.SSHUntil = &past
			check(t, s.store().Permissions.Set(context.Background(), *p))
			l.eventually(t, "it has ended", func() bool { return l.run("ben-ssh", "echo", "in") == "" })
		}},
		{"revoked while the agent was away", func(t *testing.T) {
			l.inside("systemctl", "stop", "opsyard-agent")
			l.permit(ana, false, false)
			if got := l.run("ana-ssh", "echo", "in"); got != "in" {
				t.Errorf("before: %q", got)
			}
			l.inside("systemctl", "start", "opsyard-agent")
			l.eventually(t, "she is refused", func() bool { return l.run("ana-ssh", "echo", "in") == "" })
			if got := l.inside("sh", "-c", "ls -A /etc/sudoers.d | grep opsyard; getent group opsworks | cut -d: -f1"); strings.TrimSpace(got) != "opsworks" {
				t.Errorf("there is left %q", got)
			}
		}},
	} {
		if !t.Run(story.name, story.tell) {
			return
		}
	}
}

// person makes somebody with a key of their own, and returns their id.
func (l *logins) person(name string) string {
	l.t.Helper()
	file := filepath.Join(l.keys, name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file).CombinedOutput(); err != nil {
		l.t.Fatalf("make a key: %v\n%s", err, out)
	}
	key, err := os.ReadFile(file + ".pub")
	check(l.t, err)
	return l.console.made("/team/users", url.Values{"Name": {name}, "SshUsername": {name}, "SshPublicKey": {string(key)}})
}

func (l *logins) permit(user string, ssh, sudo bool) {
	form := url.Values{"row": {user}, "level-" + user: {string(models.LevelShow)}}
	if ssh {
		form.Set("ssh-"+user, "on")
	}
	if sudo {
		form.Set("sudo-"+user, "on")
	}
	l.console.post("/stacks/"+string(l.stack)+"/permissions", form)
}

func (l *logins) client(name string, command ...string) *exec.Cmd {
	return exec.Command("ssh", append([]string{
		"-F", "/dev/null", "-i", filepath.Join(l.keys, name), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(l.keys, "known_hosts"), "-o", "LogLevel=ERROR",
		name + "@" + l.address,
	}, command...)...)
}

// run runs a command over SSH; what it prints is empty when it is refused.
func (l *logins) run(name string, command ...string) string {
	out, _ := l.client(name, command...).Output() // how it ended is in what it said
	return strings.TrimSpace(string(out))
}

// stay runs a command over SSH that does not end by itself.
func (l *logins) stay(name string, command ...string) (ended <-chan error) {
	l.t.Helper()
	cmd := l.client(name, command...)
	check(l.t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	l.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return done
}

func (l *logins) ends(t *testing.T, session <-chan error) {
	t.Helper()
	select {
	case <-session:
	case <-time.After(within):
		t.Error("the session goes on")
	}
}

func (l *logins) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	wait(t, what, within, holds)
	t.Logf("%s after %s", what, time.Since(began).Round(10*time.Millisecond))
}

// shows waits for a sentence on the instance's page.
func (l *logins) shows(t *testing.T, sentence string) {
	t.Helper()
	l.eventually(t, "the page says: "+sentence, func() bool {
		return strings.Contains(text(l.console.in(t).get("/instances/"+string(l.id))), sentence)
	})
}

// inside runs a command in the machine, as root.
func (l *logins) inside(command ...string) string {
	l.t.Helper()
	pid := strconv.Itoa(machinePid(l.t, l.data, l.id))
	out, err := exec.Command("nsenter", append([]string{"-t", pid, "-a", "--"}, command...)...).CombinedOutput()
	if err != nil && len(out) > 0 {
		l.t.Logf("%s in the machine: %v\n%s", command[0], err, out)
	}
	return string(out)
}
