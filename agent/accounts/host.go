package accounts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"opsyard/agent/proc"
)

// Host is the system whose users they become. The zero value is none.
type Host struct {
	problem string // why there is none
	root    string // before every path, in tests
	// run runs a program of the system; missing ones are errNoProgram.
	run   func(ctx context.Context, program string, args ...string) error
	chown func(f *os.File, uid, gid int) error
	// end ends the processes of a user, and what they started.
	end func(ctx context.Context, uid int)
}

// Machine is the system that this program runs on, if it may make users there.
func Machine() Host {
	h := Host{run: run, chown: (*os.File).Chown, end: endProcesses}
	switch {
	case os.Getenv("OPSYARD_INSTANCE_DIR") != "" || os.Getenv("OPSYARD_ROOT") != "":
		h.problem = "This instance has no machine of its own but shares that of its host, so it gets no accounts."
	case os.Geteuid() != 0:
		h.problem = "The agent does not run as root, so it cannot make accounts."
	case programPath("useradd") == "" || programPath("userdel") == "":
		h.problem = "This system has no useradd and userdel, so the agent cannot make accounts."
	}
	return h
}

func (h Host) path(p string) string { return filepath.Join(h.root, p) }

// look reads the password file and the groups, which must be the system's own:
// accounts of a directory service are seen by useradd.
func (h Host) look() (Found, error) {
	found := Found{Group: -1}
	err := eachLine(h.path("/etc/passwd"), 4, func(f []string) {
		uid, err := strconv.Atoi(f[2])
		gid, gerr := strconv.Atoi(f[3])
		if err == nil && gerr == nil {
			found.Users = append(found.Users, User{f[0], uid, gid})
		}
	})
	if err != nil {
		return found, fmt.Errorf("read the users: %w", err)
	}
	err = eachLine(h.path("/etc/group"), 3, func(f []string) {
		if gid, err := strconv.Atoi(f[2]); err == nil && f[0] == Group {
			found.Group = gid
		}
	})
	if err != nil {
		return found, fmt.Errorf("read the groups: %w", err)
	}
	return found, nil
}

// eachLine hands on the fields of lines that have enough of them.
func eachLine(file string, fields int, each func([]string)) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		if f := strings.Split(lines.Text(), ":"); len(f) >= fields {
			each(f)
		}
	}
	return lines.Err()
}

var errNoProgram = errors.New("the program is not installed")

// programLimit bounds one run: useradd and its like wait up to 15 s for
// another that holds the password file.
const programLimit = 30 * time.Second

// run runs a program and makes its complaint the error.
func run(ctx context.Context, program string, args ...string) error {
	path := programPath(program)
	if path == "" {
		return fmt.Errorf("%s: %w", program, errNoProgram)
	}
	ctx, cancel := context.WithTimeout(ctx, programLimit)
	defer cancel()
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + searched, "LC_ALL=C"}
	cmd.Dir = "/"
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := proc.Run(ctx, cmd, time.Second); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w: %.200s", program, err, first)
	}
	return nil
}

const searched = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func programPath(name string) string {
	for _, dir := range filepath.SplitList(searched) {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
