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
	Manager string   // "chef"; the key of its settings below opsyard in the attributes
	Names   []string // the first that is found is taken
	Dirs    []string // beside the PATH
	Advice  string   // what to install, a sentence
	// Fits, if set, refuses a program, with a sentence.
	Fits func(path string) error
}

// Settings are what custom JSON may say about a configuration manager, as in
// {"opsyard": {"chef": {"install_command": "…"}}}.
type Settings struct {
	InstallCommand string `json:"install_command"`
	License        string `json:"license"`
}

// Settings reads those of one manager.
func (w *Workspace) Settings(manager string) (Settings, error) {
	var doc struct {
		Opsyard map[string]Settings `json:"opsyard"`
	}
	err := w.ReadAttributes(&doc)
	return doc.Opsyard[manager], err
}

// Need returns the program's path. Where it is missing, the stack's install
// command is run, unless this is a dry run; failing that, the error says what
// to install.
func (w *Workspace) Need(ctx context.Context, p Program) (string, error) {
	path, refused := w.look(p)
	if path != "" {
		return path, nil
	}
	settings, err := w.Settings(p.Manager)
	if err != nil {
		return "", err
	}
	if settings.InstallCommand != "" && !w.DryRun {
		if err := w.install(ctx, p, settings.InstallCommand); err != nil {
			return "", err
		}
		if path, refused = w.look(p); path != "" {
			return path, nil
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("This instance has no %s: %s", strings.Join(p.Names, " or "), p.Advice) //nolint:staticcheck // a sentence for people
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

func (w *Workspace) install(ctx context.Context, p Program, command string) error {
	return w.Step(ctx, "install "+p.Manager, exec.Command("bash", "-euo", "pipefail", "-c", command))
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
