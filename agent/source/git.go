package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// scpLike is host:path or user@host:path, which is not a URL.
var scpLike = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9.\[\]-]+:[^:-]`)

// gitAddress tells whether Git would take an address for a place and not for an
// option or the name of a program to run (ext::sh -c …).
func gitAddress(address string) bool {
	if strings.HasPrefix(address, "-") {
		return false
	}
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		switch scheme {
		case "file":
			return strings.HasPrefix(rest, "/")
		case "http", "https", "ssh", "git":
			u, err := url.Parse(address)
			return err == nil && u.Hostname() != "" && !strings.HasPrefix(u.Hostname(), "-") && !strings.HasPrefix(u.User.Username(), "-") && !strings.HasPrefix(u.Path, "/-")
		}
		return false
	}
	return filepath.IsAbs(address) || scpLike.MatchString(address) && !strings.Contains(address, "@-")
}

// gitRevision refuses what is no name but an expression, an option or a refspec.
func gitRevision(revision string) bool {
	return !strings.HasPrefix(revision, "-") && !strings.HasPrefix(revision, "+") && !strings.Contains(revision, "..") &&
		!strings.Contains(revision, "@{") && !strings.ContainsAny(revision, " ~^:?*[\\")
}

var partOfHash = regexp.MustCompile(`^[0-9a-f]{4,64}$`)

// fetchGit makes a shallow checkout without history: what is deployed is a
// tree of files, and a .git directory in a document root would show it all.
func fetchGit(ctx context.Context, j *job) (string, error) {
	address, user, password := split(j.src)
	j.show = Show(address)
	if !gitAddress(address) || !gitRevision(j.src.Revision) {
		return "", fmt.Errorf("Git repository %s could not be read: the address or revision is not valid", j.show)
	}
	g := &git{job: j, address: address}
	if err := g.configure(user, password); err != nil {
		return "", fmt.Errorf("prepare Git: %w", err)
	}
	revision := j.src.Revision
	if revision == "" {
		revision = "HEAD"
	}
	ctx, done := j.watch(ctx)
	defer done()
	g.ctx = ctx
	if commit, ok, err := g.fromCache(revision); ok || err != nil {
		return commit, err
	}
	fmt.Fprintf(j.out, "Fetching %s from %s\n", revision, j.show)
	commit, err := g.checkout(revision)
	if err != nil {
		return "", err
	}
	if err := stripGit(j.tree); err != nil {
		return "", fmt.Errorf("Git repository %s could not be read: %w", j.show, err)
	}
	if j.size, err = inspect(j.tree, j.limits.Limits); err != nil {
		return "", fmt.Errorf("Git repository %s cannot be used: %w", j.show, err)
	}
	fmt.Fprintf(j.out, "Fetched commit %s\n", commit)
	j.keepTree(commit)
	return commit, nil
}

type git struct {
	*job
	ctx     context.Context
	address string
	env     []string
}

// fromCache asks the repository where the revision stands, and takes the tree
// from the cache if it has that very commit. A commit's own hash needs no asking.
func (g *git) fromCache(revision string) (string, bool, error) {
	kept, ok := g.cache.find(g.key())
	if !ok {
		return "", false, nil
	}
	if kept.Got != revision {
		listed, err := g.run("ls-remote", "--quiet", g.address, revision, revision+"^{}")
		if err != nil {
			return "", false, g.unreadable(err)
		}
		if now := pick(listed, revision); now == "" || now != kept.Got {
			return "", false, nil
		}
	}
	if !g.cache.sound(kept) {
		return "", false, nil
	}
	fmt.Fprintf(g.out, "Commit %s of %s is in the cache\n", kept.Got, g.show)
	return kept.Got, true, g.unpack(g.ctx, kept.data)
}

// pick chooses from a listing as a fetch would: a tag before a branch, and what
// an annotated tag points to instead of itself.
func pick(listing, revision string) string {
	refs := map[string]string{}
	for line := range strings.Lines(listing) {
		if hash, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			refs[name] = hash
		}
	}
	for _, name := range []string{revision, "refs/tags/" + revision + "^{}", "refs/tags/" + revision, "refs/heads/" + revision} {
		if hash := refs[name]; hash != "" {
			return hash
		}
	}
	return ""
}

func (g *git) checkout(revision string) (string, error) {
	for _, args := range [][]string{{"init", "--quiet"}, {"remote", "add", "origin", g.address}} {
		if _, err := g.run(args...); err != nil {
			return "", g.unreadable(err)
		}
	}
	target := "FETCH_HEAD"
	if _, err := g.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", revision); err != nil {
		if target, err = g.otherwise(revision, err); err != nil {
			return "", err
		}
	}
	if err := g.measure(target); err != nil {
		return "", err
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

// otherwise goes on after a refused fetch: a server may refuse a commit's hash
// or a shallow fetch, then all is taken and looked at.
func (g *git) otherwise(revision string, err error) (string, error) {
	said := err.Error()
	if g.ctx.Err() != nil || !partOfHash.MatchString(revision) && !strings.Contains(said, "shallow") && !strings.Contains(said, "dumb http") {
		if strings.Contains(said, "couldn't find remote ref") && revision != "HEAD" {
			return "", g.missing(revision)
		}
		return "", g.unreadable(err)
	}
	if denied(said) {
		return "", g.unreadable(err)
	}
	if _, err := g.run("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"); err != nil {
		return "", g.unreadable(err)
	}
	for _, name := range []string{"refs/tags/" + revision, "refs/remotes/origin/" + revision, revision} {
		if commit, err := g.run("rev-parse", "--quiet", "--verify", name+"^{commit}"); err == nil {
			return commit, nil
		}
	}
	return "", g.missing(revision)
}

func (g *git) missing(revision string) error {
	return fmt.Errorf("Git repository %s has no branch, tag or commit %q", g.show, revision)
}

func (g *git) submodules() error {
	if _, err := os.Lstat(filepath.Join(g.tree, ".gitmodules")); err != nil {
		return nil
	}
	if _, err := g.run("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"); err == nil || denied(err.Error()) {
		return g.submodulesUnreadable(err)
	}
	_, err := g.run("submodule", "update", "--quiet", "--init", "--recursive")
	return g.submodulesUnreadable(err)
}

func (g *git) submodulesUnreadable(err error) error {
	switch {
	case err == nil:
		return nil
	case g.ctx.Err() != nil:
		return context.Cause(g.ctx)
	}
	return fmt.Errorf("Submodules of Git repository %s could not be read: %w", g.show, err)
}

func (g *git) unreadable(err error) error {
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	return fmt.Errorf("Git repository %s could not be read: %w", g.show, err)
}

// run returns the trimmed output; its error is a sentence's end for people.
func (g *git) run(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = g.tree, g.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := proc.Run(g.ctx, cmd, protocol.KillDelay)
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the program git is not installed on this machine")
	}
	if err != nil {
		return "", explain(stderr.String(), err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// configure gives Git what it needs by environment and private files, never by argv.
func (g *git) configure(user, password string) error {
	config := filepath.Join(g.private, "gitconfig")
	if err := os.WriteFile(config, []byte(gitConfig(g.address, password != "")), 0o600); err != nil {
		return err
	}
	ssh, err := g.sshCommand()
	if err != nil {
		return err
	}
	for _, kv := range os.Environ() { // a GIT_DIR of somebody else would lead us astray
		if !strings.HasPrefix(kv, "GIT_") {
			g.env = append(g.env, kv)
		}
	}
	g.env = append(g.env,
		"GIT_CONFIG_GLOBAL="+config,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_SSH_COMMAND="+ssh,
		"GIT_HTTP_LOW_SPEED_LIMIT=1", fmt.Sprintf("GIT_HTTP_LOW_SPEED_TIME=%d", max(1, int(g.limits.Stall.Seconds()))),
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
// password to the repository's own host alone (not to its submodules'), runs no
// hooks, and keeps the host's own settings such as proxies. A path of the
// instance itself may be named by the source but not by a submodule.
func gitConfig(address string, withPassword bool) string {
	b := new(strings.Builder)
	if home, err := os.UserHomeDir(); err == nil {
		fmt.Fprintf(b, "[include]\n\tpath = %q\n", filepath.Join(home, ".gitconfig"))
	}
	b.WriteString("[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n[protocol]\n\tallow = never\n")
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

// keepTree packs what was fetched for the next time.
func (j *job) keepTree(got string) {
	j.keep(entry{Got: got}, j.size.bytes+int64(j.size.files)*1024, func(file string) error {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(pack(j.tree, f), f.Close())
	})
}
