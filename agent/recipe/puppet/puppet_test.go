package puppet_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/puppet"
	"opsyard/agent/recipe/recipetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An exec resource shows its output when it has ended; the stubborn one writes
// past it, to Puppet's own output.
var classes = map[recipetest.Behaviour]string{
	recipetest.Say:        `notice("COOKBOOK::RECIPE says hello")`,
	recipetest.Fail:       "notice('about to fail')\nexec { '/bin/sh -c \"exit 7\"': }",
	recipetest.Stubborn:   `exec { 'mule': command => ['/bin/bash', '-c', "trap '' TERM; sleep 600 & echo stubborn $! >/proc/\$PPID/fd/1; while :; do wait; done"] }`,
	recipetest.Interleave: `exec { 'both': command => ['/bin/bash', '-c', 'for i in $(seq 200); do echo out $i; echo err $i >&2; done'], logoutput => true }`,
	recipetest.Big:        fmt.Sprintf(`exec { 'big': command => ['/usr/bin/seq', '-f', 'line %%.0f', '%d'], logoutput => true }`, recipetest.Lines),
	recipetest.Change:     `file { $facts['target']: content => "changed\n" }`,
	recipetest.Tell:       `class COOKBOOK($greeting = lookup('suite::greeting')) { notice("attribute ${greeting}") }`,
}

func writeClass(t *testing.T, root string, name recipe.Name, body string) {
	t.Helper()
	class, file := name.String(), name.Recipe
	if name.Recipe == "default" {
		class, file = name.Cookbook, "init"
	}
	if !strings.HasPrefix(body, "class ") {
		body = "class " + class + " {\n" + body + "\n}"
	}
	write(t, filepath.Join(root, name.Cookbook, "manifests", file+".pp"), body)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	recipetest.WriteFile(t, path, content, 0o644)
}

func runner(t *testing.T) *puppet.Runner {
	t.Helper()
	if _, err := exec.LookPath("puppet"); err != nil {
		t.Skip("puppet is not installed: make test installs it on Debian")
	}
	return &puppet.Runner{KillDelay: 200 * time.Millisecond}
}

func TestRunner(t *testing.T) {
	t.Parallel()
	recipetest.Exercise(t, runner(t), recipetest.Fixtures{
		Agent: "/bin/true", Noisy: true, OwnExitCode: true, Slow: true,
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			writeClass(t, root, name, strings.NewReplacer("COOKBOOK", name.Cookbook, "RECIPE", name.Recipe).Replace(classes[does]))
			// The environment as facts: Puppet's language has no other way to it.
			write(t, filepath.Join(root, name.Cookbook, "lib", "facter", "target.rb"), `Facter.add(:target) { setcode { ENV['TARGET'] } }`)
		},
	})
}

// bundle is a job over one directory of cookbooks.
type bundle struct {
	job  recipe.Job
	root string
	out  *recipetest.Recorder
}

func setup(t *testing.T, attributes string, recipes ...string) *bundle {
	t.Helper()
	t.Parallel()
	runner(t) // or skip
	b := &bundle{out: &recipetest.Recorder{}}
	b.job = recipetest.NewJob(t, attributes, `{"apps": [{"shortname": "hello", "environment": {"KEY": "`+recipetest.Secret+`"}}]}`, recipes...)
	b.root = b.job.Cookbooks[0]
	return b
}

func (b *bundle) run(t *testing.T) error {
	t.Helper()
	return runner(t).Run(t.Context(), b.job, b.out)
}

// TestData: class parameters, Hiera, the fact, the repository's own Hiera data
// below the attributes, a plain manifest, private values.
func TestData(t *testing.T) {
	b := setup(t, `{"web": {"port": 8080}, "odd": "%{facts.kernel}", "opsworks": {"stack": {"name": "shop"}}}`, "web", "web::plain")
	writeClass(t, b.root, b.job.Items[0].Recipe, `class web(Integer $port, String $colour) {
		notice("port ${port} colour ${colour} odd ${lookup('odd')} stack ${facts['opsyard']['opsworks']['stack']['name']}")
	}`)
	write(t, filepath.Join(b.root, "hiera.yaml"), "version: 5\nhierarchy: [{name: common, path: common.yaml, datadir: data}]")
	write(t, filepath.Join(b.root, "data", "common.yaml"), "web::port: 1\nweb::colour: blue")
	target := filepath.Join(t.TempDir(), "key")
	write(t, filepath.Join(b.root, "web", "recipes", "plain.pp"),
		"$key = opsyard_agent::private('apps.hello.environment')\nnotice(\"key ${key}\")\n"+
			"file { '"+target+"': content => Sensitive($key.unwrap['KEY']) }")
	if err := b.run(t); err != nil {
		t.Fatalf("%v\n%s", err, b.out.Output())
	}
	if want := "port 8080 colour blue odd %{facts.kernel} stack shop\n"; !strings.Contains(b.out.Output(), want) {
		t.Errorf("%q is missing in\n%s", want, b.out.Output())
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != recipetest.Secret {
		t.Errorf("file holds %q, %v", got, err)
	}
	if strings.Contains(b.out.Output(), recipetest.Secret) {
		t.Errorf("the secret is in\n%s", b.out.Output())
	}
}

// TestOutcomes: resources that change, fail, and wait for one that failed.
func TestOutcomes(t *testing.T) {
	b := setup(t, `{}`, "mixed", "broken")
	dir := t.TempDir()
	writeClass(t, b.root, b.job.Items[0].Recipe, `
		file { '`+dir+`/a': ensure => directory }
		-> exec { '/bin/false': }
		-> file { '`+dir+`/b': ensure => directory }`)
	writeClass(t, b.root, b.job.Items[1].Recipe, `nonsense {`)
	b.job.DryRun = true
	b.job.Items = b.job.Items[:1]
	if err := b.run(t); err != nil {
		t.Errorf("dry run: %v", err)
	}
	want := "recipe mixed::default: 3 changed, 0 unchanged\n"
	if !strings.HasPrefix(b.out.Outline(), want) {
		t.Errorf("a dry run says\n%s, want %s", b.out.Outline(), want)
	}
	b.job.DryRun, b.out = false, &recipetest.Recorder{}
	err := b.run(t)
	if err == nil || !strings.Contains(err.Error(), "Exec[/bin/false]") && !strings.Contains(err.Error(), "resources were changed and others failed") {
		t.Errorf("got %v", err)
	}
	want = "recipe mixed::default: failed\n  resource File[" + dir + "/a]: 1 changed, 0 unchanged\n  resource Exec[/bin/false]: failed\n"
	if !strings.HasPrefix(b.out.Outline(), want) {
		t.Errorf("steps are\n%swant\n%s", b.out.Outline(), want)
	}
	b.job.Items[0].Recipe.Cookbook, b.out = "broken", &recipetest.Recorder{}
	if err := b.run(t); err == nil || !strings.Contains(err.Error(), "could not be compiled") {
		t.Errorf("got %v", err)
	}
}

// TestPuppetfile installs a module from a Git repository with the real r10k.
func TestPuppetfile(t *testing.T) {
	b := setup(t, `{}`, "greeter")
	if _, err := exec.LookPath("r10k"); err != nil {
		t.Skip("r10k is not installed: make test installs it on Debian")
	}
	repo := filepath.Join(t.TempDir(), "greeter")
	write(t, filepath.Join(repo, "manifests", "init.pp"), `class greeter { notice('hello from the module') }`)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"}} {
		if out, err := exec.Command("git", append([]string{"-C", repo}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git: %v\n%s", err, out)
		}
	}
	write(t, filepath.Join(b.root, "Puppetfile"), "mod 'greeter', git: 'file://"+repo+"', branch: 'main'")
	b.job.Env = []string{"HOME=" + t.TempDir()}
	if err := b.run(t); err != nil || !strings.Contains(b.out.Output(), "hello from the module\n") {
		t.Errorf("%v\n%s", err, b.out.Output())
	}
	b.job.Env, b.out = []string{"PATH=" + t.TempDir()}, &recipetest.Recorder{}
	if err := b.run(t); err == nil || !strings.Contains(err.Error(), "no r10k. The Puppetfile asks for it") {
		t.Errorf("got %v", err)
	}
}
