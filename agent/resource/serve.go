package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// appServeCmd runs an app's own server as a service behind Nginx. A new version
// starts beside the old one, on another port; when it answers, Nginx is pointed
// at it, and the old one ends when its requests are answered. If it does not
// come up, nothing has happened.
type appServeCmd struct {
	App      string        `arg:"" help:"Short name of the app."`
	Command  string        `help:"Line of bash that runs the app. It starts in the release and listens on 127.0.0.1, port $PORT." placeholder:"COMMAND"`
	Set      []string      `help:"Variable to add to the app's environment; it wins over one of the app." placeholder:"NAME=VALUE" sep:"none"`
	Check    string        `default:"/" help:"Path that must answer, with anything below 500, before the version gets requests." placeholder:"PATH"`
	Timeout  time.Duration `default:"60s" help:"How long a version may take until it answers."`
	Drain    time.Duration `default:"30s" help:"How long requests to the old version may take before it is told to end."`
	Rollback bool          `xor:"what" help:"Serve the release before the current one, and remove the later ones."`
	Start    bool          `xor:"what" help:"Have the app run."`
	Stop     bool          `xor:"what" help:"Have the app not run; requests are answered with 502."`
	Restart  bool          `xor:"what" help:"Start it anew, beside the old one as with a new version."`
	Absent   bool          `xor:"what" help:"End the app and remove all that this helper has written."`
}

func (c *appServeCmd) step() string { return "app serve " + c.App }

// Run brings the app's service into its state.
func (c *appServeCmd) Run(ctx context.Context, h *host) error {
	s, err := c.find(h)
	if err != nil {
		return err
	}
	switch {
	case c.Absent:
		return s.remove(ctx)
	case c.Stop:
		return s.stop(ctx)
	}
	release, err := c.release(s)
	if err != nil || release == "" {
		return err
	}
	return s.serve(ctx, release)
}

// find reads what is known about the app's service.
func (c *appServeCmd) find(h *host) (*served, error) {
	m := h.appMachine()
	if err := m.check(); err != nil {
		return nil, err
	}
	if !shortname.MatchString(c.App) {
		return nil, fmt.Errorf("%q is not an app's short name", c.App)
	}
	d, err := findDeployed(h, c.App)
	if err != nil {
		return nil, err
	}
	s := &served{appServeCmd: c, h: h, d: d, m: m}
	return s, s.load()
}

var shortname = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9._-]*\z`)

// release is the one to serve: the newest after a deployment, otherwise the
// current one or the one before.
func (c *appServeCmd) release(s *served) (string, error) {
	releases, err := s.d.list()
	if err != nil {
		return "", err
	}
	if len(releases) == 0 {
		s.h.skipped = true
		s.h.say("%s has no release", c.App)
		return "", nil
	}
	current := slices.Index(releases, s.d.current())
	switch {
	case !c.Rollback && !c.Start && !c.Restart:
		return releases[len(releases)-1], nil
	case current < 0:
		return "", fmt.Errorf("app %s is not deployed here", c.App)
	case !c.Rollback:
		return releases[current], nil
	case current == 0:
		return "", fmt.Errorf("release %s is the oldest one kept, it stays", releases[0])
	}
	return releases[current-1], nil
}

// served is an app's service. Two slots take turns, each with a unit and a
// port of its own.
type served struct {
	*appServeCmd
	h     *host
	d     *deployed
	m     appMachine
	state serveState
}

// serveState is what is kept about the service.
type serveState struct {
	Command string `json:"command"`
	Ports   [2]int `json:"ports"`
	Slot    int    `json:"slot"`    // which of the two serves
	Release string `json:"release"` // "": none does
}

const serveDir = "/etc/opsyard-apps"

func (s *served) file(ending string) string { return filepath.Join(serveDir, s.App+ending) }

func (s *served) load() error {
	data, err := os.ReadFile(s.h.path(s.file(".json")))
	if err == nil {
		err = json.Unmarshal(data, &s.state)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read about the service of %s: %w", s.App, err)
	}
	if s.Command == "" {
		s.Command = s.state.Command
	}
	return nil
}

func (s *served) save() error {
	data, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	return s.put(s.file(".json"), append(data, '\n'), 0o644)
}

// put writes a file in one step.
func (s *served) put(path string, content []byte, mode fs.FileMode) error {
	return put(s.h.path(path), content, &owner{uid: -1, gid: -1, mode: mode}, valid)
}

// serve has the release answer the app's requests.
func (s *served) serve(ctx context.Context, release string) error {
	if s.Command == "" {
		return fmt.Errorf("nothing says how to run %s: give --command", s.App)
	}
	old := s.slot(s.state.Slot)
	if s.state.Release != "" && !s.Restart {
		same, err := s.unchanged(ctx, old, release)
		if err != nil || same {
			return err
		}
	}
	return s.h.change(s.App, "served from release "+release, func() error { return s.handOver(ctx, old, release) })
}

// unchanged tells whether the service is as wanted already. One that is not
// running is started where it is.
func (s *served) unchanged(ctx context.Context, current slot, release string) (bool, error) {
	files, err := s.files(current, release)
	if err != nil || release != s.state.Release || !s.same(files) {
		return false, err
	}
	if running, err := s.running(ctx, current); err != nil {
		return false, err
	} else if running {
		s.h.ok(s.App + " from release " + release)
		return true, s.rest(ctx, current, release)
	}
	return true, s.h.change(s.App, "started", func() error {
		if err := s.begin(ctx, current); err != nil {
			return err
		}
		return s.rest(ctx, current, release)
	})
}

// rest finishes what an interrupted run left: the link, and where Nginx is pointed.
func (s *served) rest(ctx context.Context, current slot, release string) error {
	if s.h.dryRun {
		return nil
	}
	if s.d.current() != release {
		if err := s.d.use(release); err != nil {
			return err
		}
	}
	return s.point(ctx, upstream{of: current})
}

// handOver starts the release in the other slot, and gives it the requests when
// it answers. Whatever fails before that is undone.
func (s *served) handOver(ctx context.Context, old slot, release string) error {
	had := s.state.Release != ""
	n := s.state.Slot
	if had {
		n = 1 - n
	}
	if err := s.choosePort(ctx, n); err != nil {
		return err
	}
	next := s.slot(n)
	files, err := s.files(next, release)
	if err != nil {
		return err
	}
	before := s.d.current()
	to := upstream{of: next}
	if had {
		to.backup = &old
	}
	if err := s.bringUp(ctx, to, release, files); err != nil {
		return errors.Join(err, s.giveUp(ctx, next, release, before))
	}
	s.state.Slot, s.state.Release, s.state.Command = next.n, release, s.Command
	if err := s.save(); err != nil {
		return err
	}
	if had {
		if err := s.retire(ctx, next, old); err != nil {
			return err
		}
	}
	return s.forget(release)
}

// bringUp starts the slot and points Nginx at it.
func (s *served) bringUp(ctx context.Context, to upstream, release string, files map[string]serveFile) error {
	next := to.of
	if err := s.write(files); err != nil {
		return err
	}
	if err := s.m.systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := s.begin(ctx, next); err != nil {
		return err
	}
	if err := s.m.systemctl(ctx, "--quiet", "enable", next.unit); err != nil {
		return err
	}
	if err := s.d.use(release); err != nil {
		return fmt.Errorf("make release %s the current one: %w", release, err)
	}
	workers := s.m.nginxWorkers(ctx)
	if err := s.point(ctx, to); err != nil {
		return err
	}
	return s.drained(ctx, workers)
}

// giveUp undoes what bringUp did; the old version has never stopped. A release
// that never served is removed, or the next deployment would take it for one.
func (s *served) giveUp(ctx context.Context, next slot, release, before string) error {
	ctx = context.WithoutCancel(ctx)
	err := s.clear(ctx, next)
	if before != "" && s.d.current() != before {
		err = errors.Join(err, s.d.use(before))
	}
	if before != "" && release > before {
		s.h.say("Release %s has failed and is removed; %s stays.", release, before)
		err = errors.Join(err, os.RemoveAll(s.d.release(release)))
	}
	if before == "" {
		_ = os.Remove(filepath.Join(s.d.root, "current"))
	}
	return err
}

// retire ends the version from before, gracefully, as its unit says.
func (s *served) retire(ctx context.Context, next, old slot) error {
	if err := s.point(ctx, upstream{of: next}); err != nil {
		return err
	}
	if err := s.clear(ctx, old); err != nil {
		return fmt.Errorf("end the old version: %w", err)
	}
	return nil
}

// forget removes the releases after one that was gone back to.
func (s *served) forget(release string) error {
	if !s.Rollback {
		return nil
	}
	releases, err := s.d.list()
	if err != nil {
		return err
	}
	return s.d.removeAll(s.h, releases[slices.Index(releases, release)+1:])
}

func (s *served) stop(ctx context.Context) error {
	current := s.slot(s.state.Slot)
	running, err := false, error(nil)
	if s.state.Release != "" {
		running, err = s.running(ctx, current)
	}
	if err != nil {
		return err
	}
	if !running {
		s.h.okAs(s.App, "stopped")
		return nil
	}
	return s.h.change(s.App, "stopped", func() error {
		if err := s.point(ctx, upstream{of: current, down: true}); err != nil {
			return err
		}
		return s.m.systemctl(ctx, "stop", current.unit)
	})
}

func (s *served) running(ctx context.Context, of slot) (bool, error) {
	state, err := s.m.property(ctx, of.unit, "ActiveState")
	return state == "active" || state == "reloading", err
}

// remove ends the app and leaves nothing of its service.
func (s *served) remove(ctx context.Context) error {
	upstream := filepath.Join("/etc/nginx/conf.d", "opsyard-app-"+s.App+".conf")
	paths := []string{upstream, s.logrotate(), s.file(".json")}
	if !slices.ContainsFunc(paths, func(p string) bool { _, err := os.Lstat(s.h.path(p)); return err == nil }) {
		s.h.ok("service of " + s.App)
		return nil
	}
	return s.h.change("service of "+s.App, "removed", func() error {
		_, err := os.Lstat(s.h.path(upstream))
		if err == nil {
			if err := os.Remove(s.h.path(upstream)); err != nil {
				return err
			}
			if err := s.m.reloadNginx(ctx); err != nil {
				return err
			}
		}
		for n := range 2 {
			if err := s.clear(ctx, s.slot(n)); err != nil {
				return err
			}
		}
		for _, path := range paths[1:] {
			if err := os.Remove(s.h.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}
