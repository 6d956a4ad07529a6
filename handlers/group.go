package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// withGroup loads the group of the path.
func (h *Handlers) withGroup(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Group)) http.HandlerFunc {
	return h.teamOnly(action, func(w http.ResponseWriter, r *http.Request) {
		g, err := h.Store.Groups.Get(r.Context(), models.GroupID(r.PathValue("group")))
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, g)
	})
}

// showGroups lists the groups.
func (h *Handlers) showGroups(w http.ResponseWriter, r *http.Request) {
	t, err := h.team(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.GroupsPage{Page: h.page(w, r, "Groups", "team", crumb("Team", "/team"), crumb("Groups", "")), Tabs: t.tabs()}
	for _, g := range t.groups {
		p.Rows = append(p.Rows, views.GroupRow{
			Group: g, Members: t.memberNames(g.ID), Levels: t.levelsOf(g.ID), Policies: len(t.policiesOf(models.Principal{GroupID: g.ID})),
		})
	}
	h.render(w, r, http.StatusOK, views.Groups(p))
}

// showNewGroup is the form for one more group.
func (h *Handlers) showNewGroup(w http.ResponseWriter, r *http.Request) {
	h.render(w, r, http.StatusOK, views.GroupNew(h.groupForm(w, r, views.Form{})))
}

func (h *Handlers) groupForm(w http.ResponseWriter, r *http.Request, form views.Form) views.GroupForm {
	return views.GroupForm{Page: h.page(w, r, "New group", "team", crumb("Team", "/team"), crumb("Groups", "/team/groups"), crumb("New group", "")), Form: form}
}

func (h *Handlers) createGroup(w http.ResponseWriter, r *http.Request) {
	made, err := h.Engine.CreateGroup(r.Context(), trimmed(r.PostForm, "Name"))
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			return views.GroupNew(h.groupForm(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field}))
		})
		return
	}
	h.done(w, r, views.GroupHref(made.ID), "The group "+made.Name+" is made. Put people in and give it a level.")
}

// showGroup is one group's page.
func (h *Handlers) showGroup(w http.ResponseWriter, r *http.Request, g *models.Group) {
	p, err := h.groupPage(w, r, g, views.Form{})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.Group(p))
}

func (h *Handlers) groupPage(w http.ResponseWriter, r *http.Request, g *models.Group, form views.Form) (views.GroupPage, error) {
	p := views.GroupPage{Group: *g, Form: form}
	t, err := h.team(r.Context())
	if err != nil {
		return p, err
	}
	in := t.members[g.ID]
	for _, u := range t.users {
		if slices.Contains(in, u.ID) {
			p.Members = append(p.Members, u)
		} else if len(p.People) < offeredNames {
			p.People = append(p.People, u.Name)
		}
	}
	p.Levels = t.levelsOf(g.ID)
	p.Pager = views.Pager{Path: views.GroupHref(g.ID), Offset: offsetOf(r.URL.Query()), Limit: perPage, Total: len(t.stacks), Overall: len(t.stacks)}
	for _, s := range part(t.stacks, p.Pager) {
		p.Permissions = append(p.Permissions, groupRow(t.levels[g.ID][s.ID], string(s.ID), s.Name, views.StackHref(s.ID)+"/permissions"))
	}
	p.Policies, p.Others = t.policyRows(models.Principal{GroupID: g.ID})
	p.Page = h.page(w, r, g.Name, "team", crumb("Team", "/team"), crumb("Groups", "/team/groups"), crumb(g.Name, ""))
	return p, nil
}

// groupRow is a level of a group to look at and change.
func groupRow(set models.GroupPermission, id, name, href string) views.PermissionRow {
	return views.PermissionRow{
		ID: id, Name: name, Href: href, Group: true,
		Permission: models.Permission{Level: set.Level, AllowSSH: set.AllowSSH, AllowSudo: set.AllowSudo},
	}
}

// offeredNames is how many names a field offers; more make a page heavy, and
// any name can be typed.
const offeredNames = 300

// renameGroup stores the group's name and what the sign-in provider calls it,
// where they were changed.
func (h *Handlers) renameGroup(w http.ResponseWriter, r *http.Request, g *models.Group) {
	var err error
	if name := trimmed(r.PostForm, "Name"); name != g.Name {
		err = h.Engine.RenameGroup(r.Context(), g.ID, name)
	}
	if claim := trimmed(r.PostForm, "OIDCClaim"); err == nil && claim != g.OIDCClaim {
		err = h.Engine.SetGroupClaim(r.Context(), g.ID, claim)
	}
	if err != nil {
		h.groupAgain(w, r, g, err)
		return
	}
	h.done(w, r, views.GroupHref(g.ID), "The group is saved.")
}

// groupAgain shows the page with the form that was refused.
func (h *Handlers) groupAgain(w http.ResponseWriter, r *http.Request, g *models.Group, err error) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		p, err := h.groupPage(w, r, g, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		if err != nil {
			return failed{err}
		}
		return views.Group(p)
	})
}

// setGroupMembers adds those who were named, or takes one out. Whoever else
// changed the group meanwhile keeps their change.
func (h *Handlers) setGroupMembers(w http.ResponseWriter, r *http.Request, g *models.Group) {
	said, err := h.changeMembers(r.Context(), g, models.UserID(r.PostForm.Get("remove")), strings.Fields(strings.ReplaceAll(r.PostForm.Get("Add"), ",", " ")))
	if err != nil {
		h.groupAgain(w, r, g, err)
		return
	}
	h.done(w, r, views.GroupHref(g.ID), said)
}

func (h *Handlers) changeMembers(ctx context.Context, g *models.Group, remove models.UserID, add []string) (said string, err error) {
	if remove != "" {
		u, err := h.Store.Users.Get(ctx, remove)
		if err != nil {
			return "", err
		}
		return u.Name + " is no longer in " + g.Name + ".", h.Engine.ChangeGroupMembers(ctx, g.ID, nil, []models.UserID{remove})
	}
	if len(add) == 0 {
		return "", models.InvalidField("Add", "Name somebody to add.")
	}
	var in []models.UserID
	for _, name := range add {
		u, err := h.person(ctx, name, "Add")
		if err != nil {
			return "", err
		}
		in = append(in, u.ID)
	}
	return views.And(add) + " " + isAre(len(add)) + " in " + g.Name + " now.", h.Engine.ChangeGroupMembers(ctx, g.ID, in, nil)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// person finds who was named in a field.
func (h *Handlers) person(ctx context.Context, name, field string) (*models.User, error) {
	u, err := h.Store.Users.ByName(ctx, name)
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return nil, models.InvalidField(field, "Nobody is called %q. Use the name that the person signs in with.", name)
	}
	return u, err
}

// setGroupPermissions writes what was changed in the rows of a group.
func (h *Handlers) setGroupPermissions(w http.ResponseWriter, r *http.Request, g *models.Group) {
	n, err := savePermissions(r.PostForm, func(stack string, to models.Permission) error {
		return h.Engine.SetGroupPermission(r.Context(), models.StackID(stack), g.ID, groupTo(to))
	})
	h.permitted(w, r, n, err, views.GroupHref(g.ID))
}

// setStackGroups writes what was changed in the rows of groups of a stack.
func (h *Handlers) setStackGroups(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	n, err := savePermissions(r.PostForm, func(group string, to models.Permission) error {
		return h.Engine.SetGroupPermission(r.Context(), stack.ID, models.GroupID(group), groupTo(to))
	})
	h.permitted(w, r, n, err, views.StackHref(stack.ID)+"/permissions")
}

func groupTo(to models.Permission) func(*models.GroupPermission) error {
	return func(p *models.GroupPermission) error {
		p.Level, p.AllowSSH, p.AllowSudo = to.Level, to.AllowSSH, to.AllowSudo
		return nil
	}
}

// setGroupPolicies attaches or detaches one.
func (h *Handlers) setGroupPolicies(w http.ResponseWriter, r *http.Request, g *models.Group) {
	h.changePolicies(w, r, models.Principal{GroupID: g.ID}, views.GroupHref(g.ID))
}

// changePolicies does what a form of attached policies asks.
func (h *Handlers) changePolicies(w http.ResponseWriter, r *http.Request, of models.Principal, back string) {
	attach, detach := models.PolicyID(r.PostForm.Get("attach")), models.PolicyID(r.PostForm.Get("detach"))
	said, do, id := "The policy is attached, and counts at once.", h.Engine.AttachPolicy, attach
	if detach != "" {
		said, do, id = "The policy is detached.", h.Engine.DetachPolicy, detach
	}
	err := do(r.Context(), id, of)
	if err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, said)
}

// deleteGroup removes a group; its name was typed.
func (h *Handlers) deleteGroup(w http.ResponseWriter, r *http.Request, g *models.Group) {
	err := typed(r, g.Name)
	if err == nil {
		err = h.Engine.DeleteGroup(r.Context(), g.ID)
	}
	if err != nil {
		h.refused(w, r, err, views.GroupHref(g.ID))
		return
	}
	h.done(w, r, "/team/groups", fmt.Sprintf("The group %s was deleted.", g.Name))
}

// setUserGroups puts a person into groups and out of them, where the form
// differs from how it was drawn.
func (h *Handlers) setUserGroups(w http.ResponseWriter, r *http.Request, u *models.User) {
	n := 0
	for _, id := range r.PostForm["group"] {
		in, was := slices.Contains(r.PostForm["in"], id), slices.Contains(r.PostForm["was"], id)
		if in == was {
			continue
		}
		if err := h.setMembership(r.Context(), models.GroupID(id), u.ID, in); err != nil {
			h.refused(w, r, err, views.UserHref(u.ID))
			return
		}
		n++
	}
	said := "Nothing was changed."
	if n > 0 {
		said = "The groups of " + u.Name + " are saved."
	}
	h.done(w, r, views.UserHref(u.ID), said)
}

func (h *Handlers) setMembership(ctx context.Context, id models.GroupID, user models.UserID, in bool) error {
	one := []models.UserID{user}
	if in {
		return h.Engine.ChangeGroupMembers(ctx, id, one, nil)
	}
	return h.Engine.ChangeGroupMembers(ctx, id, nil, one)
}
