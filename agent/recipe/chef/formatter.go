package chef

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"opsyard/agent/recipe"
)

// formatter reads the steps of a run from what Chef's "doc" formatter prints,
// and hands on all of it:
//
//	Recipe: web::default
//	  * file[/etc/motd] action create
//	    - update content in file /etc/motd from 5d4140 to 7d793f
//	  * service[nginx] action start (up to date)
type formatter struct {
	out     recipe.Reporter
	running bool
	items   []recipe.Item
	line    []byte // the last one, as far as it is known
	passed  int    // how much of it is handed on

	recipe   *step
	resource *step
	seen     []string // recipes that have been steps
	failed   string   // why the run failed, as the client says
	culprit  recipe.Name
}

// step is an open one.
type step struct {
	name   string
	indent int
	end    func(recipe.Result)
	result recipe.Result
}

// Begin implements recipe.Reporter. Helpers that a recipe calls are part of the
// resource that calls them: two sources of steps would not nest.
func (f *formatter) Begin(kind, name string) func(recipe.Result) {
	if f.running {
		return func(recipe.Result) {}
	}
	return f.out.Begin(kind, name)
}

// begin expects a run of the items.
func (f *formatter) begin(items []recipe.Item) { f.running, f.items = true, items }

// Write implements recipe.Reporter.
func (f *formatter) Write(p []byte) (int, error) {
	if !f.running {
		return f.out.Write(p)
	}
	n := len(p)
	for len(p) > 0 {
		piece, rest, whole := bytes.Cut(p, []byte("\n"))
		f.line, p = append(f.line, piece...), rest
		if whole {
			f.read(string(f.line), true)
			f.pass('\n')
			f.line, f.passed = f.line[:0], 0
		}
	}
	// The client ends the line of a resource only when it is done with it. And
	// a line without an end must not fill the memory.
	if header.Match(f.line) && f.passed == 0 {
		f.read(string(f.line), false)
		f.pass()
	} else if len(f.line) > 4096 || !mayBeHeader(f.line) {
		f.pass()
	}
	return n, nil
}

// pass hands on what is known of the line.
func (f *formatter) pass(more ...byte) {
	_, _ = f.out.Write(append(slices.Clone(f.line[f.passed:]), more...))
	f.passed = len(f.line)
	if f.passed > 1<<16 {
		f.line, f.passed = f.line[:0], 0
	}
}

func mayBeHeader(line []byte) bool {
	line = bytes.TrimLeft(line, " ")
	return len(line) == 0 || line[0] == '*' || bytes.HasPrefix(line, []byte("Recipe:")) || bytes.HasPrefix([]byte("Recipe:"), line)
}

var (
	recipeLine = regexp.MustCompile(`^Recipe: (\S+::\S+|<.*>)`)
	header     = regexp.MustCompile(`^( *)\* (\S+\[.*\]) action (\w+)`)
	change     = regexp.MustCompile(`^( *)- `)
	brokenLine = regexp.MustCompile(`^\s*(Error executing action .* on resource '.*')`)
	compile    = regexp.MustCompile(`Recipe Compile Error in (\S+)`)
	finished   = regexp.MustCompile(`^(Running handlers:|\S+( \S+)* Client (finished|failed))`)
)

// read takes one line, or the beginning of a resource's.
func (f *formatter) read(line string, whole bool) {
	if m := recipeLine.FindStringSubmatch(line); m != nil {
		f.openRecipe(m[1])
		return
	}
	if m := header.FindStringSubmatch(line); m != nil {
		if f.passed == 0 {
			f.openResource(len(m[1]), m[2]+" "+m[3])
		}
		if whole && f.resource != nil && len(m[1]) == f.resource.indent {
			f.resource.result.Skipped = strings.Contains(line, "(skipped due to") || strings.Contains(line, "(Skipped: ")
		}
		return
	}
	if m := change.FindStringSubmatch(line); m != nil && f.resource != nil && len(m[1]) > f.resource.indent {
		f.resource.result.Changed = 1
	}
	if m := brokenLine.FindStringSubmatch(line); m != nil {
		f.fail(m[1])
	}
	if m := compile.FindStringSubmatch(line); m != nil {
		recipes, file := filepath.Split(m[1])
		f.culprit = recipe.Name{Cookbook: filepath.Base(filepath.Dir(filepath.Clean(recipes))), Recipe: strings.TrimSuffix(file, filepath.Ext(file))}
		f.fail("it could not be compiled; the log says why")
	}
	if finished.MatchString(line) {
		f.closeRecipe(nil)
	}
}

func (f *formatter) fail(reason string) {
	if f.failed != "" {
		return // what fails around it fails for the same reason
	}
	f.failed = reason
	if f.recipe != nil {
		f.culprit, _ = recipe.ParseName(f.recipe.name)
	}
	for _, s := range []*step{f.resource, f.recipe} {
		if s != nil {
			s.result.Err = errors.New(reason)
		}
	}
}

// openRecipe begins a recipe's step; delayed notifications come back to recipes
// that have ended, which are then steps once more.
func (f *formatter) openRecipe(name string) {
	f.closeRecipe(nil)
	f.seen = append(f.seen, name)
	f.recipe = &step{name: name, end: f.out.Begin("recipe", name)}
}

// openResource begins a resource's step. A resource that another one is made
// of is indented further and part of that.
func (f *formatter) openResource(indent int, name string) {
	if f.recipe == nil || f.resource != nil && indent > f.resource.indent {
		return
	}
	f.closeResource(nil)
	f.resource = &step{name: name, indent: indent, end: f.out.Begin("resource", name)}
}

func (f *formatter) closeResource(err error) {
	s := f.resource
	if s == nil {
		return
	}
	f.resource = nil
	if s.result.Err == nil {
		s.result.Err = err
	}
	if s.result.Err == nil && s.result.Changed == 0 && !s.result.Skipped {
		s.result.Unchanged = 1
	}
	f.recipe.result.Changed += s.result.Changed
	f.recipe.result.Unchanged += s.result.Unchanged
	s.end(s.result)
}

func (f *formatter) closeRecipe(err error) {
	f.closeResource(err)
	s := f.recipe
	if s == nil {
		return
	}
	f.recipe = nil
	if s.result.Err == nil {
		s.result.Err = err
	}
	s.end(s.result)
}

// end closes what is open and says how the run ended.
func (f *formatter) end(ctx context.Context, code int, err error) error {
	if len(f.line) > 0 {
		f.read(string(f.line), true)
		f.pass()
	}
	f.running = false
	switch {
	case err != nil && ctx.Err() != nil:
		f.closeRecipe(err)
		f.open(err)
		return err
	case err != nil:
		f.failed = err.Error()
	case slices.Contains([]int{0, 35, 37}, code): // 35 and 37: done, and a reboot is wanted
		f.closeRecipe(nil)
		f.open(nil)
		return nil
	}
	failure := &recipe.Failure{Recipe: f.culprit, ExitCode: max(code, 1), Reason: f.failed}
	if f.culprit.Cookbook == "" {
		failure.Recipe = f.items[0].Recipe
	}
	f.closeRecipe(failure)
	f.open(failure)
	return failure
}

// open makes steps of recipes that have none: those without resources, or of a
// run that broke before the first recipe, the one to blame.
func (f *formatter) open(err error) {
	var failure *recipe.Failure
	isFailure := errors.As(err, &failure)
	for _, item := range f.items {
		name := item.Recipe.String()
		blamed := isFailure && failure.Recipe == item.Recipe
		if slices.Contains(f.seen, name) || err != nil && !blamed {
			continue
		}
		f.seen = append(f.seen, name)
		f.out.Begin("recipe", name)(recipe.Result{Err: err})
	}
}
