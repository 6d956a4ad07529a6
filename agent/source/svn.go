package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

var (
	exported    = regexp.MustCompile(`(?m)^Exported revision (\d+)\.`)
	svnRevision = regexp.MustCompile(`^(|HEAD|r?[0-9]{1,12}|\{[0-9T: +-]{4,40}\})$`)
)

// svn is one export. Externals are not followed: they are other repositories,
// named by whoever may commit to this one.
type svn struct {
	*job
	ctx            context.Context
	address        string
	user, password string
	env            []string
}

func svnAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && slices.Contains([]string{"http", "https", "svn", "svn+ssh", "file"}, u.Scheme) &&
		!strings.HasPrefix(u.Hostname(), "-") && !strings.HasPrefix(u.User.Username(), "-") && (u.Host != "") == (u.Scheme != "file")
}

func fetchSvn(ctx context.Context, j *job) (string, error) {
	s := &svn{job: j}
	s.address, s.user, s.password = split(j.src)
	j.show = Show(s.address)
	if !svnAddress(s.address) || !svnRevision.MatchString(j.src.Revision) {
		return "", fmt.Errorf("Subversion repository %s could not be read: the address or revision is not valid", j.show)
	}
	ssh, err := j.sshCommand()
	if err != nil {
		return "", fmt.Errorf("prepare Subversion: %w", err)
	}
	s.env = append(os.Environ(), "LC_ALL=C", "SVN_SSH="+ssh)
	ctx, done := j.watch(ctx)
	defer done()
	s.ctx = ctx
	if revision, ok, err := s.fromCache(); ok || err != nil {
		return revision, err
	}
	return s.export()
}

func (s *svn) fromCache() (string, bool, error) {
	kept, ok := s.cache.find(s.key())
	if !ok {
		return "", false, nil
	}
	// With a peg: the revision that the address stands at, as export says it.
	now, err := s.run("info", []string{"--show-item", "revision"})
	if err != nil {
		return "", false, err
	}
	if strings.TrimSpace(now) != kept.Got || !s.cache.sound(kept) {
		return "", false, nil
	}
	fmt.Fprintf(s.out, "Revision %s of %s is in the cache\n", kept.Got, s.show)
	return kept.Got, true, s.unpack(s.ctx, kept.data)
}

func (s *svn) export() (string, error) {
	fmt.Fprintf(s.out, "Exporting %s\n", s.show)
	said, err := s.run("export", []string{"--force", "--ignore-externals"}, s.tree)
	if err != nil {
		return "", err
	}
	match := exported.FindStringSubmatch(said)
	if match == nil {
		return "", fmt.Errorf("Subversion repository %s could not be read: svn did not say what it exported", s.show)
	}
	if s.size, err = inspect(s.tree, s.limits.Limits); err != nil {
		return "", fmt.Errorf("Subversion repository %s cannot be used: %w", s.show, err)
	}
	fmt.Fprintf(s.out, "Exported revision %s\n", match[1])
	s.keepTree(match[1])
	return match[1], nil
}

// run returns what svn says; the password is read from its input. Its settings
// are not the user's, which may name programs to run.
func (s *svn) run(verb string, options []string, more ...string) (string, error) {
	args := append([]string{verb, "--non-interactive", "--no-auth-cache", "--config-dir", filepath.Join(s.private, "svn")}, options...)
	if s.user != "" {
		args = append(args, "--username", s.user)
	}
	if s.password != "" {
		args = append(args, "--password-from-stdin")
	}
	if s.src.Revision != "" {
		args = append(args, "--revision", strings.TrimPrefix(s.src.Revision, "r"))
	}
	// The last @ of an address is a peg revision's, unless it ends with one.
	cmd := exec.Command("svn", append(append(args, s.address+"@"), more...)...)
	cmd.Env = s.env
	cmd.Stdin = strings.NewReader(s.password)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := proc.Run(s.ctx, cmd, protocol.KillDelay)
	switch {
	case s.ctx.Err() != nil:
		return "", context.Cause(s.ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("Subversion repository %s could not be read: the program svn is not installed on this machine", s.show)
	case err != nil:
		return "", fmt.Errorf("Subversion repository %s could not be read: %w", s.show, explain(stderr.String(), err))
	}
	return stdout.String(), nil
}
