package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
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

// asked are the items of OWASP ASVS 5.0 that docs/security.md has to answer for.
const asked = `3.2.2 3.3.1 3.3.2 3.3.3 3.3.4 3.4.1 3.4.2 3.4.3 3.4.4 3.4.5 3.4.6 3.5.1 3.5.2 3.5.3
	7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.5.3
	8.2.1 8.2.2 8.2.3 8.3.1 8.3.2 8.4.1 10.1.1 10.2.1 10.2.2 10.5.1 10.5.2 10.5.3 10.5.4
	13.2.1 13.2.2 13.2.3 13.2.4 13.2.5 13.3.1 13.3.2 13.4.2 13.4.3 13.4.4 13.4.5
	16.1.1 16.2.1 16.2.2 16.2.3 16.2.4 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.4.1 16.4.2 16.4.3 16.5.1 16.5.2 16.5.3 16.5.4`

// TestDocASVS looks for a row of each item, once, with the tests that prove it.
// What only has to be documented has a link in their place.
func TestDocASVS(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9][^|]*)\|([^|]*)\|([^|]*)\|$`).FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(row[3], "`Test") && !strings.Contains(row[2], "](") {
			t.Errorf("%s: by which test is it proved?", row[1])
		}
		for _, item := range regexp.MustCompile(`(\d+\.\d+\.)(\d+)(?:–\d+\.\d+\.(\d+))?`).FindAllStringSubmatch(row[1], -1) {
			first, _ := strconv.Atoi(item[2])
			last, err := strconv.Atoi(item[3])
			if err != nil {
				last = first
			}
			for n := first; n <= last; n++ {
				rows[item[1]+strconv.Itoa(n)]++
			}
		}
	}
	for _, item := range strings.Fields(asked) {
		if rows[item] != 1 {
			t.Errorf("docs/security.md has %d rows of %s", rows[item], item)
		}
	}
}
