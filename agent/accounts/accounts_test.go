package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"opsyard/agent/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is a directory that stands for a host, with programs of the test's own.
type system struct {
	t    *testing.T
	root string
	data string
	ran  []string
	fail map[string]error // by program
	dead []int            // users whose processes were ended
}

func newSystem(t *testing.T) *system {
	s := &system{t: t, root: t.TempDir(), data: t.TempDir(), fail: map[string]error{}}
	for _, dir := range []string{"etc/sudoers.d", "home"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\neve:x:1000:1000::/home/eve:/bin/bash\n")
	s.write("etc/group", "root:x:0:\nops:x:2:\n")
	return s
}

func (s *system) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) read(name string) string {
	b, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (s *system) there(name string) bool {
	_, err := os.Lstat(filepath.Join(s.root, name))
	return err == nil
}

// keeper is an agent's, over whatever the one before it left.
func (s *system) keeper() *Keeper {
	s.t.Helper()
	host := Host{
		root: s.root, run: s.run,
		chown: s.chown,
		end:   func(_ context.Context, uid int) { s.dead = append(s.dead, uid) },
	}
	return Open(s.data, host, slog.New(slog.DiscardHandler))
}

func (s *system) chown(f *os.File, uid, gid int) error {
	return cmp.Or(s.fail["chown"], f.Chown(uid, gid))
}

func (s *system) run(_ context.Context, program string, args ...string) error {
	s.ran = append(s.ran, strings.Join(append([]string{program}, args...), " "))
	if err := s.fail[program]; err != nil {
		return err
	}
	name := args[len(args)-1]
	switch program {
	case "groupadd":
		s.write("etc/group", s.read("etc/group")+name+":x:990:\n")
	case "useradd":
		s.write("etc/passwd", s.read("etc/passwd")+fmt.Sprintf("%s:x:%s:990::/home/%s:/bin/bash\n", name, args[slices.Index(args, "--uid")+1], name))
		s.home(name, args[slices.Index(args, "--uid")+1])
	case "userdel":
		var left []string
		for line := range strings.Lines(s.read("etc/passwd")) {
			if !strings.HasPrefix(line, name+":") {
				left = append(left, line)
			}
		}
		s.write("etc/passwd", strings.Join(left, ""))
	case "visudo":
		if !strings.Contains(s.read(strings.TrimPrefix(name, s.root)), "NOPASSWD") {
			return errors.New("it does not parse")
		}
	case "loginctl", "restorecon":
		return errNoProgram
	}
	return nil
}

// apply makes the accounts the wanted ones.
func (s *system) apply(users ...protocol.Account) protocol.AccountsApplied {
	s.t.Helper()
	return s.keeper().Apply(s.t.Context(), protocol.Accounts{Revision: "r", Users: users})
}

func (s *system) fine(users ...protocol.Account) {
	s.t.Helper()
	if a := s.apply(users...); a.Problem != "" || len(a.Skipped) > 0 || a.Revision != "r" {
		s.t.Errorf("applied %+v: %+v", users, a)
	}
}

func (s *system) skips(reason string, users ...protocol.Account) {
	s.t.Helper()
	a := s.apply(users...)
	if len(a.Skipped) != 1 || !strings.Contains(a.Skipped[0].Reason, reason) {
		s.t.Errorf("want one skipped because of %q, got %+v", reason, a)
	}
}

func (s *system) passwd(name string) string {
	for line := range strings.Lines(s.read("etc/passwd")) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

const (
	key    = "ssh-ed25519 AAAAC3Nza first"
	newKey = "ssh-ed25519 AAAAC3NzaNew second"
	keyAt  = "home/ana/.ssh/authorized_keys"
	sudoAt = "etc/sudoers.d/opsyard-ana"
	// otherKeysAt is read by sshd as well.
	otherKeysAt = "home/ana/.ssh/authorized_keys2"
)

// home makes a home directory for an id.
func (s *system) home(name, id string) {
	s.t.Helper()
	dir := filepath.Join(s.root, "home", name)
	uid, err := strconv.Atoi(id)
	if err == nil && !s.there("home/"+name) {
		err = errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, uid, 990))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// setup is a system on which Ana may log in with sudo.
func setup(t *testing.T) (*system, protocol.Account) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("files are given to users, which needs root")
	}
	s := newSystem(t)
	ana := protocol.Account{Name: "ana", UID: 2000, Keys: []string{key}, Sudo: true}
	s.fine(ana)
	return s, ana
}

func TestMade(t *testing.T) {
	t.Parallel()
	s, ana := setup(t)
	if got := s.passwd("ana"); got != "ana:x:2000:990::/home/ana:/bin/bash" {
		t.Errorf("the account is %q", got)
	}
	if got := s.read(keyAt); !strings.HasSuffix(got, "\n"+key+"\n") || strings.Count(got, "\n") != 2 {
		t.Errorf("the keys are %q", got)
	}
	for name, want := range map[string]os.FileMode{keyAt: 0o600, "home/ana/.ssh": 0o700, sudoAt: 0o440} {
		fi, err := os.Lstat(filepath.Join(s.root, name))
		if err != nil {
			t.Fatal(err)
		}
		owner := 2000
		if name == sudoAt {
			owner = 0
		}
		if fi.Mode().Perm() != want || ownerOf(fi) != owner {
			t.Errorf("%s has mode %v and owner %d", name, fi.Mode(), ownerOf(fi))
		}
	}
	if !strings.HasSuffix(s.read(sudoAt), "\nana ALL=(ALL:ALL) NOPASSWD: ALL\n") {
		t.Errorf("sudo is %q", s.read(sudoAt))
	}
	before := len(s.ran)
	s.fine(ana)
	if len(s.ran) != before {
		t.Errorf("what was as wanted led to %q", s.ran[before:])
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	s, ana := setup(t)
	ana.Keys = []string{newKey}
	s.fine(ana)
	if got := s.read(keyAt); strings.Contains(got, key) || !strings.Contains(got, newKey) || !slices.Equal(s.dead, []int{2000}) {
		t.Errorf("the keys are %q, ended were %v", got, s.dead)
	}
	ana.Sudo = false
	s.fine(ana)
	if s.there(sudoAt) || !slices.Equal(s.dead, []int{2000, 2000}) {
		t.Errorf("sudo is %q; ended were %v", s.read(sudoAt), s.dead)
	}
	s.write(keyAt, "ssh-rsa AAAA another\n") // by hand, which does not last
	s.fine(ana)
	if got := s.read(keyAt); !strings.Contains(got, newKey) {
		t.Errorf("the keys are %q", got)
	}
}

// Whoever came in by a key that is taken away is put out, once, whatever they
// have made of the files meanwhile. What else changes puts nobody out.
func TestLoginsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	s, ana := setup(t)
	wantEnded := func(what string, times int) {
		t.Helper()
		s.fine(ana) // every keeper of this test is a new one
		if len(s.dead) != times {
			t.Errorf("%s: logins were ended %d times, want %d", what, len(s.dead), times)
		}
	}
	ana.Keys = []string{key + ", with another comment", newKey}
	wantEnded("one more", 0)
	s.write(keyAt, "") // by the thief of a key, so that nothing of it is seen to go
	ana.Keys = []string{newKey}
	s.fail["chown"] = errors.New("no space left on device")
	s.skips("no space left", ana)
	if s.there(keyAt) || len(s.dead) != 1 {
		t.Errorf("what could not be replaced is %q; ended were %v", s.read(keyAt), s.dead)
	}
	delete(s.fail, "chown")
	wantEnded("replaced", 2)
	wantEnded("nothing new", 2)
	ana.Keys = nil
	wantEnded("taken away", 3)
	ana.Keys = []string{newKey}
	wantEnded("given back", 3)
}

func TestRemovedByAnotherAgent(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	s.write("home/ana/notes", "kept")
	s.write(otherKeysAt, key)
	s.fine() // every keeper of this test is a new one
	if s.passwd("ana") != "" || s.there(keyAt) || s.there(otherKeysAt) || s.there(sudoAt) || !slices.Contains(s.dead, 2000) {
		t.Errorf("left: %q, ended: %v", s.passwd("ana"), s.dead)
	}
	if s.read("home/ana/notes") != "kept" {
		t.Error("the home is gone")
	}
	if !strings.Contains(s.read("etc/passwd"), "root:x:0:0") || !strings.Contains(s.read("etc/passwd"), "eve:x:1000:1000") {
		t.Errorf("others were touched: %q", s.read("etc/passwd"))
	}
	before := len(s.ran)
	s.fine()
	if len(s.ran) != before {
		t.Errorf("afterwards it ran %q", s.ran[before:])
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	s, ana := setup(t)
	s.skips("is not Opsyard's", ana, protocol.Account{Name: "eve", UID: 2001})
	s.skips("belongs to user id 2000", protocol.Account{Name: "ana", UID: 2009}) // a namesake does not get what she left
	s.write("etc/sudoers.d/opsyard-ben", "ben ALL=(ALL) ALL\n")
	s.skips("was not made by Opsyard", protocol.Account{Name: "ben", UID: 2002, Sudo: true})
	if got := s.read("etc/sudoers.d/opsyard-ben"); got != "ben ALL=(ALL) ALL\n" {
		t.Errorf("it holds %q", got)
	}
	s.fine()
	if !s.there("etc/sudoers.d/opsyard-ben") {
		t.Error("a file of somebody else was removed")
	}
}

// An account that somebody has made theirs keeps what is theirs, and loses what
// we gave it.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	s.write(otherKeysAt, key+"\n") // by the new owner
	s.write("etc/passwd", strings.Replace(s.read("etc/passwd"), "ana:x:2000:990:", "ana:x:2000:27:", 1))
	s.skips("Somebody has changed the account")
	if s.passwd("ana") == "" || s.there(sudoAt) || s.there(keyAt) || len(s.dead) > 0 {
		t.Errorf("left: %q, %q, %q, ended %v", s.passwd("ana"), s.read(sudoAt), s.read(keyAt), s.dead)
	}
	s.write(keyAt, key+"\n") // by the new owner
	s.fine()
	if !s.there(keyAt) || !s.there(otherKeysAt) {
		t.Error("the new owner's key was removed")
	}
}

// opens replaces the key and sees that no other one is left that sshd would find.
func (s *system) opens(ana protocol.Account) {
	s.t.Helper()
	ana.Keys = []string{newKey}
	s.fine(ana)
	fi, err := os.Lstat(filepath.Join(s.root, "home/ana/.ssh"))
	if err != nil || !fi.IsDir() {
		s.t.Errorf(".ssh is %v, %v", fi, err)
	}
	if got := s.read(keyAt); got != ourMark+newKey+"\n" || s.there(otherKeysAt) {
		s.t.Errorf("the keys are %q, and there are others: %v", got, s.there(otherKeysAt))
	}
}

// A link for .ssh leads to keys that nobody could take away: when the account
// cannot be removed either, it must be gone.
func TestNoKeyIsLeftBehindALink(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"elsewhere", "/etc"} {
		s, _ := setup(t)
		ssh := filepath.Join(s.root, "home/ana/.ssh")
		if err := errors.Join(os.Mkdir(filepath.Join(s.root, "home/ana/elsewhere"), 0o700), os.RemoveAll(ssh), os.Symlink(to, ssh)); err != nil {
			t.Fatal(err)
		}
		s.fail["userdel"] = errors.New("no space left on device")
		s.skips("no space left")
		if s.there("home/ana/.ssh") || !s.there("home/ana/elsewhere") {
			t.Errorf("the link to %s is there: %v", to, s.there("home/ana/.ssh"))
		}
	}
}

func TestHostileHomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(s *system) error
		reason  string
	}{
		"link out of the home": {func(s *system) error {
			return os.Symlink(filepath.Join(s.root, "etc"), filepath.Join(s.root, "home/ana/.ssh"))
		}, ""},
		"link within the home": {func(s *system) error {
			return errors.Join(os.Mkdir(filepath.Join(s.root, "home/ana/elsewhere"), 0o700), os.Symlink("elsewhere", filepath.Join(s.root, "home/ana/.ssh")))
		}, ""},
		"file for a directory": {func(s *system) error { return os.WriteFile(filepath.Join(s.root, "home/ana/.ssh"), nil, 0o644) }, ""},
		"another file of keys": {func(s *system) error {
			return errors.Join(os.Mkdir(filepath.Join(s.root, "home/ana/.ssh"), 0o700), os.WriteFile(filepath.Join(s.root, otherKeysAt), []byte(key), 0o600))
		}, ""},
		"directory for a file": {func(s *system) error { return os.MkdirAll(filepath.Join(s.root, keyAt, "full"), 0o755) }, "not as wanted"},
		"link for a file": {func(s *system) error {
			return errors.Join(os.Mkdir(filepath.Join(s.root, "home/ana/.ssh"), 0o700), os.Symlink("../../../etc/passwd", filepath.Join(s.root, keyAt)))
		}, ""},
		"pipe": {func(s *system) error {
			return errors.Join(os.Mkdir(filepath.Join(s.root, "home/ana/.ssh"), 0o700), syscall.Mkfifo(filepath.Join(s.root, keyAt), 0o600))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ana := setup(t)
			if err := errors.Join(os.RemoveAll(filepath.Join(s.root, "home/ana/.ssh")), c.prepare(s)); err != nil {
				t.Fatal(err)
			}
			passwd := s.read("etc/passwd")
			if c.reason == "" {
				s.opens(ana)
			} else {
				s.skips(c.reason, ana)
			}
			if s.read("etc/passwd") != passwd || s.there("etc/authorized_keys") {
				t.Error("something outside of the home was written")
			}
			s.fine()
			if s.passwd("ana") != "" {
				t.Error("the account is still there")
			}
		})
	}
}

func TestTroubles(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(t *testing.T, s *system, ana protocol.Account){
		"no sudo here": func(t *testing.T, s *system, ana protocol.Account) {
			if err := os.RemoveAll(filepath.Join(s.root, "etc/sudoers.d")); err != nil {
				t.Fatal(err)
			}
			s.skips("install sudo", ana)
			if !strings.Contains(s.read(keyAt), key) {
				t.Error("she cannot log in")
			}
			s.fine() // nothing is there to be removed
		},
		"sudo does not take the file": func(t *testing.T, s *system, ana protocol.Account) {
			s.fail["visudo"] = errors.New("it does not parse")
			s.skips("does not parse", ana, protocol.Account{Name: "ben", UID: 2001, Sudo: true})
			if s.there("etc/sudoers.d/opsyard-ben") || s.there("etc/sudoers.d/opsyard-ben.new") {
				t.Error("a file that does not parse was put there")
			}
		},
		"its memory is damaged": func(t *testing.T, s *system, ana protocol.Account) {
			if err := os.WriteFile(filepath.Join(s.data, "accounts.json"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			if a := s.apply(); !strings.Contains(a.Problem, "accounts.json is damaged") || s.passwd("ana") == "" {
				t.Errorf("got %+v", a)
			}
		},
		"no visudo": func(t *testing.T, s *system, ana protocol.Account) {
			s.fail["visudo"] = errNoProgram
			s.fine(ana, protocol.Account{Name: "ben", UID: 2001, Sudo: true})
		},
		"userdel fails": func(t *testing.T, s *system, _ protocol.Account) {
			s.fail["userdel"] = errors.New("no space left on device")
			s.skips("no space left")
			if s.there(keyAt) || s.there(sudoAt) || len(s.dead) == 0 {
				t.Error("she can still get in")
			}
			delete(s.fail, "userdel")
			s.fine()
			if s.passwd("ana") != "" {
				t.Error("it was not tried again")
			}
		},
		"useradd fails": func(t *testing.T, s *system, ana protocol.Account) {
			s.fail["useradd"] = errors.New("no space left on device")
			ben := protocol.Account{Name: "ben", UID: 2001}
			s.skips("no space left", ana, ben)
			s.write("etc/passwd", s.read("etc/passwd")+"ben:x:2001:990::/home/ben:/bin/bash\n") // by somebody else
			s.fine(ana)
			if s.passwd("ben") == "" {
				t.Error("an account that we failed to make was taken for ours")
			}
		},
		"killed after useradd": func(t *testing.T, s *system, ana protocol.Account) {
			if err := s.keeper().state.add(Made{"ben", 2001}); err != nil {
				t.Fatal(err)
			}
			s.home("ben", "2001")
			s.write("etc/passwd", s.read("etc/passwd")+"ben:x:2001:990::/home/ben:/bin/bash\n")
			s.fine(ana)
			if s.passwd("ben") != "" {
				t.Error("the account was left behind")
			}
		},
		"removed by hand": func(t *testing.T, s *system, ana protocol.Account) {
			s.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
			s.fine(ana)
			if s.passwd("ana") == "" {
				t.Error("it was not made again")
			}
		},
		"home removed": func(t *testing.T, s *system, ana protocol.Account) {
			if err := os.RemoveAll(filepath.Join(s.root, "home/ana")); err != nil {
				t.Fatal(err)
			}
			s.fine(ana)
			if !strings.Contains(s.read(keyAt), key) {
				t.Error("she cannot log in")
			}
		},
		"renamed": func(t *testing.T, s *system, ana protocol.Account) {
			ana.Name = "anna"
			s.fine(ana)
			if s.passwd("ana") != "" || s.passwd("anna") == "" || s.there(sudoAt) {
				t.Errorf("the users are %q", s.read("etc/passwd"))
			}
		},
		"differ by case": func(t *testing.T, s *system, ana protocol.Account) {
			s.skips("does not fit", ana, protocol.Account{Name: "Ana", UID: 2001})
		},
		"a hostile server": func(t *testing.T, s *system, ana protocol.Account) {
			before := s.read("etc/passwd")
			evil := []protocol.Account{ana}
			for _, name := range []string{"root", "../../etc/cron.d/x", "a b", "-x", "x\ny ALL=(ALL) ALL"} {
				evil = append(evil, protocol.Account{Name: name, UID: 2001, Sudo: true}, protocol.Account{Name: "ok", UID: 0})
			}
			if a := s.apply(append(evil, protocol.Account{Name: "cem", UID: 2003, Keys: []string{"x\nssh-rsa A"}})...); len(a.Skipped) != len(evil) {
				t.Errorf("skipped were %+v", a.Skipped)
			}
			if s.read("etc/passwd") != before {
				t.Errorf("the users are %q", s.read("etc/passwd"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ana := setup(t)
			story(t, s, ana)
		})
	}
}

func TestNoMachine(t *testing.T) {
	t.Parallel()
	for _, h := range []Host{{}, {problem: "The agent does not run as root."}} {
		k := Open(t.TempDir(), h, slog.New(slog.DiscardHandler))
		if a := k.Apply(t.Context(), protocol.Accounts{Revision: "r"}); a.Problem == "" || a.Revision != "r" {
			t.Errorf("got %+v", a)
		}
	}
}

func TestBelonging(t *testing.T) {
	t.Parallel()
	self := os.Getpid()
	all := []process{
		{1, 0, []int{0}}, {10, 1, []int{0}}, // sshd
		{11, 10, []int{2000, 2000, 2000, 2000}}, {12, 11, []int{0}}, {13, 12, []int{0}}, // sudo and what it started
		{14, 1, []int{0, 2000, 0, 0}}, {15, 1, []int{2001}}, {self, 13, []int{0}},
	}
	got := belonging(all, 2000)
	slices.Sort(got)
	if !slices.Equal(got, []int{11, 12, 13, 14}) {
		t.Errorf("got %v", got)
	}
	p, lives := readStatus(7, "Name:\tx\nState:\tZ (zombie)\nPPid:\t3\nUid:\t1\t2\t3\t4\n")
	if lives || p.parent != 3 || !slices.Equal(p.uids, []int{1, 2, 3, 4}) {
		t.Errorf("got %+v %v", p, lives)
	}
}
