package models

import (
	"net/url"
	"regexp"
	"strings"
)

// Filtered is what OpsWorks shows in place of a stored secret. A client that
// writes it back leaves the secret as it is.
const Filtered = "*****FILTERED*****"

// SourceType says what kind of repository a Source is.
type SourceType string

// Types of a Source. Other means that the recipes fetch the code themselves.
const (
	SourceGit     SourceType = "git"
	SourceSvn     SourceType = "svn"
	SourceArchive SourceType = "archive"
	SourceS3      SourceType = "s3"
	SourceOther   SourceType = "other"
)

// Source is a repository of cookbooks or of an app (OpsWorks Source).
type Source struct {
	Type     SourceType `json:"type,omitempty"`
	URL      string     `json:"url,omitempty"`
	Username string     `json:"username,omitempty"`
	Password string     `json:"password,omitempty"` // secret
	SSHKey   string     `json:"ssh_key,omitempty"`  // secret
	Revision string     `json:"revision,omitempty"`
}

// IsZero tells whether nothing is set.
func (s Source) IsZero() bool { return s == Source{} }

// Redacted is the source with its secrets replaced by Filtered.
func (s Source) Redacted() Source {
	if s.Password != "" {
		s.Password = Filtered
	}
	if s.SSHKey != "" {
		s.SSHKey = Filtered
	}
	return s
}

// KeepSecrets puts back the stored secrets where a client wrote Filtered. It
// refuses to when the address is another server's: whoever may change an
// address could otherwise have the secret sent to a host of their own.
func (s Source) KeepSecrets(stored Source) (Source, error) {
	keeps := s.Password == Filtered || s.SSHKey == Filtered
	if keeps && s.server() != stored.server() {
		return s, InvalidField("Url", "Url: this is another server; give its password or SSH key anew.")
	}
	if s.Password == Filtered {
		s.Password = stored.Password
	}
	if s.SSHKey == Filtered {
		s.SSHKey = stored.SSHKey
	}
	return s, nil
}

// server is where the source's secrets are sent.
func (s Source) server() string {
	if u, err := url.Parse(s.URL); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	host, _, _ := strings.Cut(s.URL, ":") // git@host:path
	return host
}

// Normalize moves a password that was written into the address to where
// passwords are kept: addresses are shown, and handed to recipes. It was typed
// last, so it wins over a stored one.
func (s Source) Normalize() Source {
	s.URL = strings.TrimSpace(s.URL)
	u, err := url.Parse(s.URL)
	if err != nil || u.User == nil || u.Host == "" {
		return s
	}
	password, ok := u.User.Password()
	if !ok {
		return s
	}
	s.Username, s.Password = u.User.Username(), password
	u.User = nil
	s.URL = u.String()
	return s
}

// scpLike matches git@host:path, which is not a URL.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^-].*$`)

// Validate refuses a source that cannot be fetched. field names it in messages.
func (s Source) Validate(field string) error {
	if s.IsZero() {
		return nil
	}
	switch s.Type {
	case SourceGit, SourceSvn, SourceArchive, SourceS3:
	case SourceOther:
		return nil
	default:
		return InvalidField(field, "%s: Type must be git, svn, archive, s3 or other.", field)
	}
	if strings.TrimSpace(s.URL) == "" {
		return InvalidField(field, "%s: Url is missing.", field)
	}
	if strings.HasPrefix(s.URL, "-") || strings.ContainsAny(s.URL, "\x00\r\n") {
		return InvalidField(field, "%s: Url %q is not an address.", field, s.URL)
	}
	if strings.HasPrefix(s.Revision, "-") || strings.ContainsAny(s.Revision, "\x00\r\n ") {
		return InvalidField(field, "%s: Revision %q is not a branch, tag or commit.", field, s.Revision)
	}
	if s.Type == SourceGit && scpLike.MatchString(s.URL) {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme == "" {
		return InvalidField(field, "%s: Url is not an address.", field) // not repeated: a password may be in it
	}
	if s.Type == SourceArchive && u.Scheme != "http" && u.Scheme != "https" {
		return InvalidField(field, "%s: an archive is fetched over http or https.", field)
	}
	return nil
}
