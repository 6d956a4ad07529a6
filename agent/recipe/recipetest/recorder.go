package recipetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"opsyard/agent/recipe"
)

// Recorder is a recipe.Reporter that keeps everything.
type Recorder struct {
	mu    sync.Mutex
	out   bytes.Buffer
	steps []*Step
	open  []*Step
	// Wrote, if set, is called after each piece of output with all of it so far.
	Wrote func(output string)
}

// Step is a step as it was reported.
type Step struct {
	Kind, Name string
	Depth      int
	Begin, End int // bytes of the output
	Ended      bool
	Result     recipe.Result
}

// Write implements recipe.Reporter.
func (r *Recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.out.Write(p)
	wrote, output := r.Wrote, ""
	if wrote != nil {
		output = r.out.String()
	}
	r.mu.Unlock()
	if wrote != nil {
		wrote(output)
	}
	return len(p), nil
}

// Begin implements recipe.Reporter. It panics when steps do not nest.
func (r *Recorder) Begin(kind, name string) func(recipe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Step{Kind: kind, Name: name, Depth: len(r.open), Begin: r.out.Len()}
	r.steps, r.open = append(r.steps, s), append(r.open, s)
	return func(result recipe.Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.open); n == 0 || r.open[n-1] != s {
			panic(fmt.Sprintf("step %s %s ended out of order", kind, name))
		}
		r.open = r.open[:len(r.open)-1]
		s.End, s.Ended, s.Result = r.out.Len(), true, result
	}
}

// Output is everything written so far.
func (r *Recorder) Output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// Steps are all steps of a kind, in the order they began.
func (r *Recorder) Steps(kind string) (steps []Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.steps {
		if s.Kind == kind {
			steps = append(steps, *s)
		}
	}
	return steps
}

// Inside is the output within a step.
func (r *Recorder) Inside(s Step) string { return r.Output()[s.Begin:s.End] }

// Outline is the tree of steps with their results, one a line, for comparing.
func (r *Recorder) Outline() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, s := range r.steps {
		fmt.Fprintf(&b, "%s%s %s: %s\n", strings.Repeat("  ", s.Depth), s.Kind, s.Name, s.outcome())
	}
	return b.String()
}

func (s *Step) outcome() string {
	switch {
	case !s.Ended:
		return "open"
	case s.Result.Err != nil:
		return "failed"
	case s.Result.Skipped:
		return "skipped"
	}
	return fmt.Sprintf("%d changed, %d unchanged", s.Result.Changed, s.Result.Unchanged)
}
