package views

import (
	"fmt"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// PersonPage is one person: profile, permissions, keys.
type PersonPage struct {
	Page        Page
	User        models.User
	Form        Form // of the profile, as typed
	Permissions []PermissionRow
	Pager       Pager // of the stacks
	Levels      int   // stacks they have a level on
	Stacks      int
	Groups      []PersonGroup
	Policies    []PolicyRow // theirs, and those of their groups
	Others      []PolicyRow // that could be attached
	Tokens      []TokenRow
	Keys        []AccessKeyRow
	Sessions    int
	Open        []SessionRow // the sessions
	App         bool         // an authenticator app is set up
	Passkeys    int
	Identities  []models.Identity // their accounts at the sign-in provider
	Seen        time.Time         // of the last session; zero: none
	Own         bool
}

// Add counts a stack on which the person has a level.
func (p *PersonPage) Add(r PermissionRow) {
	if level, _ := r.effect(); level.Allows(models.ActionShow) {
		p.Levels++
	}
}

// factorWords says what the person proves with who they are.
func (p PersonPage) factorWords() string {
	var with []string
	if p.User.PasswordHash != "" {
		with = append(with, "a password")
	}
	if p.App {
		with = append(with, "codes of an authenticator app")
	}
	if p.Passkeys > 0 {
		with = append(with, ui.Plural(p.Passkeys, "passkey"))
	}
	if len(p.Identities) > 0 {
		with = append(with, "the sign-in provider")
	}
	if with == nil {
		return "Nothing: they cannot sign in here."
	}
	return Capital(And(with)) + "."
}

// PersonGroup is a group, and whether the person is in it.
type PersonGroup struct {
	Group  models.Group
	Levels []StackLevel // what it gives
	In     bool
}

func (p PersonPage) groupCount() string {
	n := 0
	for _, g := range p.Groups {
		if g.In {
			n++
		}
	}
	if n == 0 {
		return "in none"
	}
	return fmt.Sprintf("in %d of %d", n, len(p.Groups))
}

func (p PersonPage) head() HeadProps {
	h := HeadProps{Title: p.User.Name}
	switch {
	case p.User.Admin:
		h.Bold = "Administrator: may do everything in every stack."
	case p.Levels == 0:
		h.Bold = "Has no level on any stack, and so sees none."
	default:
		h.Bold = "Has a level on " + fmt.Sprintf("%s of %s.", Thousands(p.Levels), ui.Plural(p.Stacks, "stack"))
	}
	switch {
	case p.User.PasswordHash == "":
		h.Rest = "Has no password, so cannot sign in here; access keys work all the same."
	case p.Sessions == 0:
		h.Rest = "Not signed in."
	case p.Sessions == 1:
		h.Rest = "Signed in with 1 browser, last seen " + ui.Ago(p.Seen, p.Page.Now) + "."
	default:
		h.Rest = "Signed in with " + ui.Plural(p.Sessions, "browser") + ", last seen " + ui.Ago(p.Seen, p.Page.Now) + "."
	}
	return h
}

// input is a field of the profile; what was typed stands, else what is stored.
func (p PersonPage) input(name, label, hint, stored string) ui.FieldProps {
	return storedInput(p.Form, "profile", name, label, hint, stored)
}

func (p PersonPage) on(name string, stored bool) bool {
	if _, typed := p.Form.Values["profile"]; typed {
		return p.Form.On(name)
	}
	return stored
}

func sshKeyHint(set bool) string {
	if set {
		return "One line as in authorized_keys. Emptied, the account loses its key."
	}
	return "One line as in authorized_keys, such as ssh-ed25519 AAAA… ana@laptop."
}

func personFactList(u models.User) []Fact {
	return facts(
		Fact{Name: "ARN", Value: u.IamUserArn, Code: true},
		Fact{Name: "Unix user id", Value: fmt.Sprint(u.UnixUID), Code: true},
		Fact{Name: "Added", Value: ui.Stamp(u.CreatedAt)},
	)
}
