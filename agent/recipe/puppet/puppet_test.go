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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
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
		Agent: "/bin/true", Noisy: true, OwnExitCode: true,
		Write: func(t *testing.T, root string, name recipe.Name, does recipetest.Behaviour) {
			writeClass(t, root, name, strings.NewReplacer("COOKBOOK", name.Cookbook, "RECIPE", name.Recipe).Replace(classes[does]))
			// The environment as facts: Puppet's language has no other way to it.
			write(t, filepath.Join(root, name.Cookbook, "lib", "facter", "target.rb"), `Facter.add(:target) { setcode { ENV['TARGET'] } }`)
		},
	})
}
