package resource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"opsyard/agent/protocol"
)

// releaseCmd keeps an app under /srv/www/APP as OpsWorks did: releases/TIME,
// shared/…, and a link "current" to one of the releases.
type releaseCmd struct {
	Create   releaseCreateCmd   `cmd:"" help:"Fetch the app's source as a new release, unless the current one is the same."`
	Activate releaseActivateCmd `cmd:"" help:"Make the newest release the current one."`
	Rollback releaseRollbackCmd `cmd:"" help:"Go back to the release before the current one."`
	Hook     releaseHookCmd     `cmd:"" help:"Run a deploy hook of the newest release as the app's user."`
	Migrate  releaseMigrateCmd  `cmd:"" help:"Run a command in the newest release, if the deployment asks to migrate and this instance is the one to do it."`
	Prune    releasePruneCmd    `cmd:"" help:"Remove old releases."`
	Undeploy releaseUndeployCmd `cmd:"" help:"Remove the app with all its releases and shared files."`
	User     releaseUserCmd     `cmd:"" help:"Print the user that the app's files belong to."`
	List     releaseListCmd     `cmd:"" help:"Print the releases, newest last, with their revision."`
}

const (
	defaultKeep   = 5
	releaseFormat = "20060102150405"
)

type releaseCreateCmd struct {
	App   string `arg:"" help:"Short name of the app."`
	Force bool   `help:"Make a new release even if the current one is the same."`
}

func (c *releaseCreateCmd) step() string { return "release create " + c.App }

// Run fetches the source beside the releases and makes it one of them.
func (c *releaseCreateCmd) Run(ctx context.Context, h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	a, err := app(c.App)
	if err != nil {
		return err
	}
	if a.Source.Type == "" || a.Source.Type == "other" {
		h.skipped = true
		h.say("%s has no source to fetch", c.App)
		return nil
	}
	if h.dryRun {
		return h.change(d.dir, "given a new release, if its source has changed", nil)
	}
	owner, err := d.owner(ctx, h)
	if err != nil {
		return err
	}
	if err := d.layOut(h, owner); err != nil {
		return err
	}
	return c.create(ctx, h, d, a, owner)
}

func (c *releaseCreateCmd) create(ctx context.Context, h *host, d *deployed, a protocol.App, owner *owner) error {
	next := filepath.Join(d.root, "releases", ".next")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(next) }()
	revision, err := fetcher(d.name).Fetch(ctx, a.Source, next, h.out)
	if err != nil {
		return err
	}
	if err := d.clear(h); err != nil {
		return err
	}
	if has := d.current(); has != "" && d.info(has).Revision == revision && !c.Force {
		h.ok("release " + has + " of " + d.name)
		return nil
	}
	releases, err := d.list()
	if err != nil {
		return err
	}
	name := nextRelease(h.now().UTC(), releases)
	info := releaseInfo{Revision: revision, CreatedAt: h.now().UTC(), CommandID: os.Getenv("OPSYARD_COMMAND_ID")}
	if err := d.prepare(next, info, owner); err != nil {
		return fmt.Errorf("prepare the release: %w", err)
	}
	return h.change("release "+name+" of "+d.name, "created from "+revision, func() error {
		return os.Rename(next, d.release(name))
	})
}

// clear removes what deployments left that failed before they made their
// release the current one: nobody may roll back to it, and the next to be made
// current is to be the one of this deployment.
func (d *deployed) clear(h *host) error {
	releases, err := d.list()
	if err != nil {
		return err
	}
	current := d.current()
	i := slices.Index(releases, current)
	if current != "" && i < 0 {
		return nil // somebody made something else current
	}
	return d.removeAll(h, releases[i+1:])
}

// nextRelease is a name later than all others, whatever the clock says.
func nextRelease(now time.Time, releases []string) string {
	if n := len(releases); n > 0 {
		if newest, err := time.Parse(releaseFormat, releases[n-1]); err == nil && !now.Truncate(time.Second).After(newest) {
			now = newest.Add(time.Second)
		}
	}
	return now.Format(releaseFormat)
}

type releaseActivateCmd struct {
	App     string `arg:"" help:"Short name of the app."`
	Release string `arg:"" optional:"" help:"Name of a release; without it the newest."`
	Notify  string `help:"Command to run after the switch; if it fails, the old release is current again and the command runs once more." placeholder:"COMMAND"`
}

func (c *releaseActivateCmd) step() string { return "release activate " + c.App }

// Run switches the link in one step: a request sees the old release or the new.
func (c *releaseActivateCmd) Run(ctx context.Context, h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	releases, err := d.list()
	if err != nil {
		return err
	}
	if len(releases) == 0 {
		h.skipped = true
		h.say("%s has no release", c.App)
		return nil
	}
	name := c.Release
	if name == "" {
		name = releases[len(releases)-1]
	}
	if !slices.Contains(releases, name) {
		return fmt.Errorf("there is no release %s, only %s", name, strings.Join(releases, ", "))
	}
	return d.switchTo(ctx, h, name, c.Notify)
}

func (d *deployed) switchTo(ctx context.Context, h *host, name, notify string) error {
	old := d.current()
	owed, thing := d.pending(h, notify), "release "+name+" of "+d.name
	if old == name {
		h.ok("current " + thing)
		return owed.catchUp(ctx, h, thing, notify)
	}
	return h.change(thing, "made the current one", func() error {
		return owed.during(thing, func() error {
			if err := d.use(name); err != nil || notify == "" {
				return err
			}
			err := h.shell(ctx, notify)
			if err == nil {
				return nil
			}
			return errors.Join(fmt.Errorf("notify: %w", err), d.goBack(ctx, h, old, notify))
		})
	})
}

// pending is the note that another release is to be made known.
func (d *deployed) pending(h *host, notify string) pending {
	return h.pending("current release of "+d.root, notify)
}

// goBack makes the old release current again, or none, and lets its processes
// know: they may have been stopped for the new one.
func (d *deployed) goBack(ctx context.Context, h *host, old, notify string) error {
	if old == "" {
		return os.Remove(filepath.Join(d.root, "current"))
	}
	h.say("release %s of %s: made the current one again", old, d.name)
	return errors.Join(d.use(old), h.shell(ctx, notify))
}

type releaseRollbackCmd struct {
	App    string `arg:"" help:"Short name of the app."`
	Notify string `help:"Command to run after the switch; if it fails, the release that was current is so again and the command runs once more." placeholder:"COMMAND"`
}

func (c *releaseRollbackCmd) step() string { return "release rollback " + c.App }

// Run makes the release before the current one current and removes the later
// ones, so that the next rollback goes one further back.
func (c *releaseRollbackCmd) Run(ctx context.Context, h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	releases, err := d.list()
	if err != nil {
		return err
	}
	i := slices.Index(releases, d.current())
	if i < 0 {
		return fmt.Errorf("app %s is not deployed here", c.App)
	}
	if owed := d.pending(h, c.Notify); owed.owed() && i < len(releases)-1 { // this rollback was cut off
		if err := owed.catchUp(ctx, h, "release "+releases[i]+" of "+d.name, c.Notify); err != nil {
			return err
		}
		return d.removeAll(h, releases[i+1:])
	}
	if i == 0 {
		return fmt.Errorf("release %s is the oldest one kept, it stays", releases[0])
	}
	if err := d.switchTo(ctx, h, releases[i-1], c.Notify); err != nil {
		return err
	}
	return d.removeAll(h, releases[i:])
}

func (d *deployed) removeAll(h *host, releases []string) error {
	for _, name := range releases {
		if err := h.change("release "+name+" of "+d.name, "removed", func() error {
			return os.RemoveAll(d.release(name))
		}); err != nil {
			return err
		}
	}
	return nil
}

type releasePruneCmd struct {
	App  string `arg:"" help:"Short name of the app."`
	Keep int    `help:"How many to keep; without it as many as the app says (5)." placeholder:"N"`
}

func (c *releasePruneCmd) step() string { return "release prune " + c.App }

// Run removes the oldest releases, never the current one.
func (c *releasePruneCmd) Run(h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	releases, err := d.list()
	if err != nil {
		return err
	}
	keep, err := c.keep(d)
	if err != nil {
		return err
	}
	excess := len(releases) - keep
	current := d.current()
	releases = slices.DeleteFunc(releases, func(name string) bool { return name == current })
	if excess <= 0 {
		h.ok("releases of " + d.name)
		return nil
	}
	return d.removeAll(h, releases[:min(excess, len(releases))])
}

// keep is how many releases stay: the recipe's word, the app's, the stack's
// (OpsWorks: deploy_keep_releases). The state says five for each app, so five
// for an app is no word of its own.
func (c *releasePruneCmd) keep(d *deployed) (int, error) {
	if c.Keep > 0 {
		return c.Keep, nil
	}
	if a, err := app(c.App); err == nil && a.KeepReleases > 0 {
		return a.KeepReleases, nil
	}
	attrs, err := attributes()
	if err != nil {
		return 0, err
	}
	for _, path := range []string{"deploy." + d.name + ".keep_releases", "opsworks.deploy_keep_releases", "deploy_keep_releases"} {
		v, _ := lookup(attrs, path)
		if n, err := strconv.Atoi(text(v)); err == nil && n > 0 && n != defaultKeep {
			return n, nil
		}
	}
	return defaultKeep, nil
}

type releaseUndeployCmd struct {
	App string `arg:"" help:"Short name of the app."`
}

func (c *releaseUndeployCmd) step() string { return "release undeploy " + c.App }

// Run removes the app's directory.
func (c *releaseUndeployCmd) Run(h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	if err := d.holdsReleases(); err != nil {
		return err
	}
	if info, err := os.Lstat(d.root); err == nil && info.IsDir() {
		return h.change(d.dir, "removed", d.undeploy)
	}
	return remove(h, d.dir, true)
}

// undeploy removes the releases last: by them an undeployment that was cut off
// is known as one.
func (d *deployed) undeploy() error {
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "releases" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.root, e.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(d.root)
}

// holdsReleases keeps undeploying from removing what was never deployed:
// anybody who may deploy can name another place by custom JSON.
func (d *deployed) holdsReleases() error {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "releases" && e.IsDir() }) {
		return fmt.Errorf("%s holds no releases, so it is not an app's place and stays", d.dir)
	}
	return nil
}

type releaseListCmd struct {
	App string `arg:"" help:"Short name of the app."`
}

// Run prints one release a line; a star marks the current one.
func (c *releaseListCmd) Run(h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	releases, err := d.list()
	for _, name := range releases {
		star := " "
		if name == d.current() {
			star = "*"
		}
		h.say("%s %s %s", star, name, d.info(name).Revision)
	}
	return err
}

type releaseUserCmd struct {
	App string `arg:"" help:"Short name of the app."`
}

// Run prints the user, who is never root.
func (c *releaseUserCmd) Run(h *host) error {
	d, err := findDeployed(h, c.App)
	if err != nil {
		return err
	}
	user, _, err := d.people()
	if err != nil {
		return err
	}
	h.say("%s", user)
	return nil
}
