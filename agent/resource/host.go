package resource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

// host is the machine as a helper sees it, and the record of what it did there.
type host struct {
	// root is put before every path. An instance without a machine of its own
	// lives in such a directory; it has no packages, services or users.
	root   string
	dryRun bool
	now    func() time.Time
	out    io.Writer
	errs   io.Writer
	env    []string // added for processes
	name   string   // of the step
	// machine stands for the host's services in tests.
	machine appMachine

	changed, unchanged int
	skipped            bool
}

func newHost() *host {
	root := os.Getenv("OPSYARD_ROOT")
	if root == "" {
		root = os.Getenv("OPSYARD_INSTANCE_DIR")
	}
	return &host{root: root, dryRun: os.Getenv("OPSYARD_DRY_RUN") != "", now: time.Now}
}

// path is where a path of the instance lies. One that is under the root
// already, as bash builds it, stays.
func (h *host) path(p string) string {
	if h.root == "" || p == h.root || strings.HasPrefix(p, h.root+"/") {
		return p
	}
	return filepath.Join(h.root, p)
}

// owned tells whether files can be given to users: not without root, and not
// in a directory that stands for a machine, whose users do not exist.
func (h *host) owned() bool { return h.root == "" && os.Geteuid() == 0 }

// ownMachine refuses what would change the machine that several instances share.
func (h *host) ownMachine() error {
	if h.root != "" {
		return errors.New("this instance has no machine of its own but shares that of its host")
	}
	return nil
}

func (h *host) say(format string, args ...any) {
	_, _ = fmt.Fprintf(h.out, format+"\n", args...)
}

// ok records that the named thing was as wanted.
func (h *host) ok(thing string) {
	h.unchanged++
	h.say("%s: unchanged", thing)
}

// okAs is ok for a thing that has several states.
func (h *host) okAs(thing, state string) {
	h.unchanged++
	h.say("%s: unchanged, %s", thing, state)
}

// change records a change and does it, unless this is a dry run. The words are
// a past participle: "installed", "would be installed".
func (h *host) change(thing, done string, do func() error) error {
	if h.dryRun {
		h.changed++
		h.say("%s: would be %s", thing, done)
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	h.changed++
	h.say("%s: %s", thing, done)
	return nil
}

// command makes a process that prints into the log.
func (h *host) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), h.env...)
	cmd.Stdout, cmd.Stderr = h.out, h.errs
	return cmd
}

// run runs a program that prints into the log.
func (h *host) run(ctx context.Context, name string, args ...string) error {
	if err := runGroup(ctx, h.command(name, args...)); err != nil {
		return fmt.Errorf("%s: %w", short(name, args), err)
	}
	return nil
}

// shell runs a line of bash that prints into the log.
func (h *host) shell(ctx context.Context, line string) error {
	if err := runGroup(ctx, h.command("bash", "-euo", "pipefail", "-c", line)); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// condition is a line of bash that holds when it exits with 0. What it prints is
// nobody's concern.
func (h *host) condition(line string) *exec.Cmd {
	cmd := h.command("bash", "-uo", "pipefail", "-c", line)
	cmd.Stdout, cmd.Stderr = nil, nil
	return cmd
}

// holds tells whether a condition holds.
func (h *host) holds(ctx context.Context, line string) (bool, error) {
	cmd := h.condition(line)
	return succeeds(runGroup(ctx, cmd))
}

// ask returns what a program prints; its complaints are part of the error.
func (h *host) ask(ctx context.Context, name string, args ...string) (string, error) {
	cmd := h.command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := runGroup(ctx, cmd)
	if err != nil {
		words := strings.Join(strings.Fields(stderr.String()), " ")
		err = fmt.Errorf("%s: %w %s", short(name, args), err, words)
	}
	return strings.TrimSpace(stdout.String()), err
}

// runGroup stays in the recipe's process group, which ends as a whole: a
// group of its own would outlive a recipe that had to be killed.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = proc.Grace
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil // a daemon that it started holds the output
		}
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(os.Interrupt)
	deadline := time.NewTimer(protocol.KillDelay)
	defer deadline.Stop()
	select {
	case <-ended:
	case <-deadline.C:
		_ = cmd.Process.Kill()
		<-ended
	}
	return context.Cause(ctx)
}

func succeeds(err error) (bool, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	return err == nil, err
}

func short(name string, args []string) string {
	return strings.TrimSpace(name + " " + strings.Join(args, " "))
}

func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
