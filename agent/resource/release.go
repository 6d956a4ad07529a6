package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/source"
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
	List     releaseListCmd     `cmd:"" help:"Print the releases, newest last, with their revision."`
}

const (
	defaultKeep   = 5
	releaseFormat = "20060102150405"
	releaseFile   = ".opsyard-release"
)

var sharedDirs = []string{"log", "config", "system", "pids", "scripts", "sockets"}

// sharedLinks are the links in a release, to directories that all releases share.
var sharedLinks = map[string]string{"public/system": "system", "tmp/pids": "pids", "log": "log"}

// deployed is an app's place on this host.
type deployed struct {
	name string
	dir  string // as the instance names it
	root string // the same, as the host names it
}

func findDeployed(h *host, name string) (*deployed, error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return nil, fmt.Errorf("%q is not an app's short name", name)
	}
	attrs, err := attributes()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join("/srv/www", name)
	if v, ok := lookup(attrs, "deploy."+name+".deploy_to"); ok && filepath.IsAbs(text(v)) {
		dir = filepath.Clean(text(v))
	}
	return &deployed{name, dir, h.path(dir)}, nil
}

// list names the releases, oldest first.
func (d *deployed) list() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(d.root, "releases"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if _, perr := time.Parse(releaseFormat, e.Name()); perr == nil && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// current is the release in use, "" for none.
func (d *deployed) current() string {
	target, err := os.Readlink(filepath.Join(d.root, "current"))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

func (d *deployed) release(name string) string { return filepath.Join(d.root, "releases", name) }

func (d *deployed) use(name string) error {
	return relink(filepath.Join("releases", name), filepath.Join(d.root, "current"))
}

// release as it is written into its own directory.
type releaseInfo struct {
	Revision  string    `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	CommandID string    `json:"command_id,omitempty"`
	Hooks     []string  `json:"hooks,omitempty"` // that have run
}

func (d *deployed) info(name string) (info releaseInfo) {
	data, err := os.ReadFile(filepath.Join(d.release(name), releaseFile))
	if err == nil {
		_ = json.Unmarshal(data, &info) // an old or foreign release has no revision
	}
	return info
}

// remember records that a hook has run. The directory is the app user's, whose
// links must not lead us out of it.
func (d *deployed) remember(name, hook string) error {
	info := d.info(name)
	info.Hooks = append(info.Hooks, hook)
	root, err := os.OpenRoot(d.release(name))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return info.write(root)
}

func (i releaseInfo) write(root *os.Root) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if err := root.RemoveAll(releaseFile); err != nil {
		return err
	}
	return root.WriteFile(releaseFile, append(data, '\n'), 0o644)
}

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
	revision, err := source.Fetch(ctx, a.Source, next, h.out)
	if err != nil {
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
	if err := prepare(next, info, owner); err != nil {
		return fmt.Errorf("prepare the release: %w", err)
	}
	return h.change("release "+name+" of "+d.name, "created from "+revision, func() error {
		return os.Rename(next, d.release(name))
	})
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

// people are the user that an app runs as and the group that may read it:
// "deploy" and the web server's, or as the custom JSON says. It cannot say
// root: who may deploy may not thereby run anything as root.
func (d *deployed) people() (user, group string, err error) {
	attrs, err := attributes()
	if err != nil {
		return "", "", err
	}
	as := func(key, fallback string) string {
		if v, ok := lookup(attrs, "deploy."+d.name+"."+key); ok && text(v) != "" {
			return text(v)
		}
		return fallback
	}
	user = as("user", "deploy")
	if id, err := userID(user); err == nil && id == 0 {
		return "", "", fmt.Errorf("app %s cannot belong to %s", d.name, user)
	}
	return user, as("group", webGroup()), nil
}

// owner is the app's people; a host that has no such user gets one.
func (d *deployed) owner(ctx context.Context, h *host) (*owner, error) {
	name, group, err := d.people()
	if err != nil {
		return nil, err
	}
	o := ownership{Owner: name, Group: group}
	if h.owned() {
		u := userCmd{Name: o.Owner, Home: filepath.Join("/home", o.Owner), Shell: "/bin/bash", System: true}
		if _, err := groupID(o.Group); err == nil {
			u.Group = o.Group
		}
		if _, err := userID(o.Owner); err != nil {
			if err := u.Run(ctx, h); err != nil {
				return nil, err
			}
		}
	}
	r, err := o.resolve(h, 0o755, nil)
	if err == nil && r.note != "" {
		h.say("%s: %s", d.dir, r.note)
	}
	return r, err
}

// webGroup is the group of the web server on this family of hosts.
func webGroup() string {
	for _, name := range []string{"www-data", "nginx", "apache"} {
		if _, err := groupID(name); err == nil {
			return name
		}
	}
	return "deploy"
}

// layOut makes the directories around the releases.
func (d *deployed) layOut(h *host, owner *owner) error {
	dirs := map[string]fs.FileMode{"": 0o755, "releases": 0o755, "shared": 0o755}
	for _, name := range sharedDirs {
		dirs[filepath.Join("shared", name)] = 0o770
	}
	made := 0
	for _, name := range sortedDirs(dirs) {
		path := filepath.Join(d.root, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := errors.Join(owner.chown(path), os.Chmod(path, dirs[name])); err != nil {
			return err
		}
		made++
	}
	if made == 0 {
		h.ok(d.dir)
		return nil
	}
	return h.change(d.dir, "laid out", func() error { return nil })
}

func sortedDirs(dirs map[string]fs.FileMode) []string {
	var names []string
	for name := range dirs {
		names = append(names, name)
	}
	slices.Sort(names) // a parent sorts before its children
	return names
}

// prepare finishes a fetched tree: what it is, its shared links, its owner.
// The tree is of unknown origin, its links must not lead us out of it.
func prepare(dir string, info releaseInfo, owner *owner) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := info.write(root); err != nil {
		return err
	}
	for _, name := range []string{"tmp", "public", "config"} {
		if err := root.MkdirAll(name, 0o755); err != nil {
			return err
		}
	}
	for link, shared := range sharedLinks {
		if err := root.RemoveAll(link); err != nil {
			return err
		}
		up := strings.Repeat("../", strings.Count(link, "/")+2)
		if err := root.Symlink(up+"shared/"+shared, link); err != nil {
			return err
		}
	}
	return owner.give(dir)
}

type releaseActivateCmd struct {
	App     string `arg:"" help:"Short name of the app."`
	Release string `arg:"" optional:"" help:"Name of a release; without it the newest."`
}

func (c *releaseActivateCmd) step() string { return "release activate " + c.App }

// Run switches the link in one step: a request sees the old release or the new.
func (c *releaseActivateCmd) Run(h *host) error {
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
	return d.switchTo(h, name)
}

func (d *deployed) switchTo(h *host, name string) error {
	if d.current() == name {
		h.ok("current release " + name + " of " + d.name)
		return nil
	}
	return h.change("release "+name+" of "+d.name, "made the current one", func() error { return d.use(name) })
}

type releaseRollbackCmd struct {
	App string `arg:"" help:"Short name of the app."`
}

func (c *releaseRollbackCmd) step() string { return "release rollback " + c.App }

// Run makes the release before the current one current and removes the later
// ones, so that the next rollback goes one further back.
func (c *releaseRollbackCmd) Run(h *host) error {
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
	if i == 0 {
		return fmt.Errorf("release %s is the oldest one kept, it stays", releases[0])
	}
	if err := d.switchTo(h, releases[i-1]); err != nil {
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
	excess := len(releases) - c.keep()
	current := d.current()
	releases = slices.DeleteFunc(releases, func(name string) bool { return name == current })
	if excess <= 0 {
		h.ok("releases of " + d.name)
		return nil
	}
	return d.removeAll(h, releases[:min(excess, len(releases))])
}

func (c *releasePruneCmd) keep() int {
	if c.Keep > 0 {
		return c.Keep
	}
	if a, err := app(c.App); err == nil && a.KeepReleases > 0 {
		return a.KeepReleases
	}
	return defaultKeep
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
	return remove(h, d.dir, true)
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
