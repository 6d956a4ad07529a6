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
	Tabs   TeamTabs
	Stacks []models.Stack // the columns
	Users  []UserRow
	Admins int
	// Invitations are the open ones.
	Invitations []InvitationRow
	Query       string
	Pager       Pager // of the people
	Column      Pager // of the stacks
}

// UserRow is one person with their permission in each stack of the page.
type UserRow struct {
	User        models.User
	Permissions map[models.StackID]models.Permission
	Groups      []string                      // names
	Through     map[models.StackID][]GrantRow // what the groups give
	Seen        time.Time                     // last; zero: never
}

func (u UserRow) about() string {
	var parts []string
	if u.User.Admin {
		parts = append(parts, "administrator")
	}
	parts = append(parts, u.Groups...)
	if len(parts) == 0 && u.User.Email != "" {
		parts = append(parts, u.User.Email)
	}
	return strings.Join(parts, ", ")
}

func (p TeamPage) head() HeadProps {
	return HeadProps{
		Title: "Team", Bold: people(p.Pager.Overall) + ", " + administrators(p.Admins) + ".",
		Rest: "Administrators may do everything; everybody else has a level on each stack, their own or by a group.",
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

// row is the cell of one person on one stack.
func (u UserRow) row(id models.StackID) PermissionRow {
	return PermissionRow{Permission: u.Permissions[id], Admin: u.User.Admin, Through: u.Through[id]}
}

// cellNote is what stands under a level in the table: the group it comes by,
// and what the person may do on the instances.
func (r PermissionRow) cellNote() string {
	var parts []string
	if _, by := r.effect(); by != "" && !r.Admin {
		parts = append(parts, "by "+by)
	}
	if l := r.login(); l != "" {
		parts = append(parts, l)
	}
	return strings.Join(parts, ", ")
}
