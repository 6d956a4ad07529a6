package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models/store"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

// TestDocLinks follows the links between the pages of this repository.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "ls-files", "*.md").Output()
	if err != nil {
		t.Skipf("not a checkout: %v", err)
	}
	for _, page := range strings.Fields(string(out)) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

// TestDocFlags compares the settings of the server with the page that lists them.
func TestDocFlags(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	parser, err := newParser(new(cli))
	if err != nil {
		t.Fatal(err)
	}
	twins := map[string]bool{"OPSYARD_": true, store.SecretKeyEnv: true, oidcSecretEnv: true}
	for _, command := range parser.Model.Leaves(true) {
		for _, group := range command.AllFlags(true) {
			for _, flag := range group {
				for _, twin := range flag.Envs {
					twins[twin] = true
				}
				if flag.Name == "help" {
					continue
				}
				if !strings.Contains(text, "--"+flag.Name) {
					t.Errorf("docs/configuration.md does not tell of --%s of opsyard %s", flag.Name, command.Path())
				}
			}
		}
	}
	for _, name := range regexp.MustCompile("`(OPSYARD_[A-Z_]+)`").FindAllStringSubmatch(text, -1) {
		if !twins[name[1]] {
			t.Errorf("docs/configuration.md tells of %s, which no flag has", name[1])
		}
	}
}

// TestDocOperations compares the operations of the AWS API with the page that
// tells of them.
func TestDocOperations(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/aws-api.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| ([^|]*) \\| [^|]* \\| ([^|]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		if said[row[1]] != "" {
			t.Errorf("docs/aws-api.md tells twice of %s", row[1])
		}
		said[row[1]] = row[2]
	}
	for _, o := range wire.Operations() {
		if got, want := said[o.Name], wire.Sentence(o.Name); got != want {
			t.Errorf("docs/aws-api.md says of %s %q, want %q", o.Name, got, want)
		}
		delete(said, o.Name)
	}
	for name := range said {
		t.Errorf("docs/aws-api.md tells of %s, which the API does not have", name)
	}
}

// TestDocSecurityTests looks for the tests that docs/security.md names.
func TestDocSecurityTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 40 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("docs/security.md names %s, which is no test", m[1])
		}
	}
}
