package workspace

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"opsyard/agent/recipe"
)

// Program is a configuration manager's executable.
type Program struct {
	Manager string   // "chef"
	Names   []string // the first that is found is taken
	Dirs    []string // beside the PATH
	Advice  string   // what to install, a sentence
	// Fits, if set, refuses a program, with a sentence.
	Fits func(path string) error
}

// installVariable names the command that installs a manager. It comes from the
// agent's own environment and not from the attributes: custom JSON is given by
// people who may deploy, and they may not run what they like.
func (p Program) installVariable() string { return "OPSYARD_INSTALL_" + strings.ToUpper(p.Manager) }

// Need returns the program's path. Where it is missing, the install command is
// run, unless this is a dry run; failing that, the error says what to install.
func (w *Workspace) Need(ctx context.Context, p Program) (string, error) {
	path, refused := w.look(p)
	if path != "" {
		return path, nil
	}
	if command := w.variable(p.installVariable()); command != "" && !w.DryRun {
		if err := w.Step(ctx, "install "+p.Manager, exec.Command("bash", "-euo", "pipefail", "-c", command)); err != nil {
			return "", err
		}
		if path, refused = w.look(p); path != "" {
			return path, nil
		}
	}
	if refused != nil {
		return "", refused
	}
	//nolint:staticcheck // sentences for people
	return "", fmt.Errorf("This instance has no %s. %s Or give the agent the command that does, in %s.", strings.Join(p.Names, " or "), p.Advice, p.installVariable())
}

// variable is the value of one of the job's variables.
func (w *Workspace) variable(name string) (value string) {
	for _, v := range w.Env {
		if after, ok := strings.CutPrefix(v, name+"="); ok {
			value = after
		}
	}
	return value
}

// look searches the recipes' PATH, and then where installers put things.
func (w *Workspace) look(p Program) (path string, refused error) {
	search, _ := w.path()
	for _, name := range p.Names {
		for _, dir := range append(filepath.SplitList(search), p.Dirs...) {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
				continue
			}
			if p.Fits == nil {
				return path, nil
			}
			err := p.Fits(path)
			if err == nil {
				return path, nil
			}
			refused = err
		}
	}
	return "", refused
}

// Step runs a program as a step outside of any recipe; an exit code other than
// 0 is an error.
func (w *Workspace) Step(ctx context.Context, name string, cmd *exec.Cmd) error {
	end := w.out.Begin("resource", name)
	code, _, err := w.Process(ctx, recipe.Item{}, cmd)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: ended with exit code %d", name, code)
	}
	end(recipe.Result{Err: err})
	return err
}
