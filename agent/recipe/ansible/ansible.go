// Package ansible runs recipes that are Ansible playbooks or roles, with
// "ansible-playbook -c local".
//
// A callback plugin that the runner brings along prints the run and reports
// each task as a step.
package ansible

import (
	"bytes"
	"context"
	_ "embed" // the callback plugin
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/workspace"
)

//go:embed callback/opsyard.py
var callback []byte

// Runner is Ansible's recipe.Runner.
type Runner struct {
	// KillDelay replaces protocol.KillDelay; tests are in a hurry.
	KillDelay time.Duration
}

// New makes a Runner.
func New() *Runner { return &Runner{KillDelay: protocol.KillDelay} }

// Name is "ansible".
func (r *Runner) Name() string { return "ansible" }

var (
	program = workspace.Program{
		Manager: "ansible", Names: []string{"ansible-playbook"},
		Advice: "Install the package ansible-core or ansible.",
	}
	codes = workspace.Codes{Reason: map[int]string{
		2: "a task failed",
		4: "the playbook could not be read; the log says why",
	}}
)

// Run implements recipe.Runner.
func (r *Runner) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	w, err := workspace.Prepare(ctx, job, r.KillDelay, out)
	if err != nil {
		return err
	}
	if err := w.Check(files); err != nil || len(job.Items) == 0 {
		return err
	}
	ansible, err := w.Need(ctx, program)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	return w.Each(ctx, func(item recipe.Item) (*exec.Cmd, error) {
		playbook, err := findPlaybook(w, item.Recipe)
		if err != nil {
			return nil, err
		}
		return command(ansible, w, playbook), nil
	}, codes)
}

// playbooks are where the playbook of a recipe may be.
func playbooks(name recipe.Name) (paths []string) {
	for _, ending := range []string{".yml", ".yaml"} {
		for _, dir := range []string{"recipes", "playbooks", "."} {
			paths = append(paths, filepath.Join(name.Cookbook, dir, name.Recipe+ending))
		}
		if name.Recipe == "default" || name.Recipe == "*" {
			paths = append(paths, name.Cookbook+ending, filepath.Join("playbooks", name.Cookbook+ending))
		}
	}
	return paths
}

// roles are where the tasks of a recipe may be that is a role.
func roles(name recipe.Name) (paths []string) {
	for _, ending := range []string{".yml", ".yaml"} {
		for _, dir := range []string{"roles", "."} {
			paths = append(paths, filepath.Join(dir, name.Cookbook, "tasks", tasksFrom(name)+ending))
		}
	}
	return paths
}

func tasksFrom(name recipe.Name) string {
	if name.Recipe == "default" {
		return "main"
	}
	return name.Recipe
}

func files(name recipe.Name) []string { return append(playbooks(name), roles(name)...) }

// findPlaybook is the recipe's playbook, or one made for its role.
func findPlaybook(w *workspace.Workspace, name recipe.Name) (string, error) {
	if path := w.Find(playbooks(name)); path != "" {
		return filepath.Join(w.Tree, path), nil
	}
	return w.WriteJSON("ansible/role.yml", []any{map[string]any{
		"name": name.String(), "hosts": "localhost",
		"tasks": []any{map[string]any{
			"name": name.String(), "import_role": map[string]string{"name": name.Cookbook, "tasks_from": tasksFrom(name)},
		}},
	}})
}

// write makes what all recipes of a run share.
func write(w *workspace.Workspace) error {
	if _, err := w.Write("ansible/callback/opsyard.py", callback); err != nil {
		return err
	}
	var attributes map[string]any
	if err := w.ReadAttributes(&attributes); err != nil {
		return err
	}
	vars, err := extraVars(attributes)
	if err != nil {
		return err
	}
	if _, err := w.Write("ansible/attributes.yml", vars); err != nil {
		return err
	}
	hosts, err := inventory(w)
	if err != nil {
		return err
	}
	_, err = w.Write("ansible/inventory", hosts)
	return err
}

// literalString is a string in a JSON document, with the colon if it is a key.
var literalString = regexp.MustCompile(`"(?:[^"\\]|\\.)*":?`)

// extraVars is the attributes as YAML in which nothing is a template: they mean
// what they say, and a value that comes from another instance cannot run
// anything on this one.
func extraVars(attributes map[string]any) ([]byte, error) {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(attributes); err != nil {
		return nil, fmt.Errorf("write the extra vars: %w", err)
	}
	return literalString.ReplaceAllFunc(doc.Bytes(), func(s []byte) []byte {
		template := bytes.Contains(s, []byte("{{")) || bytes.Contains(s, []byte("{%")) || bytes.Contains(s, []byte("{#"))
		if s[len(s)-1] == ':' || !template {
			return s
		}
		return append([]byte(" !unsafe "), s...)
	}), nil
}

// inventory is this host alone, in a group for each of its layers.
func inventory(w *workspace.Workspace) ([]byte, error) {
	var doc struct {
		Opsworks struct{ Instance struct{ Layers []string } }
	}
	if err := w.ReadAttributes(&doc); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("localhost ansible_connection=local\n")
	for _, layer := range doc.Opsworks.Instance.Layers {
		if name, err := recipe.ParseName(layer); err == nil { // nothing but letters, digits, _ and -
			fmt.Fprintf(&b, "[%s]\nlocalhost\n", name.Cookbook)
		}
	}
	return []byte(b.String()), nil
}

// command is "ansible-playbook" with everything of its own below the run's
// directory. Settings of the repository's ansible.cfg hold where ours are silent.
func command(ansible string, w *workspace.Workspace, playbook string) *exec.Cmd {
	own := filepath.Join(w.Dir, "ansible")
	args := []string{
		"-c", "local", "-i", filepath.Join(own, "inventory"), "-e", "@" + filepath.Join(own, "attributes.yml"), "--diff",
	}
	if w.DryRun {
		args = append(args, "--check")
	}
	cmd := exec.Command(ansible, append(args, playbook)...)
	cmd.Dir = w.Tree
	cmd.Env = []string{
		"ANSIBLE_STDOUT_CALLBACK=opsyard", "ANSIBLE_CALLBACK_PLUGINS=" + filepath.Join(own, "callback"),
		"ANSIBLE_ROLES_PATH=" + filepath.Join(w.Tree, "roles") + ":" + w.Tree,
		"ANSIBLE_HOME=" + own, "ANSIBLE_LOCAL_TEMP=" + filepath.Join(own, "tmp"), "ANSIBLE_REMOTE_TEMP=" + filepath.Join(own, "tmp"),
		"ANSIBLE_NOCOLOR=1", "ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_DEPRECATION_WARNINGS=0",
		"ANSIBLE_PYTHON_INTERPRETER=auto_silent", "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS=ignore", "PYTHONDONTWRITEBYTECODE=1",
	}
	return cmd
}
