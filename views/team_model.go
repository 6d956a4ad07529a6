package views

import (
	"fmt"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// TeamPage is the people and their levels, a part of the stacks at a time.
type TeamPage struct {
	Page   Page
	Stacks []models.Stack // the columns
	Users  []UserRow
	Admins int
	Query  string
	Pager  Pager // of the people
	Column Pager // of the stacks
}

// UserRow is one person with their permission in each stack of the page.
type UserRow struct {
	User        models.User
	Permissions map[models.StackID]models.Permission
}

func (u UserRow) about() string {
	var parts []string
	if u.User.Admin {
		parts = append(parts, "administrator")
	}
	if u.User.Email != "" {
		parts = append(parts, u.User.Email)
	}
	return strings.Join(parts, ", ")
}

func (p TeamPage) head() HeadProps {
	return HeadProps{
		Title: "Team", Bold: people(p.Pager.Overall) + ", " + administrators(p.Admins) + ".",
		Rest: "Administrators may do everything; everybody else has a level on each stack.",
	}
}

// stackRange says which stacks the columns are.
func (p TeamPage) stackRange() string {
	if p.Column.Total <= p.Column.Limit {
		return ui.Plural(p.Column.Total, "stack")
	}
	return fmt.Sprintf("stacks %s", p.Column.Text())
}

// UserHref is the page of a person.
func UserHref(id models.UserID) string { return "/team/users/" + string(id) }

// PersonForm is the page that adds a person.
type PersonForm struct {
	Page Page
	Form Form
}

// PersonPage is one person: profile, permissions, keys.
type PersonPage struct {
	Page        Page
	User        models.User
	Form        Form // of the profile, as typed
	Permissions []PermissionRow
	Pager       Pager // of the stacks
	Levels      int   // stacks they have a level on
	Stacks      int
	Keys        []AccessKeyRow
	Sessions    int
	Seen        time.Time // of the last session; zero: none
	Own         bool
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
	f := p.Form.input(name, label, hint)
	if _, typed := p.Form.Values["profile"]; !typed {
		f.Value = stored
	}
	f.Attrs = map[string]any{"autocapitalize": "none", "spellcheck": "false"}
	return f
}

func (p PersonPage) on(name string, stored bool) bool {
	if _, typed := p.Form.Values["profile"]; typed {
		return p.Form.On(name)
	}
	return stored
}

// row is the cell of one person on one stack.
func (u UserRow) row(id models.StackID) PermissionRow {
	return PermissionRow{Permission: u.Permissions[id], Admin: u.User.Admin}
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
