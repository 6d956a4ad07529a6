// Package source fetches the code that a stack or an app names: from Git,
// Subversion, S3 or an HTTP archive. No credential gets into an argument list
// or a message, nothing of what is fetched gets outside its directory, and
// what the instance has already is not fetched again.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"opsyard/agent/protocol"
)

// Fetcher fetches for one instance.
type Fetcher struct {
	// For is whose code it is, as it is reported: an app's short name, empty for
	// the stack's cookbooks.
	For string
	// Data is the agent's data directory, for the cache and the host keys seen;
	// without it nothing is kept.
	Data string
	// Notes is the file that what was fetched is added to, a line of JSON each.
	Notes string
	// Limits bound what is fetched; zero members are the defaults.
	Limits Limits
}

// Fetch makes dest, which must not exist, with the code that src names and
// returns what was fetched: a Git commit, a Subversion revision, or an
// archive's "sha256:" digest. Progress goes to out. An error is a sentence for
// people, free of credentials, and leaves no dest behind.
func (f Fetcher) Fetch(ctx context.Context, src protocol.Source, dest string, out io.Writer) (string, error) {
	fetch, err := fetcherFor(src)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(dest); err == nil {
		return "", fmt.Errorf("fetch into %s: it exists already", dest)
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	// Next to dest, so that the rename that ends a fetch is atomic.
	tmp, done, err := scratch(filepath.Dir(dest), ".fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	defer done()
	j := &job{
		src: src, show: Show(src.URL), out: out, limits: f.Limits.withDefaults(), cache: openCache(f.Data), hosts: f.knownHosts(),
		tree: filepath.Join(tmp, "tree"), private: filepath.Join(tmp, "private"),
	}
	for _, dir := range []string{j.tree, j.private} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", fmt.Errorf("fetch into %s: %w", dest, err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.limits.Time, fmt.Errorf("%s could not be fetched within %s, which is the limit", j.show, j.limits.Time))
	defer cancel()
	got, err := fetch(ctx, j)
	if err != nil {
		return "", outOfSpace(err)
	}
	if err := os.Chmod(j.tree, 0o755); err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	if err := os.Rename(j.tree, dest); err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	f.note(j, got, out)
	return got, nil
}

// note adds a line to the notes. A disk that is too full for it must not undo
// what was fetched.
func (f Fetcher) note(j *job, got string, out io.Writer) {
	if f.Notes == "" {
		return
	}
	line, err := json.Marshal(protocol.Fetched{
		For: f.For, Type: j.src.Type, URL: j.show, Revision: j.src.Revision, Got: got, Bytes: j.size.bytes, Files: j.size.files,
	})
	if err == nil {
		err = appendLine(f.Notes, line)
	}
	if err != nil {
		fmt.Fprintf(out, "What was fetched could not be noted: %v\n", err)
	}
}

func appendLine(file string, line []byte) error {
	w, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return errors.Join(err, w.Close())
}

// outOfSpace says plainly what programs hide behind a dozen words.
func outOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), "No space left on device") {
		return fmt.Errorf("There is no space left on the disk of the instance: %w", err) //nolint:staticcheck // a sentence for people
	}
	return err
}

// job is one fetch under way.
type job struct {
	src     protocol.Source
	show    string // the address as people may see it
	out     io.Writer
	limits  Limits
	cache   *cache
	hosts   string // file of SSH host keys
	tree    string // becomes dest
	private string // keys and downloads, goes away
	size    size
}

type fetcher func(ctx context.Context, j *job) (string, error)

func fetcherFor(src protocol.Source) (fetcher, error) {
	if src.URL == "" {
		return nil, errors.New("The source has no address.") //nolint:staticcheck // a sentence for people
	}
	if strings.ContainsFunc(src.URL+src.Revision+src.Username, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("The source's address, revision or user name holds a character that cannot be in one.") //nolint:staticcheck // a sentence for people
	}
	switch src.Type {
	case "git":
		return fetchGit, nil
	case "archive":
		return fetchArchive, nil
	case "svn":
		return fetchSvn, nil
	case "s3":
		return fetchS3, nil
	}
	return nil, fmt.Errorf("The agent does not know sources of type %q: use git, archive, s3 or svn.", src.Type) //nolint:staticcheck // a sentence for people
}

// Show is the address as people may see it: without user, password and query.
func Show(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return address // git@host:path has no password in it
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// split takes the credentials out of an address; what the source itself names wins.
func split(src protocol.Source) (address, user, password string) {
	u, err := url.Parse(src.URL)
	if err != nil || u.User == nil || u.Host == "" {
		return src.URL, src.Username, src.Password
	}
	user, password = src.Username, src.Password
	inline, hasPassword := u.User.Password()
	if user == "" {
		user = u.User.Username()
	}
	if password == "" {
		password = inline
	}
	if hasPassword || u.Scheme == "http" || u.Scheme == "https" {
		u.User = nil
	}
	return u.String(), user, password
}
