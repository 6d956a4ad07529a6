// Package recipe runs the recipes of one command with whatever configuration
// manager the stack uses. A Runner sees a workspace and a reporter, no network
// and no server.
package recipe

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Job is everything a runner needs for one command.
type Job struct {
	// CommandID and Type identify the run to the recipes ("setup", "deploy", …).
	CommandID string
	Type      string
	// Dir is the run's own directory, mode 0700, kept for the last runs.
	Dir string
	// Items is the run list, in order.
	Items []Item
	// Cookbooks are directories that hold cookbooks; a later one overrides an
	// earlier one file by file.
	Cookbooks []string
	// Attributes is the path of the merged attribute document, a JSON object.
	Attributes string
	// Private is the path of a JSON file, mode 0600, that holds what must not
	// be among the attributes: the command's apps with their secrets
	// (a list of protocol.App under "apps") and "args".
	Private string
	// Agent is the path of the agent program, whose subcommands recipes call.
	Agent  string
	DryRun bool
	// Env is added to a clean environment.
	Env []string
}

// Item is one recipe of a run list.
type Item struct {
	Recipe  Name
	BuiltIn bool
	Layer   string
}

// Reporter takes what a run prints and which steps it goes through. Output is
// already interleaved in the order it was written; secrets are hidden behind it.
type Reporter interface {
	io.Writer
	// Begin opens a step inside the one that is open; kind is "recipe" or
	// "resource". The returned function closes it, once; a step that is still
	// open when its parent closes counts as failed.
	Begin(kind, name string) (end func(Result))
}

// Result is how a step ended.
type Result struct {
	Err       error // nil: successful
	Skipped   bool
	Changed   int
	Unchanged int
}

// Runner runs recipes.
type Runner interface {
	// Name is the configuration manager: "shell", "chef", "puppet", "ansible".
	Name() string
	// Run executes the job's items in order and stops at the first failure.
	// When ctx ends, the runner ends its processes (TERM, after
	// protocol.KillDelay KILL, to the whole process group) before it returns
	// context.Cause(ctx). A recipe that fails gives a *Failure.
	Run(ctx context.Context, job Job, out Reporter) error
}

// Failure is a recipe that ended with an error of its own.
type Failure struct {
	Recipe   Name
	ExitCode int
	Reason   string // one sentence
}

// Error is the sentence shown with the command.
func (f *Failure) Error() string {
	if f.Reason != "" {
		return fmt.Sprintf("recipe %s: %s", f.Recipe, f.Reason)
	}
	return fmt.Sprintf("recipe %s ended with exit code %d", f.Recipe, f.ExitCode)
}

// Name is a recipe's full name.
type Name struct{ Cookbook, Recipe string }

// ParseName reads "cookbook::recipe"; "cookbook" alone means its default recipe.
// It refuses names that could leave the cookbook's directory.
func ParseName(s string) (Name, error) {
	cookbook, recipe, found := strings.Cut(s, "::")
	if !found {
		recipe = "default"
	}
	if !validPart(cookbook) || !validPart(recipe) {
		return Name{}, fmt.Errorf("%q is not a recipe name: write cookbook::recipe with letters, digits, _ and -", s)
	}
	return Name{cookbook, recipe}, nil
}

// String is the full name.
func (n Name) String() string { return n.Cookbook + "::" + n.Recipe }

func validPart(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
