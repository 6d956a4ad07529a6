package e2e

import (
	"context"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// instance reads the row of an instance.
func (s *server) instance(id models.InstanceID) *models.Instance {
	s.t.Helper()
	i, err := s.store().Instances.Get(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// becomes waits until each instance is in the state.
func (s *server) becomes(status models.InstanceStatus, within time.Duration, ids ...models.InstanceID) {
	s.t.Helper()
	for _, id := range ids {
		s.wait("instance "+string(id)+" is "+string(status), within, func() bool {
			i := s.instance(id)
			if i.Status != status && strings.HasSuffix(string(i.Status), "_failed") {
				s.t.Fatalf("%s is %s: %s", i.Hostname, i.Status, i.StatusReason)
			}
			return i.Status == status
		})
	}
}

// ended waits for the end of a deployment and returns its commands.
func (s *server) ended(id models.DeploymentID, within time.Duration) []models.Command {
	s.t.Helper()
	var list []models.Command
	s.wait("deployment "+string(id)+" has ended", within, func() bool {
		var err error
		if list, err = s.store().Commands.OfDeployment(context.Background(), id); err != nil {
			s.t.Fatal(err)
		}
		d, err := s.store().Deployments.Get(context.Background(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		return d.Status != models.DeploymentRunning && !slices.ContainsFunc(list, func(c models.Command) bool { return !c.Status.Finished() })
	})
	return list
}

// successful waits for a deployment that must succeed everywhere.
func (s *server) successful(id models.DeploymentID, within time.Duration) []models.Command {
	s.t.Helper()
	list := s.ended(id, within)
	for _, c := range list {
		if c.Status != models.CommandSuccessful {
			s.t.Errorf("the command on %s is %s: %s", c.Hostname, c.Status, c.Message)
		}
	}
	return list
}

// repository makes a Git repository with the files and returns its address.
func repository(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q", "-b", "main")
	commit(t, dir, files)
	return "file://" + dir
}

// commit writes the files and commits them.
func commit(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "add", ".")
	git(t, dir, "-c", "user.name=Ana", "-c", "user.email=ana@example.invalid", "commit", "-q", "-m", "Change")
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
}

var (
	scripts = regexp.MustCompile(`(?s)<(script|style|svg)\b.*?</(script|style|svg)>`)
	tags    = regexp.MustCompile(`<[^>]*>`)
)

// text is what a page says.
func text(page string) string {
	page = tags.ReplaceAllString(scripts.ReplaceAllString(page, " "), " ")
	return strings.Join(strings.Fields(html.UnescapeString(page)), " ")
}
