package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/agent/source"
)

func TestGit(t *testing.T) {
	t.Parallel()
	repo := newRepo(t)
	first := commit(t, repo, "index.html", "one")
	git(t, repo, "tag", "v1")
	second := commit(t, repo, "index.html", "two")
	for revision, want := range map[string][2]string{
		"":        {second, "two"},
		"main":    {second, "two"},
		"v1":      {first, "one"},
		first:     {first, "one"},
		first[:8]: {first, "one"},
	} {
		dest := filepath.Join(t.TempDir(), "release")
		got, err := fetch(t.Context(), protocol.Source{Type: "git", URL: repo, Revision: revision}, dest, io.Discard)
		if err != nil {
			t.Fatalf("revision %q: %v", revision, err)
		}
		if text := read(t, dest, "index.html"); got != want[0] || text != want[1] {
			t.Errorf("revision %q: got %s %q, want %s %q", revision, got, text, want[0], want[1])
		}
		if _, err := os.Lstat(filepath.Join(dest, ".git")); err == nil {
			t.Errorf("revision %q: .git was left in the release", revision)
		}
		leaveNothing(t, filepath.Dir(dest), "release")
	}
}

func TestGitErrors(t *testing.T) {
	t.Parallel()
	repo := newRepo(t)
	commit(t, repo, "a", "a")
	for name, c := range map[string]struct {
		src  protocol.Source
		want string
	}{
		"ErrRepositoryMissing": {protocol.Source{Type: "git", URL: repo + "-gone"}, "not appear to be a git repository; Could not read from remote repository; Please"},
		"ErrRevisionMissing":   {protocol.Source{Type: "git", URL: repo, Revision: "nope"}, `has no branch, tag or commit "nope"`},
		"ErrHostMissing":       {protocol.Source{Type: "git", URL: "http://u:s3cr3t-pass@127.0.0.1:1/r.git"}, "Git repository http://127.0.0.1:1/r.git could not be read"},
		"ErrProgram":           {protocol.Source{Type: "git", URL: "ext::sh -c touch% /tmp/x"}, "not valid"},
		"ErrHelperDashed":      {protocol.Source{Type: "git", URL: "remote-ext::sh -c id"}, "not valid"},
		"ErrIPv6Missing":       {protocol.Source{Type: "git", URL: "http://[::1]:1/r.git"}, "Git repository http://[::1]:1/r.git could not be read: "},
		"ErrOption":            {protocol.Source{Type: "git", URL: "--upload-pack=touch /tmp/x"}, "not valid"},
		"ErrS3":                {protocol.Source{Type: "s3", URL: "s3://bucket"}, "its address is none of"},
		"ErrType":              {protocol.Source{Type: "other", URL: "x"}, `"other"`},
		"ErrEmpty":             {protocol.Source{Type: "git"}, "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := fetch(t.Context(), c.src, filepath.Join(dir, "d"), io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(c.src.URL, "[::1]") && strings.Contains(err.Error(), "not valid") || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			leaveNothing(t, dir)
		})
	}
}

func TestGitOverHTTPWithPasswordAndSubmodule(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sub, repo := filepath.Join(root, "sub"), filepath.Join(root, "app")
	initRepo(t, sub)
	commit(t, sub, "lib", "library")
	srv := serveGit(t, root, "deploy", "s3cr3t-pass")
	initRepo(t, repo)
	auth := strings.Replace(srv.URL, "http://", "http://deploy:s3cr3t-pass@", 1)
	git(t, repo, "submodule", "add", auth+"/sub", "vendor")
	git(t, repo, "config", "-f", ".gitmodules", "submodule.vendor.url", "../sub")
	commit(t, repo, "main", "app")
	src := protocol.Source{Type: "git", URL: srv.URL + "/app", Username: "deploy", Password: "s3cr3t-pass"}
	dest, out := filepath.Join(t.TempDir(), "d"), new(bytes.Buffer)
	if _, err := fetch(t.Context(), src, dest, out); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dest, "vendor/lib"); got != "library" {
		t.Errorf("submodule: got %q", got)
	}
	if strings.Contains(out.String(), "s3cr3t") {
		t.Errorf("password in the output: %s", out)
	}
	src.Password = "wrong-pass"
	_, err := fetch(t.Context(), src, dest+"2", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "Authentication failed") || strings.Contains(err.Error(), "wrong-pass") {
		t.Errorf("wrong password: got %v", err)
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	bodies := map[string][]byte{
		"/app.tar.gz": tarball(t, map[string]string{"app-1/index.html": "hello", "app-1/sub/x": "y"}),
		"/flat.tgz":   tarball(t, map[string]string{"index.html": "hello", "sub/x": "y"}),
		"/app.zip":    zipball(t, map[string]string{"index.html": "hello", "sub/x": "y"}),
		"/evil.tgz":   tarball(t, map[string]string{"../../evil": "x"}),
		"/page":       []byte("<html>log in</html>"),
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "u" || pass != "s3cr3t-pass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, ok := bodies[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write(body)
	}))
	t.Cleanup(srv.Close)
	get := func(path, password string) (string, string, error) {
		dest := filepath.Join(t.TempDir(), "d")
		rev, err := fetch(t.Context(), protocol.Source{Type: "archive", URL: srv.URL + path + "?sig=s3cr3t", Username: "u", Password: password}, dest, io.Discard)
		return dest, rev, err
	}
	for _, path := range []string{"/app.tar.gz", "/flat.tgz", "/app.zip"} {
		dest, rev, err := get(path, "s3cr3t-pass")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if !strings.HasPrefix(rev, "sha256:") || read(t, dest, "index.html") != "hello" || read(t, dest, "sub/x") != "y" {
			t.Errorf("%s: revision %s or files wrong", path, rev)
		}
	}
	for path, want := range map[string]string{"/gone": "404", "/page": "not a tar", "/evil.tgz": "leaves the archive"} {
		dest, _, err := get(path, "s3cr3t-pass")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
		leaveNothing(t, filepath.Dir(dest))
	}
	if _, _, err := get("/app.zip", "no"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("wrong password: got %v", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	for _, kind := range []string{"git", "archive"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("the command was canceled")
		go func() { <-asked; cancel(stopped) }()
		_, err := fetch(ctx, protocol.Source{Type: kind, URL: srv.URL + "/x"}, filepath.Join(t.TempDir(), "d"), io.Discard)
		if !errors.Is(err, stopped) {
			t.Errorf("%s: got %v, want the cause", kind, err)
		}
	}
}

func serveGit(t *testing.T, root, user, password string) *httptest.Server {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("git is not installed")
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func newRepo(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "repo")
	initRepo(t, dir)
	return dir
}

func initRepo(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "--quiet", "--initial-branch=main")
}

func commit(t *testing.T, repo, name, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(repo, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, repo, "add", ".")
	git(t, repo, "commit", "--quiet", "-m", name)
	return git(t, repo, "rev-parse", "HEAD")
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func leaveNothing(t *testing.T, dir string, but ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(but) == 0 || e.Name() != but[0] {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func zipball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	w := zip.NewWriter(b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
	}
	w.Close()
	return b.Bytes()
}

// fetch keeps nothing.
func fetch(ctx context.Context, src protocol.Source, dest string, out io.Writer) (string, error) {
	return source.Fetcher{}.Fetch(ctx, src, dest, out)
}
