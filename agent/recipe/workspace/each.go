package workspace

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/steps"
)

// Each runs one process for each item, in order, up to the first that fails.
// What is reported on the steps' socket meanwhile is a step of the recipe.
func (w *Workspace) Each(ctx context.Context, command func(recipe.Item) (*exec.Cmd, error), codes Codes) error {
	for _, item := range w.Items {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.item(ctx, item, command, codes); err != nil {
			return err
		}
	}
	return nil
}

// Codes are the exit codes of a program that mean more than yes and no.
type Codes struct {
	Fine   []int          // beside 0
	Reason map[int]string // a sentence, where no step says it better
}

func (w *Workspace) item(ctx context.Context, item recipe.Item, command func(recipe.Item) (*exec.Cmd, error), codes Codes) error {
	end := w.out.Begin("recipe", item.Recipe.String())
	cmd, err := command(item)
	if err != nil {
		end(recipe.Result{Err: err})
		return err
	}
	code, result, err := w.Process(ctx, item, cmd)
	result.Err = codes.failure(ctx, item.Recipe, code, err, result.Err)
	end(result)
	return result.Err
}

// Process runs a program in the recipe's environment and takes its steps. It
// returns the exit code; the error is set where there is none.
func (w *Workspace) Process(ctx context.Context, item recipe.Item, cmd *exec.Cmd) (int, recipe.Result, error) {
	socket := filepath.Join(w.Dir, "steps.sock")
	server, err := steps.Listen(socket, w.out)
	if err != nil {
		return 1, recipe.Result{}, err
	}
	cmd.Env = append(w.environ(item, socket), cmd.Env...)
	code, err := run(ctx, cmd, w.Delay, w.out)
	server.Close()
	return code, server.Totals(), err
}

// failure says why a recipe failed: the step that ended it knows best.
func (c Codes) failure(ctx context.Context, name recipe.Name, code int, err, step error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return &recipe.Failure{Recipe: name, ExitCode: 1, Reason: err.Error()}
	case code == 0 || slices.Contains(c.Fine, code):
		return nil
	case step != nil:
		return &recipe.Failure{Recipe: name, ExitCode: code, Reason: step.Error()}
	}
	return &recipe.Failure{Recipe: name, ExitCode: code, Reason: c.Reason[code]}
}
