package shell_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/recipetest"
	"opsyard/agent/recipe/shell"
	"opsyard/agent/resource"
)

// TestMain lets the test program be the agent that its recipes call.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "agent" && resource.IsHelper(os.Args[2]) {
		os.Exit(resource.Main(context.Background(), os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

var scripts = map[recipetest.Behaviour]string{
	recipetest.Say:        `echo "$OPSYARD_COOKBOOK::$OPSYARD_RECIPE says hello"`,
	recipetest.Fail:       "echo about to fail\nexit 7",
	recipetest.Stubborn:   "trap '' TERM\nsleep 600 &\necho stubborn $!\nwhile :; do wait; done",
	recipetest.Interleave: `for i in $(seq 200); do echo out $i; echo err $i >&2; done`,
	recipetest.Big:        fmt.Sprintf(`seq -f "line %%.0f" %d`, recipetest.Lines),
	recipetest.Change:     `opsyard-agent file "$TARGET" --content changed`,
	recipetest.Tell:       `echo "attribute $(opsyard-agent attr suite.greeting)"`,
}

func writeScript(t *testing.T, root string, name recipe.Name, script string) {
	t.Helper()
	dir := filepath.Join(root, name.Cookbook, "recipes")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name.Recipe+".sh"), []byte(script+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runner() *shell.Runner { return &shell.Runner{KillDelay: 200 * time.Millisecond} }

func testProgram(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunner(t *testing.T) {
	t.Parallel()
	recipetest.Exercise(t, runner(), recipetest.Fixtures{
		Agent: testProgram(t),
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			writeScript(t, root, name, scripts[does])
		},
	})
}

// bundle is a job with one recipe, demo::default.
type bundle struct {
	job recipe.Job
	out *recipetest.Recorder
	dir string
}

func setup(t *testing.T, script string) *bundle {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	b := &bundle{out: &recipetest.Recorder{}, dir: dir, job: recipe.Job{
		CommandID: "c-1", Type: "setup", Dir: filepath.Join(dir, "run"), Cookbooks: []string{filepath.Join(dir, "books")},
		Attributes: filepath.Join(dir, "attributes.json"), Private: filepath.Join(dir, "private.json"), Agent: testProgram(t),
		Items: []recipe.Item{{Recipe: recipe.Name{Cookbook: "demo", Recipe: "default"}, Layer: "web"}},
		Env:   []string{"OPSYARD_ROOT=" + filepath.Join(dir, "root")},
	}}
	for _, path := range []string{b.job.Dir, filepath.Join(dir, "root")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, b.job.Attributes, `{"who": "world"}`)
	writeFile(t, b.job.Private, `{"apps": []}`)
	writeScript(t, b.job.Cookbooks[0], b.job.Items[0].Recipe, script)
	return b
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return runner().Run(ctx, b.job, b.out)
}

func (b *bundle) mustRun(t *testing.T) {
	t.Helper()
	if err := b.run(t); err != nil {
		t.Fatalf("run: %v\n%s", err, b.out.Output())
	}
}

func TestStrict(t *testing.T) {
	for name, script := range map[string]string{
		"UnsetVariable": "echo $nothing_of_that_name", "FirstFailure": "false\necho went on", "Pipe": "false | true",
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, script)
			if err := b.run(t); err == nil || strings.Contains(b.out.Output(), "went on") {
				t.Errorf("got %v, %q", err, b.out.Output())
			}
		})
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("A_SECRET_OF_THE_AGENT", "x")
	dir := t.TempDir()
	root := filepath.Join(dir, "books")
	writeScript(t, root, recipe.Name{Cookbook: "demo", Recipe: "default"}, "env; pwd; cat files/f")
	if err := os.MkdirAll(filepath.Join(root, "demo", "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, "demo", "files", "f"), "beside the recipe\n")
	job := recipe.Job{
		Dir: dir, Type: "setup", CommandID: "c-9", Cookbooks: []string{root}, Agent: testProgram(t), Env: []string{"MINE=1"},
		Items: []recipe.Item{{Recipe: recipe.Name{Cookbook: "demo", Recipe: "default"}, Layer: "web"}},
	}
	out := &recipetest.Recorder{}
	if err := runner().Run(t.Context(), job, out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"OPSYARD_EVENT=setup\n", "OPSYARD_COMMAND_ID=c-9\n", "OPSYARD_LAYER=web\n", "MINE=1\n", "LANG=C.UTF-8\n",
		"OPSYARD_DRY_RUN=\n", "/demo\n", "beside the recipe\n",
	} {
		if !strings.Contains(out.Output(), want) {
			t.Errorf("%q is missing in\n%s", want, out.Output())
		}
	}
	if strings.Contains(out.Output(), "A_SECRET_OF_THE_AGENT") {
		t.Error("the agent's environment leaks")
	}
}

func TestStepsHoldTheirOutput(t *testing.T) {
	b := setup(t, `
echo before
opsyard-agent exec -- echo one
echo between
opsyard-agent exec -- bash -c 'opsyard-agent exec -- echo inner; echo two'
echo after`)
	b.mustRun(t)
	resources := b.out.Steps("resource")
	want := []string{"one\nexec echo one: run\n", "inner\nexec echo inner: run\ntwo\n", "inner\nexec echo inner: run\n"}
	if len(resources) != len(want) {
		t.Fatalf("steps are\n%s", b.out.Outline())
	}
	for i, step := range resources {
		if got := b.out.Inside(step); !strings.HasPrefix(got, want[i]) || step.Depth < 1 {
			t.Errorf("step %s at depth %d holds %q, want %q", step.Name, step.Depth, got, want[i])
		}
	}
	if resources[2].Depth != 2 {
		t.Errorf("a helper inside a helper has depth %d", resources[2].Depth)
	}
}

func TestOverlappingHelpers(t *testing.T) {
	b := setup(t, `
for i in 1 2 3 4 5 6 7 8; do opsyard-agent file "/f$i" --content "$i" & done
wait`)
	if err := os.WriteFile(filepath.Join(b.dir, "root", "f1"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.mustRun(t)
	if steps := b.out.Steps("resource"); len(steps) != 8 {
		t.Errorf("%d steps:\n%s", len(steps), b.out.Outline())
	}
	if r := b.out.Steps("recipe")[0].Result; r.Changed != 7 || r.Unchanged != 1 {
		t.Errorf("recipe counts %+v", r)
	}
}

func TestHelperGivesTheReason(t *testing.T) {
	b := setup(t, "opsyard-agent directory /d\nopsyard-agent attr not.there\n")
	err := b.run(t)
	if err == nil || !strings.Contains(b.out.Output(), "there is no attribute not.there") {
		t.Errorf("got %v, output %q", err, b.out.Output())
	}
	b2 := &bundle{job: b.job, out: &recipetest.Recorder{}, dir: b.dir}
	writeScript(t, b.job.Cookbooks[0], b.job.Items[0].Recipe, "opsyard-agent exec -- sh -c 'exit 9'")
	if err := b2.run(t); err == nil || err.Error() != "recipe demo::default: exec sh -c exit 9: ended with exit code 9" {
		t.Errorf("got %v", err)
	}
}

func TestBackgroundProcessDoesNotHoldTheRun(t *testing.T) {
	b := setup(t, "sleep 30 & echo $! > pid; echo done")
	b.mustRun(t)
	if !strings.Contains(b.out.Output(), "no longer followed") {
		t.Errorf("output is %q", b.out.Output())
	}
	pid := 0
	data, _ := os.ReadFile(filepath.Join(b.job.Dir, "cookbooks", "demo", "pid"))
	_, _ = fmt.Sscan(string(data), &pid)
	if p, err := os.FindProcess(pid); pid > 0 && err == nil {
		_ = p.Kill()
	}
}

func TestDeepDirectory(t *testing.T) {
	b := setup(t, "opsyard-agent file /f --content x")
	b.job.Dir = filepath.Join(b.dir, strings.Repeat("long/", 40))
	if err := os.MkdirAll(b.job.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.mustRun(t)
	if len(b.out.Steps("resource")) != 1 {
		t.Errorf("steps are\n%s", b.out.Outline())
	}
}

func TestPartialMergeKeepsSpecialFiles(t *testing.T) {
	b := setup(t, "cat link; test -x tool")
	book := filepath.Join(b.job.Cookbooks[0], "demo")
	writeFile(t, filepath.Join(book, "real"), "through a link\n")
	if err := os.Symlink("real", filepath.Join(book, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(book, "tool"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	b.mustRun(t)
	if !strings.Contains(b.out.Output(), "through a link") {
		t.Errorf("output is %q", b.out.Output())
	}
}
