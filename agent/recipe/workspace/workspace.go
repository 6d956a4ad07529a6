// Package workspace is what all runners share: the cookbooks put together, a
// recipe's environment, the configuration manager's program, and processes
// whose output and steps come in one order.
package workspace

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opsyard/agent/recipe"
)

// Workspace is a job made ready.
type Workspace struct {
	recipe.Job
	// Tree holds all cookbook roots, laid one over the other.
	Tree string
	// Delay is the time between TERM and KILL.
	Delay time.Duration

	out *stream
}

// Prepare puts the cookbooks together and the agent's helpers on the PATH.
func Prepare(ctx context.Context, job recipe.Job, delay time.Duration, out recipe.Reporter) (*Workspace, error) {
	w := &Workspace{Job: job, Tree: filepath.Join(job.Dir, "cookbooks"), Delay: delay, out: &stream{out: out}}
	if err := merge(ctx, job.Cookbooks, w.Tree); err != nil {
		return nil, fmt.Errorf("put the cookbooks together: %w", err)
	}
	if err := writeShim(job); err != nil {
		return nil, fmt.Errorf("offer the helpers: %w", err)
	}
	return w, nil
}

// Under lays one more root below the others.
func (w *Workspace) Under(ctx context.Context, root string) error {
	w.Cookbooks = append([]string{root}, w.Cookbooks...)
	if err := merge(ctx, w.Cookbooks, w.Tree); err != nil {
		return fmt.Errorf("put the cookbooks together: %w", err)
	}
	return nil
}

// Note writes a line of the runner's own to the log.
func (w *Workspace) Note(line string) { w.out.note(line) }

// Check finds out before the run, and not halfway through it, whether a recipe
// is missing: files gives the paths within the tree at which it may be, of
// which recipe "*" stands for all.
func (w *Workspace) Check(files func(recipe.Name) []string) error {
	for _, item := range w.Items {
		if w.Find(files(item.Recipe)) != "" {
			continue
		}
		err := w.missing(item.Recipe, files)
		w.out.Begin("recipe", item.Recipe.String())(recipe.Result{Err: err})
		return err
	}
	return nil
}

// Find is the first of the paths that is a file of the tree, or "".
func (w *Workspace) Find(paths []string) string {
	for _, p := range paths {
		if info, err := os.Stat(filepath.Join(w.Tree, p)); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

func (w *Workspace) missing(name recipe.Name, files func(recipe.Name) []string) error {
	var recipes []string
	for _, pattern := range files(recipe.Name{Cookbook: name.Cookbook, Recipe: "*"}) {
		found, _ := filepath.Glob(filepath.Join(w.Tree, pattern))
		for _, f := range found {
			recipes = append(recipes, strings.TrimSuffix(filepath.Base(f), filepath.Ext(f)))
		}
	}
	failure := &recipe.Failure{Recipe: name, ExitCode: 1}
	if _, err := os.Stat(filepath.Join(w.Tree, name.Cookbook)); err == nil || len(recipes) > 0 {
		failure.Reason = fmt.Sprintf("not found: cookbook %s has %s", name.Cookbook, list("recipe", recipes))
		return failure
	}
	failure.Reason = fmt.Sprintf("not found: searched %s and found no cookbook %s, only %s",
		strings.Join(w.Cookbooks, ", "), name.Cookbook, list("cookbook", Subdirectories(w.Tree)))
	return failure
}

// Subdirectories are the names of a directory's directories.
func Subdirectories(dir string) (names []string) {
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
	switch names = slices.Compact(names); len(names) {
	case 0:
		return "no " + noun + "s"
	case 1:
		return noun + " " + names[0]
	}
	return noun + "s " + strings.Join(names, ", ")
}

// ReadAttributes decodes the attribute document into v. Into an any or a map
// numbers come as json.Number and keep their digits.
func (w *Workspace) ReadAttributes(v any) error {
	f, err := os.Open(w.Attributes)
	if err != nil {
		return fmt.Errorf("read attributes: %w", err)
	}
	defer func() { _ = f.Close() }()
	dec := json.NewDecoder(f)
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read attributes: %w", err)
	}
	return nil
}

// Write makes a file of the runner's own below the job's directory, readable
// by nobody else, and returns its path.
func (w *Workspace) Write(name string, content []byte) (string, error) {
	path := filepath.Join(w.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// WriteJSON is Write for a document.
func (w *Workspace) WriteJSON(name string, v any) (string, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return w.Write(name, doc)
}
