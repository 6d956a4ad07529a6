// Package recipetest is the suite that every recipe.Runner passes.
package recipetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/agent/recipe"
)

// Behaviour is what a recipe of the suite does. Fixtures write such recipes in
// the runner's own language.
type Behaviour string

// The behaviours.
const (
	// Say prints "COOKBOOK::RECIPE says hello" on a line of its own.
	Say Behaviour = "say"
	// Fail prints "about to fail" and ends with exit code 7.
	Fail Behaviour = "fail"
	// Stubborn ignores TERM, starts a child that does the same, prints "stubborn PID" with the child's
	// process number, and goes on for ten minutes.
	Stubborn Behaviour = "stubborn"
	// Interleave prints "out N" to standard output and "err N" to standard
	// error in turn, N from 1 to 200.
	Interleave Behaviour = "interleave"
	// Big prints Lines lines "line N", N from 1.
	Big Behaviour = "big"
	// Change brings the file that the environment variable TARGET names to the
	// content "changed\n", with the means of the configuration manager.
	Change Behaviour = "change"
	// Tell prints "attribute VALUE" with the attribute suite.greeting.
	Tell Behaviour = "tell"
)

// Lines is how much a Big recipe prints.
const Lines = 100_000

// Secret is a value in the private document that no recipe prints.
const Secret = "correct-horse-battery-staple"

// Fixtures adapt the suite to a runner.
type Fixtures struct {
	// Agent is the job's agent program.
	Agent string
	// Write makes a recipe in a cookbook root.
	Write func(t *testing.T, root string, name recipe.Name, does Behaviour)
	// Env is added to the job's environment.
	Env []string
	// Noisy tells that the configuration manager prints lines of its own among
	// the recipe's, so that output is searched and not compared.
	Noisy bool
	// OwnExitCode tells that a failed run ends with the manager's exit code
	// and not with the recipe's.
	OwnExitCode bool
	// Slow tells that the configuration manager takes seconds to start: with
	// -short only what has to do with our own processes is run.
	Slow bool
}

// essential is what a slow runner is tried for with -short.
var essential = []string{"OK", "Failure", "Cancel"}

// suite is one test's workspace.
type suite struct {
	Fixtures
	runner recipe.Runner
	root   string
	job    recipe.Job
	out    *Recorder
}

func (f Fixtures) setup(t *testing.T, runner recipe.Runner) *suite {
	t.Helper()
	t.Parallel()
	s := &suite{Fixtures: f, runner: runner, out: &Recorder{}}
	s.job = NewJob(t, `{"suite": {"greeting": "good morning"}}`,
		`{"apps": [{"shortname": "hello", "environment": {"PASSWORD": "`+Secret+`"}}], "args": {}}`)
	s.job.Agent, s.job.Env, s.root = f.Agent, slices.Clone(f.Env), s.job.Cookbooks[0]
	return s
}

// add writes a recipe and puts it at the end of the run list.
func (s *suite) add(t *testing.T, name string, does Behaviour) {
	t.Helper()
	n, err := recipe.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	if does != "" {
		s.Write(t, s.root, n, does)
	}
	s.job.Items = append(s.job.Items, recipe.Item{Recipe: n})
}

func (s *suite) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return s.runner.Run(ctx, s.job, s.out)
}

func (s *suite) mustRun(t *testing.T) {
	t.Helper()
	if err := s.run(t); err != nil {
		t.Fatalf("run: %v\n%s", err, s.out.Output())
	}
}

// Exercise runs the suite.
func Exercise(t *testing.T, runner recipe.Runner, f Fixtures) {
	for name, test := range map[string]func(*testing.T, *suite){
		"OK": testOK, "Order": testOrder, "Empty": testEmpty, "Failure": testFailure, "Missing": testMissing,
		"Cancel": testCancel, "CanceledBefore": testCanceledBefore, "DryRun": testDryRun,
		"Interleaving": testInterleaving, "BigOutput": testBigOutput, "Steps": testSteps,
		"Override": testOverride, "Attributes": testAttributes, "Timeout": testTimeout, "Secret": testSecret,
	} {
		t.Run(name, func(t *testing.T) {
			if f.Slow && testing.Short() && !slices.Contains(essential, name) {
				t.Skip("its configuration manager is slow")
			}
			test(t, f.setup(t, runner))
		})
	}
}

func testOK(t *testing.T, s *suite) {
	s.add(t, "first", Say)
	s.mustRun(t)
	if got := s.out.Output(); !strings.Contains(got, "first::default says hello\n") {
		t.Errorf("output is %q", got)
	}
	if steps := s.out.Steps("recipe"); len(steps) != 1 || steps[0].Name != "first::default" || !steps[0].Ended || steps[0].Result.Err != nil {
		t.Errorf("steps are %+v", steps)
	}
}

func testOrder(t *testing.T, s *suite) {
	names := []string{"zebra::two", "ant::one", "zebra::one", "ant::one"}
	for _, name := range names {
		s.add(t, name, Say)
	}
	s.mustRun(t)
	rest := s.out.Output()
	for _, name := range names[:3] { // a manager may run a repeated recipe once
		_, after, found := strings.Cut(rest, name+" says hello\n")
		if !found {
			t.Fatalf("%s is missing or out of order:\n%s", name, s.out.Output())
		}
		rest = after
	}
}

func testEmpty(t *testing.T, s *suite) {
	s.mustRun(t)
}

func testFailure(t *testing.T, s *suite) {
	s.add(t, "bad", Fail)
	s.add(t, "later", Say)
	err := s.run(t)
	var failure *recipe.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a *recipe.Failure\n%s", err, s.out.Output())
	}
	if failure.Recipe.Cookbook != "bad" || failure.ExitCode == 0 || !s.OwnExitCode && failure.ExitCode != 7 {
		t.Errorf("failure is %+v", failure)
	}
	if out := s.out.Output(); !strings.Contains(out, "about to fail\n") || strings.Contains(out, "later::default says hello") {
		t.Errorf("output is %q", out)
	}
	for _, step := range s.out.Steps("recipe") {
		if !step.Ended || step.Name == "bad::default" && step.Result.Err == nil {
			t.Errorf("step is %+v", step)
		}
	}
}

func testMissing(t *testing.T, s *suite) {
	s.add(t, "here", Say)
	s.add(t, "nowhere::to_be_found", "")
	err := s.run(t)
	var failure *recipe.Failure
	if !errors.As(err, &failure) || failure.Recipe.Cookbook != "nowhere" {
		t.Fatalf("got %v, want a *recipe.Failure of nowhere", err)
	}
	if strings.Contains(s.out.Output(), "here::default says hello") {
		t.Error("a run that cannot end well was begun")
	}
	for _, want := range []string{"nowhere::to_be_found", "here", s.root} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

var errStop = errors.New("somebody pressed cancel")

func testCancel(t *testing.T, s *suite) {
	s.add(t, "mule", Stubborn)
	s.add(t, "later", Say)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	child := 0
	s.out.Wrote = func(output string) {
		if _, after, found := strings.Cut(output, "stubborn "); found && strings.Contains(after, "\n") {
			_, _ = fmt.Sscan(after, &child)
			cancel(errStop)
		}
	}
	if err := s.runner.Run(ctx, s.job, s.out); !errors.Is(err, errStop) {
		t.Errorf("got %v, want the cause\n%s", err, s.out.Output())
	}
	if child == 0 {
		t.Fatalf("the recipe did not start:\n%s", s.out.Output())
	}
	waitGone(t, child)
	if strings.Contains(s.out.Output(), "later::default says hello") {
		t.Error("the next recipe was run")
	}
	for _, step := range s.out.Steps("recipe") {
		if !step.Ended || step.Name == "mule::default" && step.Result.Err == nil {
			t.Errorf("step is %+v", step)
		}
	}
}

// waitGone waits until the process is gone, or dead and not yet collected by
// whoever inherited it.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.HasPrefix(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " Z") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still lives", pid)
}

func testCanceledBefore(t *testing.T, s *suite) {
	s.add(t, "first", Say)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	if err := s.runner.Run(ctx, s.job, s.out); !errors.Is(err, errStop) {
		t.Errorf("got %v, want the cause", err)
	}
	if strings.Contains(s.out.Output(), "says hello") {
		t.Error("a recipe was run")
	}
}

var errLate = errors.New("it took too long")

// testTimeout: whatever the manager is at when the time is over, it ends.
func testTimeout(t *testing.T, s *suite) {
	s.add(t, "mule", Stubborn)
	s.add(t, "later", Say)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 700*time.Millisecond, errLate)
	defer cancel()
	if err := s.runner.Run(ctx, s.job, s.out); !errors.Is(err, errLate) {
		t.Errorf("got %v, want the cause\n%s", err, s.out.Output())
	}
	for _, step := range s.out.Steps("recipe") {
		if !step.Ended || step.Name == "later::default" {
			t.Errorf("step is %+v", step)
		}
	}
}

// testSecret: the private document is neither printed nor copied to where
// others could read it.
func testSecret(t *testing.T, s *suite) {
	s.job.Env = append(s.job.Env, "TARGET="+filepath.Join(filepath.Dir(s.root), "target"))
	s.add(t, "changer", Change)
	s.add(t, "bad", Fail)
	if err := s.run(t); err == nil || strings.Contains(err.Error()+s.out.Output()+s.out.Outline(), Secret) {
		t.Errorf("got %v\n%s", err, s.out.Output())
	}
	err := filepath.WalkDir(s.job.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		info, statErr := d.Info()
		if statErr == nil && bytes.Contains(content, []byte(Secret)) && info.Mode()&0o077 != 0 {
			t.Errorf("%s holds the secret and has mode %s", path, info.Mode())
		}
		return errors.Join(err, statErr)
	})
	if err != nil {
		t.Error(err)
	}
}

func testDryRun(t *testing.T, s *suite) {
	target := filepath.Join(filepath.Dir(s.root), "target")
	s.job.Env = append(s.job.Env, "TARGET="+target)
	s.add(t, "changer", Change)
	s.job.DryRun = true
	s.mustRun(t)
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run made the file (%v)", err)
	}
	s.job.DryRun = false
	s.mustRun(t)
	if got, err := os.ReadFile(target); err != nil || string(got) != "changed\n" {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func testInterleaving(t *testing.T, s *suite) {
	s.add(t, "both", Interleave)
	s.mustRun(t)
	rest := s.out.Output()
	for i := 1; i <= 200; i++ {
		for _, line := range []string{fmt.Sprintf("out %d\n", i), fmt.Sprintf("err %d\n", i)} {
			_, after, found := strings.Cut(rest, line)
			if !found {
				t.Fatalf("%q is missing or out of order", line)
			}
			rest = after
		}
	}
}

func testBigOutput(t *testing.T, s *suite) {
	s.add(t, "big", Big)
	s.mustRun(t)
	got := s.out.Output()
	if want := bigOutput(); !s.Noisy && got != want {
		t.Errorf("%d bytes differ from the %d that were printed", len(got), len(want))
	}
	for i := 1; i <= Lines; i++ {
		line := fmt.Sprintf("line %d\n", i)
		_, after, found := strings.Cut(got, line)
		if !found {
			t.Fatalf("%q is missing or out of order", line)
		}
		got = after
	}
}

func bigOutput() string {
	var b strings.Builder
	for i := 1; i <= Lines; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func testSteps(t *testing.T, s *suite) {
	target := filepath.Join(filepath.Dir(s.root), "target")
	s.job.Env = append(s.job.Env, "TARGET="+target)
	s.add(t, "changer", Change)
	for round, want := range []recipe.Result{{Changed: 1}, {Unchanged: 1}} {
		s.out = &Recorder{}
		s.mustRun(t)
		for _, kind := range []string{"recipe", "resource"} {
			steps := s.out.Steps(kind)
			if len(steps) != 1 || !steps[0].Ended || steps[0].Result != want {
				t.Errorf("round %d: %s steps are %+v, want one with %+v", round, kind, steps, want)
			}
		}
		if resources := s.out.Steps("resource"); len(resources) == 1 && !strings.Contains(resources[0].Name, target) {
			t.Errorf("step %q does not name its file", resources[0].Name)
		}
	}
}

func testOverride(t *testing.T, s *suite) {
	custom := filepath.Join(filepath.Dir(s.root), "custom")
	s.job.Cookbooks = append(s.job.Cookbooks, custom)
	s.add(t, "shared::kept", Say)
	s.add(t, "shared::replaced", Fail)
	s.Write(t, custom, recipe.Name{Cookbook: "shared", Recipe: "replaced"}, Say)
	s.mustRun(t)
	for _, name := range []string{"shared::kept", "shared::replaced"} {
		if !strings.Contains(s.out.Output(), name+" says hello\n") {
			t.Errorf("%s did not run:\n%s", name, s.out.Output())
		}
	}
}

func testAttributes(t *testing.T, s *suite) {
	s.add(t, "teller", Tell)
	s.mustRun(t)
	if !strings.Contains(s.out.Output(), "attribute good morning\n") {
		t.Errorf("output is %q", s.out.Output())
	}
}
