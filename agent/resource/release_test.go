package resource

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
)

// site is a bundle with an app whose source is a Git repository.
type site struct {
	*bundle
	repo string
}

func setupSite(t *testing.T) *site {
	t.Helper()
	s := &site{bundle: setup(t), repo: t.TempDir()}
	s.git(t, "init", "-q", "-b", "main")
	s.commit(t, "one")
	s.app(t, protocol.Source{Type: "git", URL: "file://" + s.repo}, 0)
	return s
}

func (s *site) git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	cmd.Dir = s.repo
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v %s", args, err, out)
	}
}

func (s *site) commit(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.repo, "index.html"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	s.git(t, "add", ".")
	s.git(t, "commit", "-qm", content)
}

func (s *site) app(t *testing.T, src protocol.Source, keep int) {
	t.Helper()
	s.document(t, "OPSYARD_PRIVATE", map[string]any{"apps": []protocol.App{{Shortname: "hello", Type: "static", Source: src, KeepReleases: keep}}})
}

// deploy deploys a new commit, a second after the last.
func (s *site) deploy(t *testing.T, content string) {
	t.Helper()
	s.now = s.now.Add(time.Second)
	s.commit(t, content)
	s.changes(t, 1, 1, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
}

func (s *site) releases(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(s.path("srv/www/hello/releases"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestReleaseLayout(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 2, 0, "release", "create", "hello")
	s.gone(t, "srv/www/hello/current")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.holds(t, "srv/www/hello/current/index.html", "one")
	if target, err := os.Readlink(s.path("srv/www/hello/current")); err != nil || target != "releases/20260301120000" {
		t.Errorf("current is %q, %v", target, err)
	}
	for shared, link := range map[string]string{"system": "public/system", "pids": "tmp/pids", "log": "log"} {
		s.write(t, "srv/www/hello/shared/"+shared+"/probe", shared)
		s.holds(t, "srv/www/hello/current/"+link+"/probe", shared)
	}
	for _, dir := range sharedDirs {
		if info, err := os.Stat(s.path("srv/www/hello/shared/" + dir)); err != nil || info.Mode().Perm() != 0o770 {
			t.Errorf("shared/%s: %v, %v", dir, info, err)
		}
	}
	s.now = s.now.Add(time.Minute)
	s.changes(t, 0, 2, "release", "create", "hello")
	s.changes(t, 0, 1, "release", "activate", "hello")
	s.changes(t, 1, 1, "release", "create", "hello", "--force")
}

func TestReleasePruneAndRollback(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.fails(t, 1, "is the oldest one kept", "release", "rollback", "hello")
	for _, content := range []string{"two", "three", "four", "five", "six", "seven"} {
		s.deploy(t, content)
	}
	s.changes(t, 2, 0, "release", "prune", "hello")
	s.changes(t, 0, 1, "release", "prune", "hello")
	if n := s.releases(t); n != 5 {
		t.Errorf("%d releases are kept", n)
	}
	for _, want := range []string{"six", "five", "four", "three"} {
		s.changes(t, 2, 0, "release", "rollback", "hello")
		s.holds(t, "srv/www/hello/current/index.html", want)
	}
	s.fails(t, 1, "is the oldest one kept", "release", "rollback", "hello")
	s.holds(t, "srv/www/hello/current/index.html", "three")
	if code, _ := s.run(t, "release", "list", "hello"); code != 0 || !strings.HasPrefix(s.out.String(), "* 2026") {
		t.Errorf("list prints %q", s.out.String())
	}
	s.app(t, protocol.Source{Type: "git", URL: "file://" + s.repo}, 1)
	s.deploy(t, "eight")
	s.changes(t, 1, 0, "release", "prune", "hello")
	s.changes(t, 1, 0, "release", "undeploy", "hello")
	s.gone(t, "srv/www/hello")
	s.changes(t, 0, 1, "release", "undeploy", "hello")
	s.fails(t, 1, "not deployed here", "release", "rollback", "hello")
}

func TestReleaseNamesGoForward(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.now = s.now.Add(-time.Hour) // the clock was wrong
	s.deploy(t, "two")
	s.holds(t, "srv/www/hello/current/index.html", "two")
}

func TestReleaseFailures(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.app(t, protocol.Source{Type: "git", URL: "file://" + s.repo + "-not-there"}, 0)
	s.fails(t, 1, "could not be read", "release", "create", "hello")
	s.holds(t, "srv/www/hello/current/index.html", "one")
	if n := s.releases(t); n != 1 {
		t.Errorf("%d releases, the failed one is among them", n)
	}
	s.fails(t, 1, "not part of this command", "release", "create", "other")
	for _, name := range []string{"../etc", ".", "", "a/b"} {
		s.fails(t, 1, "is not an app's short name", "release", "undeploy", name)
	}
	kept := filepath.Join(s.root, "srv/www/other/kept")
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	s.fails(t, 1, "holds no releases", "release", "undeploy", "other")
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("undeploying removed what was never deployed: %v", err)
	}
	s.fails(t, 1, "there is no release 1", "release", "activate", "hello", "1")
	s.app(t, protocol.Source{Type: "other"}, 0)
	s.changes(t, 0, 0, "release", "create", "hello")
}

// TestReleaseAfterFailure: what a deployment leaves that failed in the middle
// is gone with the next one, and was never current.
func TestReleaseAfterFailure(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 2, 0, "release", "create", "hello") // and its hook failed
	s.now = s.now.Add(time.Minute)
	s.changes(t, 2, 1, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.now = s.now.Add(time.Minute)
	s.commit(t, "two")
	s.changes(t, 1, 1, "release", "create", "hello") // and its migration failed
	s.holds(t, "srv/www/hello/current/index.html", "one")
	s.git(t, "reset", "-q", "--hard", "HEAD^")
	s.changes(t, 1, 2, "release", "create", "hello")
	s.changes(t, 0, 1, "release", "activate", "hello")
	s.holds(t, "srv/www/hello/current/index.html", "one")
	if n := s.releases(t); n != 1 {
		t.Errorf("%d releases, failed ones are among them", n)
	}
	os.Chmod(s.path("srv/www/hello/shared/log"), 0o700) // the machine lost power between mkdir and chmod
	s.changes(t, 1, 1, "release", "create", "hello")
	if info, err := os.Stat(s.path("srv/www/hello/shared/log")); err != nil || info.Mode().Perm() != 0o770 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	s.write(t, "srv/www/half/releases/20260301120000/index.html", "undeploying it was cut off")
	s.changes(t, 1, 0, "release", "undeploy", "half")
	s.gone(t, "srv/www/half")
}

// TestReleaseGoesBack: a new version that does not come up.
func TestReleaseGoesBack(t *testing.T) {
	s := setupSite(t)
	current := s.path("srv/www/hello/current")
	up := "test -e " + current + "/down && exit 1; cat " + current + "/index.html >> " + s.path("up")
	s.changes(t, 2, 0, "release", "create", "hello")
	s.fails(t, 1, "notify", "release", "activate", "hello", "--notify", "exit 1")
	s.gone(t, "srv/www/hello/current")
	s.changes(t, 1, 0, "release", "activate", "hello", "--notify", up)
	if err := os.WriteFile(filepath.Join(s.repo, "down"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Minute)
	s.commit(t, "two")
	s.changes(t, 1, 1, "release", "create", "hello")
	s.fails(t, 1, "made the current one again", "release", "activate", "hello", "--notify", up)
	s.holds(t, "srv/www/hello/current/index.html", "one")
	s.holds(t, "up", "oneone")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.fails(t, 1, "notify", "release", "rollback", "hello", "--notify", "exit 1")
	s.holds(t, "srv/www/hello/current/index.html", "two")
	s.changes(t, 2, 0, "release", "rollback", "hello", "--notify", up)
	s.holds(t, "up", "oneoneone")
}

func TestReleaseSettings(t *testing.T) {
	s := setupSite(t)
	settings := func(deploy map[string]any) {
		s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"deploy_keep_releases": 2, "deploy": map[string]any{"hello": deploy}})
	}
	settings(map[string]any{
		"keep_releases": 5, "symlinks": map[string]any{"uploads": "public/up/loads", "pids": ""}, "symlink_before_migrate": map[string]any{"config/db.yml": "config/db.yml"},
		"purge_before_symlink": []string{"old"}, "create_dirs_before_symlink": []string{"made/deep"}, "deploy_to": "/srv/other",
	})
	s.write(t, "srv/other/shared/config/db.yml", "db")
	s.write(t, "srv/other/shared/uploads/one", "upload")
	os.MkdirAll(filepath.Join(s.repo, "old"), 0o755)
	os.WriteFile(filepath.Join(s.repo, "old", "x"), nil, 0o644)
	s.commit(t, "more")
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.holds(t, "srv/other/current/public/up/loads/one", "upload")
	s.holds(t, "srv/other/current/config/db.yml", "db")
	s.gone(t, "srv/other/current/old")
	s.gone(t, "srv/other/current/tmp")
	if info, err := os.Stat(s.path("srv/other/current/made/deep")); err != nil || !info.IsDir() {
		t.Errorf("got %v, %v", info, err)
	}
	for _, content := range []string{"three", "four"} {
		s.deploy(t, content)
	}
	s.changes(t, 1, 0, "release", "prune", "hello")
	for _, bad := range []map[string]any{
		{"symlinks": map[string]any{"../../../etc": "etc"}}, {"symlink_before_migrate": map[string]any{"config/x": "../../x"}},
		{"purge_before_symlink": []string{"."}}, {"create_dirs_before_symlink": []string{"/etc/x"}},
	} {
		settings(bad)
		s.fails(t, 1, "is not a path inside its release", "release", "create", "hello", "--force")
	}
	settings(map[string]any{"user": "root"})
	s.fails(t, 1, "cannot belong to root", "release", "create", "hello", "--force")
}

// A link to a shared file takes the place of the release's own only once there
// is such a file.
func TestReleaseKeepsItsOwnFile(t *testing.T) {
	s := setupSite(t)
	s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"deploy": map[string]any{"hello": map[string]any{
		"symlink_before_migrate": map[string]any{"config/database.yml": "database.yml", "config/memcached.yml": "memcached.yml"},
	}}})
	if err := os.WriteFile(filepath.Join(s.repo, "database.yml"), []byte("own"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.commit(t, "one more")
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.holds(t, "srv/www/hello/current/database.yml", "own")
	s.write(t, "srv/www/hello/shared/config/memcached.yml", "written later")
	s.holds(t, "srv/www/hello/current/memcached.yml", "written later")
	s.write(t, "srv/www/hello/shared/config/database.yml", "shared")
	s.deploy(t, "another")
	s.holds(t, "srv/www/hello/current/database.yml", "shared")
}

// A repository may hold links that point out of the release.
func TestReleaseStaysInside(t *testing.T) {
	s := setupSite(t)
	outside := t.TempDir()
	if err := os.Mkdir(filepath.Join(outside, "pids"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(s.repo, "tmp")); err != nil {
		t.Fatal(err)
	}
	s.commit(t, "hostile")
	code, _ := s.run(t, "release", "create", "hello")
	if _, err := os.Stat(filepath.Join(outside, "pids")); err != nil || code == 0 {
		t.Errorf("code %d; a directory outside was removed: %v", code, err)
	}
}

func TestGitHelper(t *testing.T) {
	s := setupSite(t)
	s.changes(t, 1, 0, "git", "file://"+s.repo, "/opt/code", "--revision", "main")
	s.changes(t, 0, 1, "git", "file://"+s.repo, "/opt/code", "--revision", "main")
	s.holds(t, "opt/code/index.html", "one")
	s.commit(t, "two")
	s.changes(t, 1, 0, "git", "file://"+s.repo, "/opt/code", "--revision", "main")
	s.holds(t, "opt/code/index.html", "two")
	s.fails(t, 1, "no branch, tag or commit", "git", "file://"+s.repo, "/opt/code", "--revision", "nope")
}

// The user of an app can become root neither by name nor by group, and what it
// writes into its release is no more than one line.
func TestAppsUserIsNobodyElse(t *testing.T) {
	s := setupSite(t)
	for setting, value := range map[string]string{"user": "root", "group": "docker"} {
		s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"deploy": map[string]any{"hello": map[string]any{setting: value}}})
		s.fails(t, 1, "cannot belong to", "release", "user", "hello")
	}
	s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{})
	s.changes(t, 2, 0, "release", "create", "hello")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.write(t, "srv/www/hello/current/"+releaseFile, `{"revision":"x\n  'y'"}`)
	s.run(t, "release", "list", "hello")
	if out := s.out.String(); strings.Count(out, "\n") != 1 {
		t.Errorf("it lists %q", out)
	}
}
