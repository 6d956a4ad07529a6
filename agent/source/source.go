// Package source fetches the code that a stack or an app names: from Git,
// Subversion or an HTTP archive, without ever putting a credential into an
// argument list or a message.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"opsyard/agent/protocol"
)

// Fetch makes dest, which must not exist, with the code that src names and
// returns what was fetched: a Git commit, a Subversion revision, or an
// archive's "sha256:" digest. Progress goes to out. An error is a sentence for
// people, free of credentials, and leaves no dest behind.
func Fetch(ctx context.Context, src protocol.Source, dest string, out io.Writer) (string, error) {
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
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".fetch-*")
	if err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	defer os.RemoveAll(tmp)
	work := workspace{tree: filepath.Join(tmp, "tree"), private: filepath.Join(tmp, "private")}
	for _, dir := range []string{work.tree, work.private} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", fmt.Errorf("fetch into %s: %w", dest, err)
		}
	}
	revision, err := fetch(ctx, src, work, out)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(work.tree, 0o755); err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	if err := os.Rename(work.tree, dest); err != nil {
		return "", fmt.Errorf("fetch into %s: %w", dest, err)
	}
	return revision, nil
}

// workspace is where a fetch works: the tree that becomes dest, and a place
// for keys and downloads that goes away.
type workspace struct{ tree, private string }

type fetcher func(ctx context.Context, src protocol.Source, w workspace, out io.Writer) (string, error)

func fetcherFor(src protocol.Source) (fetcher, error) {
	if src.URL == "" {
		return nil, errors.New("The source has no address.") //nolint:staticcheck // a sentence for people
	}
	switch src.Type {
	case "git":
		return fetchGit, nil
	case "archive":
		return fetchArchive, nil
	case "svn":
		return fetchSvn, nil
	case "s3":
		return nil, fmt.Errorf("The agent cannot read %s: S3 sources are not supported yet, use an HTTP archive.", Show(src.URL)) //nolint:staticcheck // a sentence for people
	}
	return nil, fmt.Errorf("The agent does not know sources of type %q: use git, archive or svn.", src.Type) //nolint:staticcheck // a sentence for people
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
