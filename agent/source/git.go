package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

// helper is how Git is told to run a program of that name (ext::sh -c …). An
// IPv6 address holds two colons too, but later.
var helper = regexp.MustCompile(`^[A-Za-z0-9+.-]*::`)

// fetchGit makes a shallow checkout without history: what is deployed is a
// tree of files, and a .git directory in a document root would show it all.
func fetchGit(ctx context.Context, src protocol.Source, w workspace, out io.Writer) (string, error) {
	address, user, password := split(src)
	g := &git{ctx: ctx, w: w, out: out, show: Show(address)}
	if strings.HasPrefix(address, "-") || helper.MatchString(address) || strings.HasPrefix(src.Revision, "-") {
		return "", fmt.Errorf("Git repository %s could not be read: the address or revision is not valid", g.show)
	}
	if err := g.configure(address, user, password, src.SSHKey); err != nil {
		return "", fmt.Errorf("prepare Git: %w", err)
	}
	revision := src.Revision
	if revision == "" {
		revision = "HEAD"
	}
	fmt.Fprintf(out, "Fetching %s from %s\n", revision, g.show)
	commit, err := g.checkout(address, revision)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "Fetched commit %s\n", commit)
	return commit, stripGit(w.tree)
}

type git struct {
	ctx  context.Context
	w    workspace
	out  io.Writer
	env  []string
	show string
}

func (g *git) checkout(address, revision string) (string, error) {
	for _, args := range [][]string{{"init", "--quiet"}, {"remote", "add", "origin", address}} {
		if _, err := g.run(args...); err != nil {
			return "", g.unreadable(err)
		}
	}
	target := "FETCH_HEAD"
	if _, err := g.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", revision); err != nil {
		if g.ctx.Err() != nil {
			return "", context.Cause(g.ctx)
		}
		// A server may refuse a commit's hash or a shallow fetch: take it all and look.
		if target, err = g.fetchAll(revision); err != nil {
			return "", err
		}
	}
	if _, err := g.run("-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", target); err != nil {
		return "", g.unreadable(err)
	}
	if err := g.submodules(); err != nil {
		return "", err
	}
	commit, err := g.run("rev-parse", "HEAD")
	if err != nil {
		return "", g.unreadable(err)
	}
	return commit, nil
}

func (g *git) fetchAll(revision string) (string, error) {
	if _, err := g.run("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"); err != nil {
		return "", g.unreadable(err)
	}
	for _, name := range []string{"refs/tags/" + revision, "refs/remotes/origin/" + revision, revision} {
		if commit, err := g.run("rev-parse", "--quiet", "--verify", name+"^{commit}"); err == nil {
			return commit, nil
		}
	}
	return "", fmt.Errorf("Git repository %s has no branch, tag or commit %q", g.show, revision)
}

func (g *git) submodules() error {
	if _, err := os.Lstat(filepath.Join(g.w.tree, ".gitmodules")); err != nil {
		return nil
	}
	if _, err := g.run("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"); err == nil {
		return nil
	}
	if _, err := g.run("submodule", "update", "--quiet", "--init", "--recursive"); err != nil {
		if g.ctx.Err() != nil {
			return context.Cause(g.ctx)
		}
		return fmt.Errorf("Submodules of Git repository %s could not be read: %w", g.show, err)
	}
	return nil
}

func (g *git) unreadable(err error) error {
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	return fmt.Errorf("Git repository %s could not be read: %w", g.show, err)
}

// run returns the trimmed output; its error is Git's own last words.
func (g *git) run(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = g.w.tree, g.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := proc.Run(g.ctx, cmd, protocol.KillDelay)
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the program git is not installed on this machine")
	}
	if err != nil {
		return "", lastWords(stderr.String(), err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// lastWords makes a program's complaints into the end of a sentence.
func lastWords(stderr string, err error) error {
	var words []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"fatal: ", "error: ", "remote: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		if line != "" && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "Warning: Permanently added") {
			words = append(words, line)
		}
	}
	if len(words) == 0 {
		return err
	}
	if len(words) > 4 {
		words = words[len(words)-4:]
	}
	return errors.New(strings.Join(words, "; "))
}

// configure gives Git what it needs by environment and private files, never by argv.
func (g *git) configure(address, user, password, key string) error {
	config := filepath.Join(g.w.private, "gitconfig")
	if err := os.WriteFile(config, []byte(gitConfig(address, password != "")), 0o600); err != nil {
		return err
	}
	ssh := "ssh -o BatchMode=yes -o ConnectTimeout=20 -o StrictHostKeyChecking=accept-new"
	if key != "" {
		file := filepath.Join(g.w.private, "key")
		if err := os.WriteFile(file, []byte(strings.TrimSpace(key)+"\n"), 0o600); err != nil {
			return err
		}
		ssh += " -o IdentitiesOnly=yes -i '" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	g.env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL="+config,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_SSH_COMMAND="+ssh,
		"GIT_HTTP_LOW_SPEED_LIMIT=1", "GIT_HTTP_LOW_SPEED_TIME=60",
		"LC_ALL=C",
	)
	if password != "" {
		if user == "" {
			user = "git"
		}
		g.env = append(g.env, "OPSYARD_GIT_USER="+user, "OPSYARD_GIT_PASSWORD="+password)
	}
	return nil
}

// gitConfig allows only transports that cannot run a program, offers the
// password to the repository's own host alone (not to its submodules'), and
// keeps the host's own settings such as proxies.
func gitConfig(address string, withPassword bool) string {
	b := new(strings.Builder)
	if home, err := os.UserHomeDir(); err == nil {
		fmt.Fprintf(b, "[include]\n\tpath = %q\n", filepath.Join(home, ".gitconfig"))
	}
	b.WriteString("[safe]\n\tdirectory = *\n[protocol]\n\tallow = never\n")
	for _, p := range []string{"http", "https", "ssh", "git"} {
		fmt.Fprintf(b, "[protocol %q]\n\tallow = always\n", p)
	}
	b.WriteString("[protocol \"file\"]\n\tallow = user\n[credential]\n\thelper =\n")
	if u, err := url.Parse(address); withPassword && err == nil && u.Host != "" {
		fmt.Fprintf(b, "[credential %q]\n\thelper = %s\n", u.Scheme+"://"+u.Host,
			`"!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$OPSYARD_GIT_USER\" \"$OPSYARD_GIT_PASSWORD\"; }; f"`)
	}
	return b.String()
}

// stripGit removes the repository's own .git and those of its submodules.
func stripGit(tree string) error {
	return filepath.WalkDir(tree, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ".git" {
			return err
		}
		if err := os.RemoveAll(p); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
