package resource

import (
	"context"
	_ "embed" // for the words of Ruby hooks
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"opsyard/agent/protocol"
)

// releaseHookCmd runs a script that the app brings along for a stage of its
// deployment (OpsWorks: "Chef Deployment Hooks").
type releaseHookCmd struct {
	App  string `arg:"" help:"Short name of the app."`
	Hook string `arg:"" enum:"before_migrate,before_symlink,before_restart,after_restart" help:"before_migrate, before_symlink, before_restart or after_restart."`
}

func (c *releaseHookCmd) step() string { return "release hook " + c.App + " " + c.Hook }

// Run runs the hook of the newest release, once: a second Deploy of the same
// release finds it done.
func (c *releaseHookCmd) Run(ctx context.Context, h *host) error {
	d, a, name, err := newestRelease(h, c.App)
	if err != nil || name == "" {
		return err
	}
	argv, err := d.hook(name, c.Hook)
	if err != nil || argv == nil {
		h.skipped = true
		return err
	}
	if slices.Contains(d.info(name).Hooks, c.Hook) {
		h.ok(argv[len(argv)-1] + " of release " + name)
		return nil
	}
	h.skipped = h.dryRun
	return h.change(filepath.Join("deploy", filepath.Base(argv[len(argv)-1]))+" of release "+name, "run", func() error {
		if err := d.runAsApp(ctx, h, a, name, argv); err != nil {
			return err
		}
		return d.remember(name, c.Hook)
	})
}

// newestRelease finds the release that a deployment is about. It is "" when
// there is none, as in a dry run or for an app without a source.
func newestRelease(h *host, shortname string) (d *deployed, a protocol.App, name string, err error) {
	d, err = findDeployed(h, shortname)
	if err != nil {
		return nil, a, "", err
	}
	if a, err = app(shortname); err != nil {
		return nil, a, "", err
	}
	releases, err := d.list()
	if err != nil {
		return nil, a, "", err
	}
	if len(releases) == 0 {
		h.skipped = true
		h.say("%s has no release", shortname)
		return d, a, "", nil
	}
	return d, a, releases[len(releases)-1], nil
}

//go:embed hook.rb
var rubyHook string

// hook is the command for the hook's script, nil when the release has none.
func (d *deployed) hook(release, hook string) ([]string, error) {
	dir := filepath.Join(d.release(release), "deploy")
	for _, ending := range []string{"", ".sh", ".rb"} {
		path := filepath.Join(dir, hook+ending)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("deploy/%s is not a file", hook+ending)
		case ending == ".sh":
			return []string{"bash", path}, nil
		case ending == ".rb" && !found("ruby"):
			return nil, fmt.Errorf("deploy/%s.rb needs ruby, which is not installed here: add the package to the layer, or write the hook as deploy/%s.sh", hook, hook)
		case ending == ".rb":
			return []string{"ruby", "-e", rubyHook, path}, nil
		case info.Mode().Perm()&0o111 == 0:
			return nil, fmt.Errorf("deploy/%s is not executable", hook)
		}
		return []string{path}, nil
	}
	return nil, nil
}

// runAsApp runs a command in a release as the app's user, who is told what the
// app is told and nothing of the agent.
func (d *deployed) runAsApp(ctx context.Context, h *host, a protocol.App, release string, argv []string) error {
	u, _, err := d.people()
	if err != nil {
		return err
	}
	dir := d.release(release)
	cmd := h.command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = publicEnvironment()
	if h.owned() {
		if err := (&execCmd{User: u}).become(cmd); err != nil {
			return err
		}
	}
	for _, env := range []map[string]string{appEnvironment(a), {
		"APP": d.name, "RELEASE_PATH": dir, "CURRENT_PATH": filepath.Join(d.root, "current"), "SHARED_PATH": filepath.Join(d.root, "shared"),
	}} {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			cmd.Env = append(cmd.Env, name+"="+env[name])
		}
	}
	return ended(runGroup(ctx, cmd))
}

// publicEnvironment is the recipe's without what is the agent's: the paths of
// its documents, the socket of its steps.
func publicEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "OPSYARD_") || agentsOwn(kv) })
}

// ended makes the exit code of a person's command the helper's own.
func ended(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if code := exit.ExitCode(); code >= 0 {
		return &exitError{code, fmt.Sprintf("ended with exit code %d", code)}
	}
	return &exitError{1, "was ended by " + exit.String()}
}

// releaseMigrateCmd changes the app's database for a new version.
type releaseMigrateCmd struct {
	App     string   `arg:"" help:"Short name of the app."`
	Command []string `arg:"" passthrough:"" help:"The command, after --."`
}

func (c *releaseMigrateCmd) step() string { return "release migrate " + c.App }

// Run runs the command if the deployment asks for it, on the one instance that
// the server has chosen: all others share its database.
func (c *releaseMigrateCmd) Run(ctx context.Context, h *host) error {
	argv := (&execCmd{Command: c.Command}).argv()
	if len(argv) == 0 {
		return errors.New("there is no command: write it after --")
	}
	d, a, name, err := newestRelease(h, c.App)
	if err != nil || name == "" {
		return err
	}
	if why, err := notHere(); err != nil || why != "" {
		h.skipped = true
		h.say("%s is not migrated here: %s", c.App, why)
		return err
	}
	h.skipped = h.dryRun
	return h.change("database of "+c.App, "migrated", func() error { return d.runAsApp(ctx, h, a, name, argv) })
}

// notHere says why this instance does not migrate, "" if it does.
func notHere() (string, error) {
	doc, err := private()
	if err != nil {
		return "", err
	}
	if v, ok := lookup(doc, "args.migrate"); !ok || strings.TrimSpace(text(v)) != "true" {
		return "the command does not ask for it", nil
	}
	attrs, err := attributes()
	if err != nil {
		return "", err
	}
	chosen, _ := lookup(doc, "migrator")
	own, _ := lookup(attrs, "opsworks.instance.id")
	if text(chosen) == "" || text(chosen) != text(own) {
		return "the server has chosen another instance", nil
	}
	return "", nil
}
