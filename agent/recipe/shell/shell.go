// Package shell runs recipes that are bash scripts: COOKBOOK/recipes/RECIPE.sh,
// run by "bash -euo pipefail" in the cookbook's directory.
package shell

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/steps"
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
	cookbooks := filepath.Join(job.Dir, "cookbooks")
	if err := merge(ctx, job.Cookbooks, cookbooks); err != nil {
		return fmt.Errorf("put the cookbooks together: %w", err)
	}
	if err := writeShim(job); err != nil {
		return fmt.Errorf("offer the helpers: %w", err)
	}
	// A recipe that is not there must not be found out halfway through a run.
	for _, item := range job.Items {
		if err := find(job, cookbooks, item.Recipe); err != nil {
			out.Begin("recipe", item.Recipe.String())(recipe.Result{Err: err})
			return err
		}
	}
	output := &stream{out: out}
	for _, item := range job.Items {
		if err := r.runItem(ctx, job, cookbooks, item, output); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) runItem(ctx context.Context, job recipe.Job, cookbooks string, item recipe.Item, out *stream) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	end := out.Begin("recipe", item.Recipe.String())
	socket := filepath.Join(job.Dir, "steps.sock")
	server, err := steps.Listen(socket, out)
	if err != nil {
		end(recipe.Result{Err: err})
		return err
	}
	cmd := exec.Command("bash", "-euo", "pipefail", filepath.Join("recipes", item.Recipe.Recipe+".sh"))
	cmd.Dir = filepath.Join(cookbooks, item.Recipe.Cookbook)
	cmd.Env = environ(job, item, socket)
	code, err := run(ctx, cmd, r.KillDelay, out)
	server.Close()
	result := server.Totals()
	result.Err = failure(ctx, item.Recipe, code, err, result.Err)
	end(result)
	return result.Err
}

// failure says why a recipe failed: the helper that ended it knows best.
func failure(ctx context.Context, name recipe.Name, code int, err, step error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return &recipe.Failure{Recipe: name, ExitCode: 1, Reason: err.Error()}
	case code == 0:
		return nil
	case step != nil:
		return &recipe.Failure{Recipe: name, ExitCode: code, Reason: step.Error()}
	}
	return &recipe.Failure{Recipe: name, ExitCode: code}
}

func find(job recipe.Job, cookbooks string, name recipe.Name) error {
	dir := filepath.Join(cookbooks, name.Cookbook)
	info, err := os.Stat(filepath.Join(dir, "recipes", name.Recipe+".sh"))
	if err == nil && info.Mode().IsRegular() {
		return nil
	}
	missing := &recipe.Failure{Recipe: name, ExitCode: 1}
	if _, err := os.Stat(dir); err == nil {
		missing.Reason = fmt.Sprintf("not found: cookbook %s has %s", name.Cookbook, list("recipe", recipesIn(dir)))
		return missing
	}
	missing.Reason = fmt.Sprintf("not found: searched %s and found no cookbook %s, only %s",
		strings.Join(job.Cookbooks, ", "), name.Cookbook, list("cookbook", subdirectories(cookbooks)))
	return missing
}

func recipesIn(dir string) (names []string) {
	paths, _ := filepath.Glob(filepath.Join(dir, "recipes", "*.sh"))
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".sh"))
	}
	return names
}

func subdirectories(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// list names things for a sentence: "no recipes", "recipe a", "recipes a, b".
func list(noun string, names []string) string {
	slices.Sort(names)
	switch len(names) {
	case 0:
		return "no " + noun + "s"
	case 1:
		return noun + " " + names[0]
	}
	return noun + "s " + strings.Join(names, ", ")
}
