// Package shell runs recipes that are bash scripts: COOKBOOK/recipes/RECIPE.sh,
// run by "bash -euo pipefail" in the cookbook's directory.
package shell

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/workspace"
)

// Runner is the shell's recipe.Runner.
type Runner struct {
	// KillDelay replaces protocol.KillDelay; tests are in a hurry.
	KillDelay time.Duration
}

// New makes a Runner.
func New() *Runner { return &Runner{KillDelay: protocol.KillDelay} }

// Name is "shell".
func (r *Runner) Name() string { return "shell" }

// Run implements recipe.Runner.
func (r *Runner) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	w, err := workspace.Prepare(ctx, job, r.KillDelay, out)
	if err != nil {
		return err
	}
	if err := w.Check(files); err != nil {
		return err
	}
	return w.Each(ctx, func(item recipe.Item) (*exec.Cmd, error) {
		cmd := exec.Command("bash", "-euo", "pipefail", filepath.Join("recipes", item.Recipe.Recipe+".sh"))
		cmd.Dir = filepath.Join(w.Tree, item.Recipe.Cookbook)
		return cmd, nil
	}, workspace.Codes{})
}

func files(name recipe.Name) []string {
	return []string{filepath.Join(name.Cookbook, "recipes", name.Recipe+".sh")}
}
