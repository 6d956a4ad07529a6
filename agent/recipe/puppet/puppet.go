// Package puppet runs recipes that are Puppet classes or manifests, with
// "puppet apply".
//
// Each recipe is a catalogue of its own, for recipes run in order and end at the
// first that fails, and resources of one catalogue do neither. A module that
// the runner brings along reports each resource as a step.
package puppet

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/workspace"
)

//go:embed module
var module embed.FS

// Runner is Puppet's recipe.Runner.
type Runner struct {
	// KillDelay replaces protocol.KillDelay; tests are in a hurry.
	KillDelay time.Duration
}

// New makes a Runner.
func New() *Runner { return &Runner{KillDelay: protocol.KillDelay} }

// Name is "puppet".
func (r *Runner) Name() string { return "puppet" }

var (
	directories = []string{"/opt/puppetlabs/bin", "/opt/puppetlabs/puppet/bin"}
	program     = workspace.Program{
		Manager: "puppet", Names: []string{"puppet"}, Dirs: directories,
		Advice: "Install the package puppet-agent or openvox-agent.",
	}
	r10k = workspace.Program{
		Manager: "r10k", Names: []string{"r10k"}, Dirs: directories,
		Advice: "The Puppetfile asks for it: install the package r10k.",
	}
	// codes of --detailed-exitcodes.
	codes = workspace.Codes{Fine: []int{2}, Reason: map[int]string{
		1: "the catalogue could not be compiled; the log says why",
		4: "some resources failed",
		6: "some resources were changed and others failed",
	}}
)

// Run implements recipe.Runner.
func (r *Runner) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	w, err := workspace.Prepare(ctx, job, r.KillDelay, out)
	if err != nil {
		return err
	}
	if err := installModules(ctx, w); err != nil {
		return err
	}
	if err := w.Check(files); err != nil || len(job.Items) == 0 {
		return err
	}
	puppet, err := w.Need(ctx, program)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	return w.Each(ctx, func(item recipe.Item) (*exec.Cmd, error) {
		manifest, err := writeManifest(w, item.Recipe)
		if err != nil {
			return nil, err
		}
		return command(puppet, w, manifest), nil
	}, codes)
}

// moduleDirs are where modules are, within the tree: as directories of a
// cookbook repository, or as a control repository has them.
var moduleDirs = []string{"site-modules", "site", "modules", "."}

// files are where the class of a recipe may be, and last a plain manifest.
func files(name recipe.Name) (paths []string) {
	for _, dir := range moduleDirs {
		if name.Recipe == "default" || name.Recipe == "*" {
			paths = append(paths, filepath.Join(dir, name.Cookbook, "manifests", "init.pp"))
		}
		if name.Recipe != "default" {
			paths = append(paths, filepath.Join(dir, name.Cookbook, "manifests", name.Recipe+".pp"))
		}
	}
	return append(paths, plainManifest(name))
}

func plainManifest(name recipe.Name) string {
	return filepath.Join(name.Cookbook, "recipes", name.Recipe+".pp")
}

// installModules fetches what a Puppetfile lists, into the run's own tree.
func installModules(ctx context.Context, w *workspace.Workspace) error {
	if w.Find([]string{"Puppetfile"}) == "" {
		return nil
	}
	path, err := w.Need(ctx, r10k)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, "puppetfile", "install", "--puppetfile", filepath.Join(w.Tree, "Puppetfile"),
		"--moduledir", filepath.Join(w.Tree, "modules"))
	cmd.Dir = w.Tree
	return w.Step(ctx, "r10k puppetfile install", cmd)
}

// write makes what all recipes of a run share.
func write(w *workspace.Workspace) error {
	var attributes map[string]any
	if err := w.ReadAttributes(&attributes); err != nil {
		return err
	}
	if _, err := w.WriteJSON("puppet/hiera.json", hiera(attributes)); err != nil {
		return err
	}
	if _, err := w.Write("puppet/hiera.yaml", []byte(`---
version: 5
hierarchy:
  - name: attributes
    datadir: .
    data_hash: json_data
    path: hiera.json
`)); err != nil {
		return err
	}
	// The stack's state is a big fact, about which Puppet would warn in each run.
	if _, err := w.Write("puppet/puppet.conf", []byte(`[main]
fact_name_length_soft_limit = 0
fact_value_length_soft_limit = 0
top_level_facts_soft_limit = 0
number_of_facts_soft_limit = 0
payload_soft_limit = 0
`)); err != nil {
		return err
	}
	return fs.WalkDir(module, "module", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := module.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write("puppet/modules/opsyard_agent/"+strings.TrimPrefix(path, "module/"), content)
		return err
	})
}

// hiera is the attributes as Hiera data. What lies below a cookbook's name is
// offered once more under the names of its class' parameters, COOKBOOK::KEY.
func hiera(attributes map[string]any) map[string]any {
	data := map[string]any{}
	for key, value := range attributes {
		below, _ := value.(map[string]any)
		for k, v := range below {
			data[key+"::"+k] = literal(v)
		}
	}
	for key, value := range attributes {
		data[key] = literal(value)
	}
	return data
}

// literal keeps Hiera from interpolating: attributes mean what they say, and a
// value that comes from another instance cannot look things up on this one.
func literal(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "%{", "%{literal('%')}{")
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = literal(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for key := range v {
			object[literal(key).(string)] = literal(v[key])
		}
		return object
	}
	return value
}

// writeManifest makes the directory of manifests for one recipe.
func writeManifest(w *workspace.Workspace, name recipe.Name) (string, error) {
	dir := filepath.Join("puppet", "manifests")
	if err := os.RemoveAll(filepath.Join(w.Dir, dir)); err != nil {
		return "", fmt.Errorf("write the manifest of %s: %w", name, err)
	}
	text := []byte("opsyard_agent::report()\n")
	if path := w.Find(files(name)); path == plainManifest(name) {
		plain, err := os.ReadFile(filepath.Join(w.Tree, path))
		if err != nil {
			return "", fmt.Errorf("read the manifest of %s: %w", name, err)
		}
		if _, err := w.Write(filepath.Join(dir, "recipe.pp"), plain); err != nil {
			return "", err
		}
	} else {
		text = append(text, "include "+class(name)+"\n"...)
	}
	if _, err := w.Write(filepath.Join(dir, "0.pp"), text); err != nil {
		return "", err
	}
	return filepath.Join(w.Dir, dir), nil
}

func class(name recipe.Name) string {
	if name.Recipe == "default" {
		return name.Cookbook
	}
	return name.String()
}

// command is "puppet apply" with everything of its own below the run's
// directory. The tree is its environment, so that a hiera.yaml of the
// repository's is heard too, after the attributes.
func command(puppet string, w *workspace.Workspace, manifest string) *exec.Cmd {
	own := filepath.Join(w.Dir, "puppet")
	modules := make([]string, 0, len(moduleDirs)+1)
	for _, dir := range moduleDirs {
		modules = append(modules, filepath.Join(w.Tree, dir))
	}
	args := []string{
		"apply", "--detailed-exitcodes", "--color=false", "--no-report", "--log_level=notice",
		"--confdir=" + own, "--codedir=" + filepath.Join(own, "code"), "--vardir=" + filepath.Join(own, "var"),
		"--hiera_config=" + filepath.Join(own, "hiera.yaml"),
		"--environmentpath=" + w.Dir, "--environment=" + filepath.Base(w.Tree),
		"--modulepath=" + strings.Join(append(modules, filepath.Join(own, "modules")), string(filepath.ListSeparator)),
	}
	if w.DryRun {
		args = append(args, "--noop")
	}
	cmd := exec.Command(puppet, append(args, manifest)...)
	cmd.Dir = w.Tree
	return cmd
}
