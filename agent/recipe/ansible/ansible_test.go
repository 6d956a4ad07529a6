package ansible_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/ansible"
	"opsyard/agent/recipe/recipetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A command's output is shown when it has ended, standard output first. The
// stubborn one writes past it, to the output of its process group's leader,
// ansible-playbook, and one that mixes both streams says so.
var tasks = map[recipetest.Behaviour]string{
	recipetest.Say:        `- debug: {msg: "COOKBOOK::RECIPE says hello"}`,
	recipetest.Fail:       "- debug: {msg: about to fail}\n    - command: sh -c 'exit 7'",
	recipetest.Stubborn:   `- shell: {executable: /bin/bash, cmd: "trap '' TERM; sleep 600 & echo stubborn $! >/proc/$(cut -d' ' -f5 /proc/$$/stat)/fd/1; while :; do wait; done"}`,
	recipetest.Interleave: `- shell: exec 2>&1; for i in $(seq 200); do echo out $i; echo err $i >&2; done`,
	recipetest.Big:        fmt.Sprintf(`- command: seq -f "line %%.0f" %d`, recipetest.Lines),
	recipetest.Change:     `- {name: "write {{ lookup('env', 'TARGET') }}", copy: {dest: "{{ lookup('env', 'TARGET') }}", content: "changed\n"}}`,
	recipetest.Tell:       `- debug: {msg: "attribute {{ suite.greeting }}"}`,
}

func write(t *testing.T, path, content string) {
	t.Helper()
	recipetest.WriteFile(t, path, content, 0o644)
}

func writePlaybook(t *testing.T, root string, name recipe.Name, tasks string) {
	t.Helper()
	write(t, filepath.Join(root, name.Cookbook, "recipes", name.Recipe+".yml"),
		"- hosts: localhost\n  gather_facts: false\n  tasks:\n    "+tasks)
}

func runner(t *testing.T) *ansible.Runner {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("ansible-playbook is not installed: make test installs it on Debian")
	}
	return &ansible.Runner{KillDelay: 200 * time.Millisecond}
}

func TestRunner(t *testing.T) {
	t.Parallel()
	recipetest.Exercise(t, runner(t), recipetest.Fixtures{
		Agent: "/bin/true", Noisy: true, OwnExitCode: true, Slow: true,
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			writePlaybook(t, root, name, strings.NewReplacer("COOKBOOK", name.Cookbook, "RECIPE", name.Recipe).Replace(tasks[does]))
		},
	})
}

// bundle is a job over one directory of cookbooks.
type bundle struct {
	job  recipe.Job
	root string
	out  *recipetest.Recorder
}

func setup(t *testing.T, attributes, name string) *bundle {
	t.Helper()
	t.Parallel()
	runner(t) // or skip
	b := &bundle{out: &recipetest.Recorder{}, job: recipetest.NewJob(t, attributes, `{"apps": []}`, name)}
	b.root = b.job.Cookbooks[0]
	return b
}

func (b *bundle) mustRun(t *testing.T, want ...string) {
	t.Helper()
	if err := runner(t).Run(t.Context(), b.job, b.out); err != nil {
		t.Fatalf("%v\n%s", err, b.out.Output())
	}
	for _, w := range want {
		if !strings.Contains(b.out.Output(), w) {
			t.Errorf("%q is missing in\n%s", w, b.out.Output())
		}
	}
}

// TestAttributesAreNoTemplates: what comes from elsewhere runs nothing here.
func TestAttributesAreNoTemplates(t *testing.T) {
	b := setup(t, `{"evil": "{{ lookup('pipe', 'echo ran it') }}", "sly": ["\u007b\u007b 1 + 1 }}"], "plain": {"{{ key }}": 12345678901234567890}}`, "book")
	writePlaybook(t, b.root, b.job.Items[0].Recipe, `- debug: {msg: "{{ evil }} {{ sly[0] }} {{ plain }}"}`)
	b.mustRun(t, `{{ lookup('pipe', 'echo ran it') }} {{ 1 + 1 }}`, "12345678901234567890")
	if strings.Contains(b.out.Output(), "\nran it") || strings.Contains(b.out.Output(), " 2 ") {
		t.Errorf("output is\n%s", b.out.Output())
	}
}

// TestGroups: a playbook for a layer's group runs on its instances alone.
func TestGroups(t *testing.T) {
	b := setup(t, `{"opsworks": {"instance": {"layers": ["php-app", "[bad]\nx"]}}}`, "site")
	write(t, filepath.Join(b.root, "site.yml"), `
- hosts: php-app
  gather_facts: false
  tasks: [{debug: {msg: for the app servers}}]
- hosts: db
  gather_facts: false
  tasks: [{debug: {msg: for the databases}}]`)
	b.mustRun(t, "for the app servers")
	if strings.Contains(b.out.Output(), "for the databases\n") {
		t.Errorf("output is\n%s", b.out.Output())
	}
}

// TestRole: a role's tasks with handler, loop, failure that is ignored, skip,
// and a secret that no_log hides.
func TestRole(t *testing.T) {
	b := setup(t, `{"password": "`+recipetest.Secret+`"}`, "web::config")
	target := filepath.Join(t.TempDir(), "web.conf")
	write(t, filepath.Join(b.root, "roles", "web", "handlers", "main.yml"), "- name: restart\n  debug: {msg: restarted}\n  changed_when: true")
	write(t, filepath.Join(b.root, "roles", "web", "tasks", "config.yml"), `
- {name: configure, copy: {dest: `+target+`, content: "{{ password }}"}, no_log: true, notify: restart}
- {name: ignored, command: "false", ignore_errors: true}
- {name: skipped, command: "false", when: false}
- {name: loop, command: "echo item {{ item }}", loop: [1, 2]}`)
	b.mustRun(t, "item 1\n", "item 2\n", "restarted\n", "hidden by no_log")
	if strings.Contains(b.out.Output(), recipetest.Secret) {
		t.Errorf("the secret is in\n%s", b.out.Output())
	}
	for _, want := range []string{
		"recipe web::config: 3 changed, 1 unchanged\n", "resource web : ignored: 0 changed, 1 unchanged\n", "resource web : skipped: skipped\n",
		"resource web : loop: 1 changed", "resource web : restart: 1 changed",
	} {
		if !strings.Contains(b.out.Outline(), want) {
			t.Errorf("%q is missing in\n%s", want, b.out.Outline())
		}
	}
}
