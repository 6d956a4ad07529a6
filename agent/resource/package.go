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
	"regexp"
	"strings"
	"time"
)

type packageCmd struct {
	Names       []string      `arg:"" optional:"" help:"Names; NAME=VERSION asks for a version."`
	State       string        `enum:"present,absent,latest" default:"present" help:"present, absent or latest."`
	UpgradeAll  bool          `help:"Bring all packages of the host up to date."`
	Recommends  bool          `default:"true" negatable:"" help:"Install recommended packages too."`
	LockTimeout time.Duration `default:"5m" help:"How long to wait while another program uses the package manager."`
}

func (c *packageCmd) step() string {
	if c.UpgradeAll {
		return "package upgrade"
	}
	return "package " + strings.Join(c.Names, " ")
}

// manager is a family's package manager.
type manager interface {
	// installed tells the installed version, "" for none.
	installed(ctx context.Context, h *host, name string) (string, error)
	// candidate tells the newest version there is.
	candidate(ctx context.Context, h *host, name string) (string, error)
	// refresh makes sure that the lists of packages are there and not old.
	refresh(ctx context.Context, h *host) error
	install(ctx context.Context, h *host, names []string) error
	remove(ctx context.Context, h *host, names []string) error
	// upgrades lists what upgrade would bring up to date.
	upgrades(ctx context.Context, h *host) ([]string, error)
	upgrade(ctx context.Context, h *host) error
}

// packagePattern is the name of a package, with a version or an architecture. A
// path or an address is none: whoever names packages in custom JSON may not
// thereby bring his own. apt removes what ends in "-".
var packagePattern = regexp.MustCompile(`\A@?[A-Za-z0-9][A-Za-z0-9+._:~=^-]*[A-Za-z0-9+.~_]\z|\A[A-Za-z0-9]\z`)

// Run brings the packages into their state with as few calls as possible.
func (c *packageCmd) Run(ctx context.Context, h *host) error {
	if len(c.Names) == 0 && !c.UpgradeAll {
		return errors.New("there is no package named")
	}
	for _, name := range c.Names {
		if !packagePattern.MatchString(name) {
			return fmt.Errorf("%q is not a package name", name)
		}
	}
	m, err := c.manager()
	if err != nil {
		return err
	}
	if c.UpgradeAll {
		return c.upgradeAll(ctx, h, m)
	}
	todo, err := c.todo(ctx, h, m)
	if err != nil || len(todo) == 0 {
		return err
	}
	if err := h.ownMachine(); err != nil && !h.dryRun {
		return fmt.Errorf("cannot install or remove %s: %w", strings.Join(todo, ", "), err)
	}
	return c.changeAll(ctx, h, m, todo)
}

func (c *packageCmd) manager() (manager, error) {
	switch {
	case found("apt-get"):
		return &apt{recommends: c.Recommends, lockTimeout: c.LockTimeout}, nil
	case found("dnf"):
		return &dnf{program: "dnf", recommends: c.Recommends}, nil
	case found("yum"):
		return &dnf{program: "yum", recommends: true}, nil // yum knows no weak dependencies
	}
	return nil, errors.New("this host has neither apt-get nor dnf nor yum")
}

// todo are the packages that are not as wanted; the others are recorded.
func (c *packageCmd) todo(ctx context.Context, h *host, m manager) (todo []string, err error) {
	if c.State == "latest" && !h.dryRun {
		if err := m.refresh(ctx, h); err != nil {
			return nil, err
		}
	}
	for _, name := range c.Names {
		fine, err := c.fine(ctx, h, m, name)
		if err != nil {
			return nil, err
		}
		if fine {
			h.ok(name)
		} else {
			todo = append(todo, name)
		}
	}
	return todo, nil
}

func (c *packageCmd) fine(ctx context.Context, h *host, m manager, name string) (bool, error) {
	name, version, _ := strings.Cut(name, "=")
	has, err := m.installed(ctx, h, name)
	switch {
	case err != nil:
		return false, err
	case c.State == "absent":
		return has == "", nil
	case has == "":
		return false, nil
	case version != "":
		return has == version, nil
	case c.State == "latest":
		newest, err := m.candidate(ctx, h, name)
		return has == newest, err
	}
	return true, nil
}

func (c *packageCmd) changeAll(ctx context.Context, h *host, m manager, todo []string) error {
	done, act := "installed", m.install
	if c.State == "absent" {
		done, act = "removed", m.remove
	}
	if !h.dryRun {
		if c.State == "present" {
			if err := m.refresh(ctx, h); err != nil {
				return err
			}
		}
		if err := act(ctx, h, todo); err != nil {
			return err
		}
	}
	for _, name := range todo {
		if err := h.change(name, done, func() error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (c *packageCmd) upgradeAll(ctx context.Context, h *host, m manager) error {
	if err := h.ownMachine(); err != nil {
		return err
	}
	if !h.dryRun {
		if err := m.refresh(ctx, h); err != nil {
			return err
		}
	}
	names, err := m.upgrades(ctx, h)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		h.ok("all packages")
		return nil
	}
	return h.change(strings.Join(names, " "), "upgraded", func() error { return m.upgrade(ctx, h) })
}

// apt is the package manager of Debian and Ubuntu.
type apt struct {
	recommends  bool
	lockTimeout time.Duration
}

// listsAge is how old apt's lists may become.
const listsAge = time.Hour

func (a *apt) get(args ...string) []string {
	options := []string{"-y", "-q", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confdef",
		"-o", "Dpkg::Options::=--force-confold", "-o", fmt.Sprintf("DPkg::Lock::Timeout=%d", int(a.lockTimeout.Seconds()))}
	if !a.recommends {
		options = append(options, "--no-install-recommends")
	}
	return append(options, args...)
}

func (a *apt) installed(ctx context.Context, h *host, name string) (string, error) {
	cmd := h.command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}\n", name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, nil
	if known, err := succeeds(runGroup(ctx, cmd)); !known || err != nil {
		return "", err
	}
	for line := range strings.Lines(out.String()) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			return version, nil
		}
	}
	return "", nil
}

func (a *apt) candidate(ctx context.Context, h *host, name string) (string, error) {
	out, err := h.ask(ctx, "apt-cache", "policy", name)
	for line := range strings.Lines(out) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok {
			return version, err
		}
	}
	return "", err
}

func (a *apt) refresh(ctx context.Context, h *host) error {
	lists, _ := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	if len(lists) > 0 && newerThan("/var/lib/apt/lists/partial", h.now().Add(-listsAge)) {
		return nil
	}
	err := a.update(ctx, h)
	if err != nil && len(lists) > 0 && ctx.Err() == nil {
		h.say("the old package lists are used: %v", err)
		return nil
	}
	return err
}

// newerThan tells whether the directory was last touched after t: apt-get
// update works in it each time.
func newerThan(path string, t time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(t)
}

// update waits for the lock itself: apt-get knows a timeout only for dpkg's.
func (a *apt) update(ctx context.Context, h *host) error {
	deadline := h.now().Add(a.lockTimeout)
	for {
		var complaints bytes.Buffer
		cmd := h.command("apt-get", a.get("update", "-o", "APT::Update::Error-Mode=any")...)
		cmd.Stderr = io.MultiWriter(h.errs, &complaints)
		err := runGroup(ctx, cmd)
		if err == nil {
			now := h.now()
			_ = os.Chtimes("/var/lib/apt/lists/partial", now, now)
			return nil
		}
		if !strings.Contains(complaints.String(), "Could not get lock") || h.now().After(deadline) {
			return fmt.Errorf("apt-get update: %w", err)
		}
		h.say("another program uses apt, waiting for it")
		if err := wait(ctx, 3*time.Second); err != nil {
			return err
		}
	}
}

func (a *apt) install(ctx context.Context, h *host, names []string) error {
	return a.run(ctx, h, append([]string{"install", "--allow-downgrades", "--"}, names...)...)
}

func (a *apt) remove(ctx context.Context, h *host, names []string) error {
	return a.run(ctx, h, append([]string{"remove", "--"}, names...)...)
}

func (a *apt) upgrades(ctx context.Context, h *host) (names []string, err error) {
	out, err := h.ask(ctx, "apt-get", a.get("--simulate", "dist-upgrade")...)
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Inst" {
			names = append(names, fields[1])
		}
	}
	return names, err
}

func (a *apt) upgrade(ctx context.Context, h *host) error { return a.run(ctx, h, "dist-upgrade") }

// run says what apt-get does, not its whole list of options.
func (a *apt) run(ctx context.Context, h *host, args ...string) error {
	if err := runGroup(ctx, h.command("apt-get", a.get(args...)...)); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}

// dnf is the package manager of the Red Hat family, or its elder yum.
type dnf struct {
	program    string
	recommends bool
}

func (d *dnf) installed(ctx context.Context, h *host, name string) (string, error) {
	cmd := h.command("rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}\n", "--whatprovides", name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, nil
	if known, err := succeeds(runGroup(ctx, cmd)); !known || err != nil {
		return "", err
	}
	version, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return version, nil
}

// candidate asks for a newer version; where there is none the installed one is.
func (d *dnf) candidate(ctx context.Context, h *host, name string) (string, error) {
	has, err := d.installed(ctx, h, name)
	if err != nil {
		return "", err
	}
	newer, err := d.checkUpdate(ctx, h, name)
	if len(newer) > 0 {
		return "newer than " + has, err
	}
	return has, err
}

// checkUpdate lists packages with a newer version: dnf then exits with 100.
func (d *dnf) checkUpdate(ctx context.Context, h *host, names ...string) (newer []string, err error) {
	out, err := h.ask(ctx, d.program, append([]string{"-q", "check-update"}, names...)...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 100 {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 && strings.Contains(fields[0], ".") {
			newer = append(newer, fields[0])
		}
	}
	return newer, nil
}

// refresh does nothing: dnf keeps its lists fresh and waits for its lock itself.
func (d *dnf) refresh(context.Context, *host) error { return nil }

func (d *dnf) install(ctx context.Context, h *host, names []string) error {
	args := []string{"install", "-y"}
	if !d.recommends {
		args = append(args, "--setopt=install_weak_deps=False")
	}
	for _, name := range names {
		args = append(args, strings.Replace(name, "=", "-", 1))
	}
	return h.run(ctx, d.program, args...)
}

func (d *dnf) remove(ctx context.Context, h *host, names []string) error {
	return h.run(ctx, d.program, append([]string{"remove", "-y"}, names...)...)
}

func (d *dnf) upgrades(ctx context.Context, h *host) ([]string, error) { return d.checkUpdate(ctx, h) }

func (d *dnf) upgrade(ctx context.Context, h *host) error {
	return h.run(ctx, d.program, "upgrade", "-y")
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
