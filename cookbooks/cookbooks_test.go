package cookbooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/recipetest"
	"opsyard/agent/recipe/shell"
	"opsyard/agent/resource"
	"opsyard/cookbooks"
	"opsyard/engine/compute/computetest"
	"opsyard/engine/compute/local"
)

// TestMain lets the test program be the agent that its recipes call, and what
// runs them in a machine.
func TestMain(m *testing.M) {
	local.MaybeChild()
	computetest.MaybeAgent()
	switch {
	case len(os.Args) > 2 && os.Args[1] == "agent" && resource.IsHelper(os.Args[2]):
		os.Exit(resource.Main(context.Background(), os.Args[2:]))
	case len(os.Args) == 3 && os.Args[1] == runWord:
		os.Exit(runOrder(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// instance is a directory that stands for an instance, with the built-in
// cookbooks to run on it.
type instance struct {
	dir, root string
	job       recipe.Job
	out       *recipetest.Recorder
}

func setup(t *testing.T) *instance {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{dir: dir, root: filepath.Join(dir, "root")}
	i.job = recipe.Job{
		CommandID: "c-1", Dir: filepath.Join(dir, "run"), Cookbooks: []string{filepath.Join(dir, "cookbooks")}, Agent: program,
		Attributes: filepath.Join(dir, "attributes.json"), Private: filepath.Join(dir, "private.json"),
		Env: []string{"OPSYARD_INSTANCE_DIR=" + i.root, "OPSYARD_ROOT=" + i.root},
	}
	for _, path := range []string{i.root, i.job.Dir} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(i.job.Cookbooks[0], cookbooks.FS); err != nil {
		t.Fatal(err)
	}
	i.attributes(t, map[string]any{})
	i.apps(t)
	return i
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (i *instance) attributes(t *testing.T, doc map[string]any) {
	t.Helper()
	writeJSON(t, i.job.Attributes, doc)
}

func (i *instance) apps(t *testing.T, apps ...protocol.App) {
	t.Helper()
	writeJSON(t, i.job.Private, map[string]any{"apps": apps, "args": map[string]any{}})
}

// run runs recipes and returns the output; changed counts what they changed.
func (i *instance) run(t *testing.T, names ...string) (output string, changed int) {
	t.Helper()
	i.out = &recipetest.Recorder{}
	i.job.Items = nil
	for _, name := range names {
		n, err := recipe.ParseName(name)
		if err != nil {
			t.Fatal(err)
		}
		i.job.Items = append(i.job.Items, recipe.Item{Recipe: n, BuiltIn: true})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := shell.New().Run(ctx, i.job, i.out); err != nil {
		t.Fatalf("run %v: %v\n%s", names, err, i.out.Output())
	}
	for _, step := range i.out.Steps("recipe") {
		changed += step.Result.Changed
	}
	return i.out.Output(), changed
}

func (i *instance) read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(i.root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// stack is a state document: layers with their online instances.
func stack(online map[string][]string) map[string]any {
	layers := map[string]any{}
	next := 10
	for _, short := range []string{"lb", "web", "php-app"} {
		instances := map[string]any{}
		for _, host := range online[short] {
			instances[host] = map[string]any{"id": host, "status": "online", "private_ip": "10.1.0." + string(rune('0'+next/10)) + string(rune('0'+next%10)), "backends": 10}
			next++
		}
		layers[short] = map[string]any{"id": short, "name": short, "type": short, "attributes": map[string]any{}, "packages": []string{}, "instances": instances}
	}
	layers["lb"].(map[string]any)["attributes"] = map[string]any{"HaproxyStatsUser": "boss", "HaproxyStatsPassword": "it's $ecret", "EnableHaproxyStats": "true"}
	return map[string]any{"opsworks": map[string]any{
		"activity": "configure", "stack": map[string]any{"id": "s", "name": "Shop"},
		"instance": map[string]any{"hostname": "web1", "layers": []string{"web"}}, "layers": layers,
		"applications": []any{map[string]any{"name": "Hello", "slug_name": "hello", "application_type": "web", "domains": []string{"www.example.com"}}},
	}}
}

func TestBash(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(cookbooks.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".sh") {
			return err
		}
		script, err := cookbooks.FS.ReadFile(path)
		if err != nil {
			return err
		}
		cmd := exec.Command("bash", "-n")
		cmd.Stdin = bytes.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", path, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecipesAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/cookbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := fs.Glob(cookbooks.FS, "*/recipes/*.sh")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d recipes, %v", len(paths), err)
	}
	for _, path := range paths {
		cookbook, name, _ := strings.Cut(strings.TrimSuffix(path, ".sh"), "/recipes/")
		if name == "default" {
			name = cookbook
		} else {
			name = "::" + name
		}
		if !strings.Contains(string(docs), "`"+name+"`") && !strings.Contains(string(docs), "`"+cookbook+name+"`") {
			t.Errorf("docs/cookbooks.md says nothing of %s", path)
		}
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "books.tar.gz")
	if err := os.WriteFile(file, cookbooks.Archive(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tar", "tzf", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nginx/templates/nginx.conf.tmpl\n") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestHosts(t *testing.T) {
	i := setup(t)
	i.attributes(t, stack(map[string][]string{"lb": {"lb1"}, "web": {"web1", "web2"}}))
	if err := os.Mkdir(filepath.Join(i.root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(i.root, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	i.run(t, "opsyard_initial_setup")
	got := i.read(t, "etc/hosts")
	for _, want := range []string{"127.0.0.1 localhost\n", "10.1.0.10 lb1 lb1.localdomain\n", "10.1.0.12 web2 web2.localdomain\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if out, changed := i.run(t, "opsyard_initial_setup::configure"); changed != 0 {
		t.Errorf("the second run changed something:\n%s", out)
	}
	i.attributes(t, stack(map[string][]string{"web": {"web2"}}))
	i.run(t, "opsyard_initial_setup::configure")
	if got := i.read(t, "etc/hosts"); strings.Contains(got, "lb1") || strings.Count(got, "BEGIN") != 1 {
		t.Errorf("hosts are\n%s", got)
	}
}

// An instance knows its own name before it is online, by whichever kind of
// address; a name with a line of its own does not get into the file.
func TestHostsOfItself(t *testing.T) {
	i := setup(t)
	doc := stack(map[string][]string{"web": {"web2"}})
	own := doc["opsworks"].(map[string]any)["instance"].(map[string]any)
	own["private_ip"] = "fd00::11"
	i.attributes(t, doc)
	i.run(t, "opsyard_initial_setup::configure")
	if got := i.read(t, "etc/hosts"); !strings.Contains(got, "\nfd00::11 web1 web1.localdomain\n") || !strings.Contains(got, "\n10.1.0.10 web2 ") {
		t.Errorf("hosts are\n%s", got)
	}
	own["hostname"] = "x\n10.9.9.9 evil"
	i.attributes(t, doc)
	i.job.Items = []recipe.Item{{Recipe: recipe.Name{Cookbook: "opsyard_initial_setup", Recipe: "configure"}, BuiltIn: true}}
	if err := shell.New().Run(t.Context(), i.job, &recipetest.Recorder{}); err == nil || strings.Contains(i.read(t, "etc/hosts"), "evil") {
		t.Errorf("got %v and\n%s", err, i.read(t, "etc/hosts"))
	}
}

func TestDemo(t *testing.T) {
	i := setup(t)
	i.attributes(t, stack(map[string][]string{"web": {"web1", "web2"}}))
	repo := gitRepository(t, "index.html", "hello\n")
	i.apps(t, protocol.App{Shortname: "hello", Type: "static", Source: protocol.Source{Type: "git", URL: repo}})
	i.run(t, "opsyard_demo::setup", "opsyard_demo::configure", "opsyard_demo::deploy")
	if got := i.read(t, "etc/members"); got != "web web1 10.1.0.10\nweb web2 10.1.0.11\n" {
		t.Errorf("members are %q", got)
	}
	if got := i.read(t, "srv/www/hello/current/index.html"); got != "hello\n" {
		t.Errorf("the app holds %q", got)
	}
	if out, changed := i.run(t, "opsyard_demo::setup", "opsyard_demo::configure", "opsyard_demo::deploy"); changed != 0 {
		t.Errorf("the second run changed something:\n%s", out)
	}
	i.run(t, "opsyard_demo::undeploy", "opsyard_demo::shutdown")
	if _, err := os.Stat(filepath.Join(i.root, "srv/www/hello")); err == nil {
		t.Error("the app is still there")
	}
}

func TestDemoDryRun(t *testing.T) {
	i := setup(t)
	i.attributes(t, stack(map[string][]string{"web": {"web1"}}))
	i.job.DryRun = true
	i.run(t, "opsyard_demo::setup", "opsyard_demo::configure", "opsyard_demo::shutdown")
	if entries, err := os.ReadDir(i.root); err != nil || len(entries) > 0 {
		t.Errorf("a dry run left %v, %v", entries, err)
	}
}

func gitRepository(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "first"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	return "file://" + dir
}
