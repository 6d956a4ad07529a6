package ansible_test

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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
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
		Agent: "/bin/true", Noisy: true, OwnExitCode: true,
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			writePlaybook(t, root, name, strings.NewReplacer("COOKBOOK", name.Cookbook, "RECIPE", name.Recipe).Replace(tasks[does]))
		},
	})
}
