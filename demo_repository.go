package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed demo/hello demo/guestbook
var sampleApps embed.FS

// repositoryPath is where the demo serves the app's repository.
func (d *demo) repositoryPath() string { return "/demo/" + d.app.Shortname + "/.git" }

// repository is the working copy, for people to change and commit.
func (d *demo) repository() string { return filepath.Join(d.dir, d.app.Shortname) }

// makeRepository turns the sample app into a Git repository.
func (d *demo) makeRepository(ctx context.Context) error {
	app, err := fs.Sub(sampleApps, "demo/"+d.app.Shortname)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make the app's repository: %w", err)
	}
	if err := os.CopyFS(d.repository(), app); err != nil {
		return fmt.Errorf("make the app's repository: %w", err)
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."},
		{"-c", "user.name=Opsyard", "-c", "user.email=demo@opsyard.invalid", "commit", "-q", "-m", "Begin"},
	} {
		git := exec.CommandContext(ctx, "git", args...)
		git.Dir, git.Env = d.repository(), cleanEnv()
		if out, err := git.CombinedOutput(); err != nil {
			return fmt.Errorf("make the app's repository: git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// routes adds the repository to what the server serves, over Git's own
// protocol and for reading only.
func (d *demo) routes(ctx context.Context, mux *http.ServeMux) error {
	path, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("the demo needs git: %w", err)
	}
	mux.Handle("/demo/", &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Root: "/demo",
		Env: []string{
			"GIT_PROJECT_ROOT=" + d.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	})
	return nil
}
