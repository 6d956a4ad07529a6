package shell

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"opsyard/agent/protocol"
)

// account is whom a shell runs as.
type account struct {
	name, home, shell string
	uid, gid          int
	groups            []uint32
	// own says that the agent runs as this user already.
	own bool
}

// refusal is a sentence for the person who asked for the shell.
type refusal string

func (r refusal) Error() string { return string(r) }

// accountFor is the account that a shell is asked for, or why there is none.
func (s *Shells) accountFor(o protocol.ShellOpen) (*account, error) {
	switch {
	// That user is the server's own as well, and has its database and its key,
	// whether it is root or not.
	case o.Own && !o.Sudo:
		return nil, refusal("This machine has no accounts of its own, and a shell would be the user that the server runs as: only who may use sudo gets one.")
	case o.Own:
		return s.own()
	case s.uid != 0:
		return nil, refusal("The agent does not run as root, so it cannot open a shell as " + o.User + ".")
	}
	a, err := lookup(s.passwd, func(a *account) bool { return a.name == o.User })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refusal("The account " + o.User + " does not exist on this instance yet. It is made within a minute of the permission: try again then.")
	}
	if err != nil {
		return nil, err
	}
	if a.uid != o.UID {
		return nil, refusal("The account " + o.User + " on this instance is somebody else's: it was not made by Opsyard.")
	}
	return a, a.findGroups()
}

// own is the agent's own user.
func (s *Shells) own() (*account, error) {
	a, err := lookup(s.passwd, func(a *account) bool { return a.uid == s.uid })
	if errors.Is(err, fs.ErrNotExist) { // in a container that knows no names
		a, err = &account{name: strconv.Itoa(s.uid), uid: s.uid, gid: os.Getgid(), shell: defaultShell}, nil
	}
	if err != nil {
		return nil, err
	}
	a.own = true
	if s.home != "" {
		a.home = s.home
	}
	return a, nil
}

const defaultShell = "/bin/sh"

// lookup finds the first account in a file like /etc/passwd that is wanted; the
// error wraps fs.ErrNotExist when there is none.
func lookup(path string, wanted func(*account) bool) (*account, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look up an account: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 16<<20))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 7 {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(fields[3])
		if err != nil {
			continue
		}
		a := &account{name: fields[0], uid: uid, gid: gid, home: fields[5], shell: cmp.Or(fields[6], defaultShell)}
		if wanted(a) {
			return a, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("look up an account: %w", err)
	}
	return nil, fmt.Errorf("look up an account: %w", fs.ErrNotExist)
}

// findGroups reads the account's further groups, as a login does.
func (a *account) findGroups() error {
	u := &user.User{Uid: strconv.Itoa(a.uid), Gid: strconv.Itoa(a.gid), Username: a.name, HomeDir: a.home}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("look up the groups of %s: %w", a.name, err)
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return nil
}

// credential is what the shell's process becomes; nil is what the agent is.
func (a *account) credential() *syscall.Credential {
	if a.own {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups}
}

// environment is that of a login, and nothing of the agent's own.
func (a *account) environment(term string) []string {
	path := "/usr/local/bin:/usr/bin:/bin"
	if a.uid == 0 {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{
		"PATH=" + path, "HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name, "SHELL=" + a.shell, "TERM=" + term, "LANG=C.UTF-8", "COLORTERM=truecolor",
	}
}
