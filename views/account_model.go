package views

import (
	"strings"
	"time"

	"opsyard/views/ui"
)

// MePage is a person's own page.
type MePage struct {
	Page Page
	Form Form // of the SSH key, as typed
	// SSH is what the person has on instances; SelfManaged, that they may change
	// the key themselves.
	SSHUsername  string
	SSHPublicKey string
	SelfManaged  bool
	Email        string
}

// MeKeysPage are a person's tokens and keys for programs. What was just made
// is shown with its secret now and never again.
type MeKeysPage struct {
	Page       Page
	Tokens     []TokenRow
	FreshToken *FreshToken
	Keys       []AccessKeyRow
	Fresh      *FreshKey
	Server     string // how API clients reach this server
}

// MeAccessPage is what a person may do themselves.
type MeAccessPage struct {
	Page   Page
	Access Access
}

// AccessKeyRow is one key for API clients.
type AccessKeyRow struct {
	Limits
	ID       string
	Created  time.Time
	LastUsed *time.Time
}

// FreshKey is a key with its secret.
type FreshKey struct {
	ID, Secret string
	Expires    *time.Time // nil for none
}

// SessionRow is one signed-in browser.
type SessionRow struct {
	Hash    string
	Browser string
	Addr    string
	Method  string // how they signed in
	Since   time.Time
	Seen    time.Time
	Ends    time.Time
	Current bool
}

func (p MePage) lede() string {
	if p.Page.Admin {
		return "You administer this installation."
	}
	return "You may do what your levels and policies say."
}

func (p MePage) rest() string {
	if p.Email == "" {
		return ""
	}
	return "Mail reaches you at " + p.Email + "."
}

func (p MePage) sshKey() ui.FieldProps {
	f := rows(p.Form.input("SshPublicKey", "Public key", sshKeyHint(p.SSHPublicKey != "")), 4)
	if _, typed := p.Form.Values["SshPublicKey"]; !typed {
		f.Value = p.SSHPublicKey
	}
	f.Disabled = !p.SelfManaged
	return f
}

func (p MeKeysPage) lede() string {
	if len(p.Keys)+len(p.Tokens) == 0 {
		return "No program acts for you."
	}
	var parts []string
	if n := len(p.Tokens); n > 0 {
		parts = append(parts, ui.Plural(n, "token"))
	}
	if n := len(p.Keys); n > 0 {
		parts = append(parts, ui.Plural(n, "access key"))
	}
	return And(parts) + " for programs that act for you."
}

func (p MeAccessPage) sentence() Sentence {
	if len(p.Access.Stacks) == 0 {
		return Sentence{Lead: "You see no stack yet."}
	}
	return p.Access.Sentence()
}

// configure is how the AWS command line learns of the fresh key.
func (p MeKeysPage) configure() string {
	return "aws configure set aws_access_key_id " + p.Fresh.ID + " --profile opsyard\n" +
		"aws configure set aws_secret_access_key " + p.Fresh.Secret + " --profile opsyard\n" +
		"aws configure set region us-east-1 --profile opsyard\n" +
		p.tryIt()
}

func (p MeKeysPage) tryIt() string {
	return "aws --profile opsyard --endpoint-url " + p.Server + " opsworks describe-stacks"
}

// BrowserOf reads a browser and its system out of a User-Agent, for people to
// recognise their own; it decides nothing.
func BrowserOf(agent string) string {
	browser, system := "Unknown browser", ""
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, known[0]) {
			browser = known[1]
			break
		}
	}
	for _, known := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			system = " on " + known[1]
			break
		}
	}
	return browser + system
}
