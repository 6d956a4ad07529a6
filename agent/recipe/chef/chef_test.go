package chef_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/chef"
	"opsyard/agent/recipe/recipetest"
)

// TestMain lets the test program be the client that the runner calls.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "chef-client" || name == "chef-solo" {
		os.Exit(standIn(name, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// recipes are in Chef's language; the stand-in knows them by their first line.
// The stubborn one writes past Chef's capturing, to its group's leader's output.
var recipes = map[recipetest.Behaviour]string{
	recipetest.Say:  `ruby_block('say') { block { puts "\nCOOKBOOK::RECIPE says hello" } }`,
	recipetest.Fail: "ruby_block('warn') { block { puts \"\\nabout to fail\" } }\nexecute('sh -c \"exit 7\"')",
	recipetest.Stubborn: `execute 'mule' do
  command %q(bash -c "trap '' TERM; sleep 600 & echo stubborn \$! >/proc/$PPID/fd/1; while :; do wait; done")
end`,
	recipetest.Interleave: `ruby_block('both') { block { puts; 1.upto(200) { |i| $stdout.puts "out #{i}"; $stdout.flush; $stderr.puts "err #{i}"; $stderr.flush } } }`,
	recipetest.Big:        fmt.Sprintf(`ruby_block('big') { block { puts; 1.upto(%d) { |i| puts "line #{i}" } } }`, recipetest.Lines),
	recipetest.Change:     `file(ENV['TARGET']) { content "changed\n" }`,
	recipetest.Tell:       `ruby_block('tell') { block { puts "\nattribute #{node['suite']['greeting']}" } }`,
}

func write(t *testing.T, path, content string) {
	t.Helper()
	recipetest.WriteFile(t, path, content, 0o644)
}

func fixtures(path string) recipetest.Fixtures {
	return recipetest.Fixtures{
		Agent: "/bin/true", Noisy: true, OwnExitCode: true, Env: []string{"PATH=" + path},
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			body := strings.NewReplacer("COOKBOOK", name.Cookbook, "RECIPE", name.Recipe).Replace(recipes[does])
			write(t, filepath.Join(root, name.Cookbook, "recipes", name.Recipe+".rb"), "# "+string(does)+"\n"+body)
			write(t, filepath.Join(root, name.Cookbook, "metadata.rb"), fmt.Sprintf("name '%s'", name.Cookbook))
		},
	}
}

// program is a directory with the stand-in under the name of a client.
func program(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runner() *chef.Runner { return &chef.Runner{KillDelay: 200 * time.Millisecond} }

func TestContract(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chef-client", "chef-solo"} {
		t.Run(name, func(t *testing.T) {
			recipetest.Exercise(t, runner(), fixtures(program(t, name)+":/usr/bin:/bin"))
		})
	}
}

func TestRealClient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cinc-client", "chef-client"} {
		if _, err := exec.LookPath(name); err == nil {
			recipetest.Exercise(t, runner(), fixtures(os.Getenv("PATH")))
			return
		}
	}
	t.Skip("neither Cinc Client nor Chef Infra Client is installed: their contract alone was tested")
}

// job is one with a recipe, web::default.
func job(t *testing.T, path, attributes string) recipe.Job {
	t.Helper()
	j := recipetest.NewJob(t, attributes, `{"data_bags": {"aws_opsworks_app": {"hello": {"environment": {"KEY": "value"}}}}}`, "web")
	j.Env = []string{"PATH=" + path}
	write(t, filepath.Join(j.Cookbooks[0], "web", "recipes", "default.rb"), "# say")
	write(t, filepath.Join(j.Cookbooks[0], "shellbook", "recipes", "default.sh"), "true")
	return j
}

func TestNoClient(t *testing.T) {
	t.Parallel()
	err := runner().Run(t.Context(), job(t, t.TempDir(), `{}`), &recipetest.Recorder{})
	if err == nil || !strings.Contains(err.Error(), "Install Cinc Client") || !strings.Contains(err.Error(), "OPSYARD_INSTALL_CHEF") {
		t.Errorf("got %v", err)
	}
}

func TestInstallCommand(t *testing.T) {
	t.Parallel()
	from, to := program(t, "chef-client"), t.TempDir()
	j := job(t, to+":/usr/bin:/bin", `{}`)
	j.Env = append(j.Env, fmt.Sprintf("OPSYARD_INSTALL_CHEF=cp -P %s/chef-client %s/", from, to))
	j.DryRun = true
	if err := runner().Run(t.Context(), j, &recipetest.Recorder{}); err == nil {
		t.Error("a dry run installed a client")
	}
	j.DryRun = false
	out := &recipetest.Recorder{}
	if err := runner().Run(t.Context(), j, out); err != nil {
		t.Fatalf("%v\n%s", err, out.Output())
	}
	want := "resource install chef: 0 changed, 0 unchanged\nrecipe web::default: 1 changed, 0 unchanged\n" +
		"  resource ruby_block[say] run: 1 changed, 0 unchanged\n"
	if out.Outline() != want || !strings.Contains(out.Output(), "web::default says hello") {
		t.Errorf("steps are\n%s\n%s", out.Outline(), out.Output())
	}
}

func TestOldClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "chef-client"), "#!/bin/sh\necho 'Chef: 10.34.6'")
	if err := os.Chmod(filepath.Join(dir, "chef-client"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := runner().Run(t.Context(), job(t, dir+":/usr/bin:/bin", `{}`), &recipetest.Recorder{})
	if err == nil || !strings.Contains(err.Error(), "version 10.34.6, which has no local mode") {
		t.Errorf("got %v", err)
	}
}

// TestRepository looks at the files a client is given, beyond what the
// stand-in looks at in each run.
func TestRepository(t *testing.T) {
	t.Parallel()
	j := job(t, program(t, "chef-client")+":/usr/bin:/bin", `{"big": 12345678901234567890, "opsworks": {
		"instance": {"hostname": "web1", "layers": ["web"]},
		"data_bags": {"../users": {"ann/../x": {"shell": "zsh"}}},
		"layers": {"web": {"instances": {"web1": {"private_ip": "10.0.0.1"}, "web2": {"private_ip": "10.0.0.2"}}}, "db": {"instances": {}}}}}`)
	kept := t.TempDir() // the stand-in's copy, for much is removed after the run
	j.Env = append(j.Env, "KEEP="+kept)
	out := &recipetest.Recorder{}
	if err := runner().Run(t.Context(), j, out); err != nil {
		t.Fatalf("%v\n%s", err, out.Output())
	}
	for file, want := range map[string]string{
		kept + "/node.json":         `"run_list":["role[web]","recipe[web::default]"]`,
		kept + "/nodes/web2.json":   `"automatic":{"hostname":"web2","ipaddress":"10.0.0.2","roles":["web"]}`,
		"chef/roles/db.json":        `"json_class":"Chef::Role"`,
		"chef/client.rb":            `node_name "web1"`,
		"cookbooks/web/metadata.rb": `name "web"`,
	} {
		if !filepath.IsAbs(file) {
			file = filepath.Join(j.Dir, file)
		}
		got, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s holds %s (%v), want %s", file, got, err, want)
		}
	}
	if !strings.Contains(out.Output(), "data bags: _.._users/ann_.._x aws_opsworks_app/hello") {
		t.Errorf("output is %s", out.Output())
	}
	for _, gone := range []string{"chef/data_bags", "chef/node.json", "chef/nodes", "cookbooks/shellbook"} {
		if _, err := os.Stat(filepath.Join(j.Dir, gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there (%v)", gone, err)
		}
	}
}
