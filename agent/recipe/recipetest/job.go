package recipetest

import (
	"os"
	"path/filepath"
	"testing"

	"opsyard/agent/recipe"
)

// NewJob is a job with the recipes, over one empty cookbook root, in a
// directory of the test's.
func NewJob(t *testing.T, attributes, private string, recipes ...string) recipe.Job {
	t.Helper()
	dir := t.TempDir()
	job := recipe.Job{
		CommandID: "c-1", Type: "execute_recipes", Dir: filepath.Join(dir, "run"), Cookbooks: []string{filepath.Join(dir, "cookbooks")},
		Attributes: filepath.Join(dir, "attributes.json"), Private: filepath.Join(dir, "private.json"), Agent: "/bin/true",
	}
	for _, r := range recipes {
		name, err := recipe.ParseName(r)
		if err != nil {
			t.Fatal(err)
		}
		job.Items = append(job.Items, recipe.Item{Recipe: name})
	}
	WriteFile(t, job.Attributes, attributes, 0o600)
	WriteFile(t, job.Private, private, 0o600)
	for _, path := range []string{job.Cookbooks[0], job.Dir} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

// WriteFile makes a file with a last newline, and the directories above it.
func WriteFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content+"\n"), mode); err != nil {
		t.Fatal(err)
	}
}
