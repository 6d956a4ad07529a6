package protocol

import (
	"regexp"
	"slices"
	"strings"
)

// Accounts are the people who may log in to the instance, all of them: an agent
// makes what is missing and takes away what is not named any more. The server
// sends them before anything else in a session, and at every change.
type Accounts struct {
	// Revision names this state, for the answer.
	Revision string    `json:"revision"`
	Users    []Account `json:"users,omitempty"`
}

// Account is one person's on the instance.
type Account struct {
	Name string   `json:"name"`
	UID  int      `json:"uid"`
	Keys []string `json:"keys,omitempty"` // lines of authorized_keys, without options
	Sudo bool     `json:"sudo,omitempty"`
}

// AccountsApplied answers Accounts when the instance is as they say.
type AccountsApplied struct {
	Revision string `json:"revision"`
	// Problem is why the agent makes no accounts at all.
	Problem string `json:"problem,omitempty"`
	// Skipped are the accounts that are not as wanted.
	Skipped []SkippedAccount `json:"skipped,omitempty"`
}

// SkippedAccount is an account that is not as wanted, and why.
type SkippedAccount struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Bounds of accounts (OpsWorks: user ids 2000 to 4000).
const (
	FirstUID = 2000
	LastUID  = 4000
	// maxAccounts is how many one message may name; there are no more user ids.
	maxAccounts = LastUID - FirstUID + 1
	maxKeys     = 16
	maxKey      = 8 << 10
	// MaxAccountKeys bounds the keys of one message, which has to fit a frame.
	MaxAccountKeys = 2 << 20
)

var accountName = regexp.MustCompile(`\A[a-z_][a-z0-9_-]{0,31}\z`)

// accountKey is the type of a key, the key, and a comment: options, which could
// name a command, begin with something else.
var accountKey = regexp.MustCompile(`\A(ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\x00-\x1f\x7f]*)?\z`)

// reservedNames are the machine's own, or will be once a package is installed:
// whoever had such an account would get what is made for the machine's.
var reservedNames = strings.Fields(`root toor daemon bin sys sync shutdown halt operator nobody adm sudo lp mail games man
 news uucp proxy backup list irc ftp sshd dbus polkitd ntp chrony postfix cron opsworks opsyard deploy www-data apache nginx
 httpd haproxy mysql mariadb postgres postgresql redis memcached memcache tomcat puppet chef`)

// WellFormed tells whether the account's name and user id are ones that could
// ever have been made.
func (a Account) WellFormed() bool {
	return accountName.MatchString(a.Name) && a.UID >= FirstUID && a.UID <= LastUID
}

// Unfit is why the account cannot be made on any instance, empty when it can.
func (a Account) Unfit() string {
	switch {
	case !accountName.MatchString(a.Name):
		return "The name does not fit Linux: it begins with a small letter or _, and goes on with small letters, digits, _ and -."
	case slices.Contains(reservedNames, a.Name) || strings.HasPrefix(a.Name, "systemd-"):
		return "The name is one that systems and packages use for themselves."
	case a.UID < FirstUID || a.UID > LastUID:
		return "The user id is not one of 2000 to 4000."
	case len(a.Keys) > maxKeys || slices.ContainsFunc(a.Keys, func(k string) bool { return len(k) > maxKey || !accountKey.MatchString(k) }):
		return "The SSH key is not one line as in authorized_keys, without options."
	}
	return ""
}

// Plausible is the message without what no honest server sends, and what was
// left out.
func (a Accounts) Plausible() (Accounts, []SkippedAccount) {
	fit := Accounts{Revision: plain(a.Revision)}
	var unfit []SkippedAccount
	for _, u := range a.Users[:min(len(a.Users), maxAccounts)] {
		if why := u.Unfit(); why != "" {
			unfit = append(unfit, SkippedAccount{plain(u.Name), why})
			continue
		}
		fit.Users = append(fit.Users, u)
	}
	return fit, unfit
}

// maxReason bounds what an agent says of an account.
const maxReason = 400

// Plausible is the answer as far as an agent can be believed: it is stored, and
// shown to people.
func (a AccountsApplied) Plausible() AccountsApplied {
	a.Revision, a.Problem = plain(a.Revision), plainTo(a.Problem, maxReason)
	a.Skipped = slices.Clone(a.Skipped[:min(len(a.Skipped), maxAccounts)])
	for n := range a.Skipped {
		s := &a.Skipped[n]
		s.Name, s.Reason = plainTo(s.Name, 32), plainTo(s.Reason, maxReason)
	}
	return a
}
