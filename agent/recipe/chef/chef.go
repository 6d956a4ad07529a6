// Package chef runs recipes with Chef Infra Client or Cinc Client in local
// mode, or with chef-solo.
//
// The whole run list is one run of the client, for recipes of a run see each
// other's attributes and notifications. Its steps are read from what the client
// prints.
package chef

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/workspace"
)

// Runner is Chef's recipe.Runner.
type Runner struct {
	// KillDelay replaces protocol.KillDelay; tests are in a hurry.
	KillDelay time.Duration
}

// New makes a Runner.
func New() *Runner { return &Runner{KillDelay: protocol.KillDelay} }

// Name is "chef".
func (r *Runner) Name() string { return "chef" }

// Run implements recipe.Runner.
func (r *Runner) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	f := &formatter{out: out}
	w, err := workspace.Prepare(ctx, job, r.KillDelay, f)
	if err != nil {
		return err
	}
	if err := vendor(ctx, w); err != nil {
		return err
	}
	if err := w.Check(files); err != nil || len(job.Items) == 0 {
		return err
	}
	cmd, err := client(ctx, w)
	if err != nil {
		return err
	}
	defer forget(w)
	f.begin(job.Items)
	code, _, err := w.Process(ctx, recipe.Item{}, cmd)
	return f.end(ctx, code, err)
}

// forget removes what may hold secrets. The client saves the node's attributes
// among the nodes.
func forget(w *workspace.Workspace) {
	for _, name := range []string{dataBags, nodeFile, nodes} {
		_ = os.RemoveAll(filepath.Join(w.Dir, name))
	}
}

func files(name recipe.Name) []string {
	paths := []string{filepath.Join(name.Cookbook, "recipes", name.Recipe+".rb")}
	for _, ending := range []string{".yml", ".yaml", ".json"} { // of Chef 16 and later
		paths = append(paths, filepath.Join(name.Cookbook, "recipes", name.Recipe+ending))
	}
	return paths
}

// vendor fetches what a Berksfile asks for, where there is Berkshelf; the
// stack's own cookbooks win over it.
func vendor(ctx context.Context, w *workspace.Workspace) error {
	if w.Find([]string{"Berksfile"}) == "" {
		return nil
	}
	berks, err := w.Need(ctx, workspace.Program{Manager: "berkshelf", Names: []string{"berks"}, Dirs: directories})
	if err != nil {
		w.Note("The Berksfile is passed over: this instance has no berks.")
		return nil
	}
	dir := filepath.Join(w.Dir, "berks-cookbooks")
	cmd := exec.Command(berks, "vendor", dir, "--berksfile", filepath.Join(w.Tree, "Berksfile"))
	cmd.Dir = w.Tree
	if err := w.Step(ctx, "berks vendor", cmd); err != nil {
		return err
	}
	return w.Under(ctx, dir)
}

var directories = []string{"/opt/cinc/bin", "/opt/chef/bin", "/opt/cinc-workstation/bin", "/opt/chef-workstation/bin", "/opt/chefdk/bin"}

// client is the command of whichever client this instance has.
func client(ctx context.Context, w *workspace.Workspace) (*exec.Cmd, error) {
	about := ""
	path, err := w.Need(ctx, workspace.Program{
		Manager: "chef", Names: []string{"cinc-client", "chef-client", "cinc-solo", "chef-solo"}, Dirs: directories,
		Advice: "Install Cinc Client (https://cinc.sh) or Chef Infra Client.",
		Fits:   func(path string) (err error) { about, err = version(ctx, path); return err },
	})
	if err != nil {
		return nil, err
	}
	w.Note(about)
	solo := strings.HasSuffix(path, "-solo")
	if err := tidy(w.Tree); err != nil {
		return nil, err
	}
	if err := write(w, solo); err != nil {
		return nil, err
	}
	args := []string{"--config", filepath.Join(w.Dir, configFile), "--json-attributes", filepath.Join(w.Dir, nodeFile),
		"--format", "doc", "--force-formatter", "--no-color", "--log_level", "warn"}
	if !solo {
		args = append(args, "--local-mode")
	}
	if w.DryRun {
		args = append(args, "--why-run")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = w.Tree
	return cmd, nil
}

var number = regexp.MustCompile(`(\d+)\.(\d+)(\.\d+)*`)

// version asks a client for its version, "Chef Infra Client: 18.2.7", and
// refuses one that knows no local mode.
func version(ctx context.Context, path string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limited, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	about := strings.TrimSpace(string(out))
	m := number.FindStringSubmatch(about)
	if m == nil {
		return "", fmt.Errorf("%s --version says %q, which is no version", path, about)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if !strings.HasSuffix(path, "-solo") && (major < 11 || major == 11 && minor < 8) {
		return "", fmt.Errorf("%s is version %s, which has no local mode: install 11.8 or newer", path, m[0])
	}
	return about + " (" + path + ")", nil
}

// tidy leaves what Chef takes for cookbooks. It reads every directory of the
// tree and gives up at the first without metadata, even one that no recipe asks
// for, such as a shell cookbook; and old cookbooks go without a name.
func tidy(tree string) error {
	for _, name := range workspace.Subdirectories(tree) {
		dir := filepath.Join(tree, name)
		if exists(dir, "metadata.rb") || exists(dir, "metadata.json") {
			continue
		}
		recipes, _ := filepath.Glob(filepath.Join(dir, "recipes", "*.rb"))
		var err error
		if len(recipes) == 0 && !exists(dir, "attributes") && !exists(dir, "libraries") && !exists(dir, "resources") {
			err = os.RemoveAll(dir)
		} else {
			err = os.WriteFile(filepath.Join(dir, "metadata.rb"), fmt.Appendf(nil, "name %q\n", name), 0o600)
		}
		if err != nil {
			return fmt.Errorf("make the cookbooks ready: %w", err)
		}
	}
	return nil
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
