package handlers

import (
	"context"
	"slices"

	"opsyard/models"
	"opsyard/views"
)

// team is everybody with all that gives them rights, as the pages of the team
// show it. Only administrators get to see it as a whole.
type team struct {
	users    []models.User
	groups   []models.Group
	policies []models.Policy
	stacks   []models.Stack

	members  map[models.GroupID][]models.UserID
	levels   map[models.GroupID]map[models.StackID]models.GroupPermission
	attached []models.PolicyAttachment
}

// team reads all of it.
func (h *Handlers) team(ctx context.Context) (*team, error) {
	t, err := h.people(ctx)
	if err != nil {
		return nil, err
	}
	if t.stacks, err = h.Engine.VisibleStacks(ctx); err != nil {
		return nil, err
	}
	if t.policies, err = h.Store.Policies.List(ctx); err != nil {
		return nil, err
	}
	if t.attached, err = h.Store.Policies.Attachments(ctx); err != nil {
		return nil, err
	}
	for _, g := range t.groups {
		set, err := h.Store.Groups.Permissions(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		t.give(set)
	}
	return t, nil
}

// teamOn reads the people, and what their groups have in one stack.
func (h *Handlers) teamOn(ctx context.Context, stack *models.Stack) (*team, error) {
	t, err := h.people(ctx)
	if err != nil {
		return nil, err
	}
	set, err := h.Store.Groups.PermissionsIn(ctx, stack.ID)
	t.give(set)
	return t, err
}

// people reads the users and who is in which group.
func (h *Handlers) people(ctx context.Context) (*team, error) {
	t := &team{members: map[models.GroupID][]models.UserID{}, levels: map[models.GroupID]map[models.StackID]models.GroupPermission{}}
	var err error
	if t.users, err = h.Store.Users.List(ctx); err != nil {
		return nil, err
	}
	if t.groups, err = h.Store.Groups.List(ctx); err != nil {
		return nil, err
	}
	members, err := h.Store.Groups.AllMembers(ctx)
	for _, m := range members {
		t.members[m.GroupID] = append(t.members[m.GroupID], m.UserID)
	}
	return t, err
}

func (t *team) give(set []models.GroupPermission) {
	for _, p := range set {
		if t.levels[p.GroupID] == nil {
			t.levels[p.GroupID] = map[models.StackID]models.GroupPermission{}
		}
		t.levels[p.GroupID][p.StackID] = p
	}
}

func (t *team) tabs() views.TeamTabs {
	return views.TeamTabs{People: len(t.users), Groups: len(t.groups), Policies: len(t.policies)}
}

// memberNames are the names of a group's members, in the order of names.
func (t *team) memberNames(id models.GroupID) []string {
	var names []string
	for _, u := range t.users {
		if slices.Contains(t.members[id], u.ID) {
			names = append(names, u.Name)
		}
	}
	return names
}

// groupsOf are the groups that somebody is in.
func (t *team) groupsOf(id models.UserID) []models.Group {
	var list []models.Group
	for _, g := range t.groups {
		if slices.Contains(t.members[g.ID], id) {
			list = append(list, g)
		}
	}
	return list
}

// levelsOf is what a group gives, by stack.
func (t *team) levelsOf(id models.GroupID) []views.StackLevel {
	var list []views.StackLevel
	for _, s := range t.stacks {
		if p := t.levels[id][s.ID]; p.Level != "" && p.Level != models.LevelIAMOnly {
			list = append(list, views.StackLevel{Stack: s.Name, Level: p.Level})
		}
	}
	return list
}

// through is what somebody has in a stack by their groups.
func (t *team) through(user models.UserID, stack models.StackID) []views.GrantRow {
	var list []views.GrantRow
	for _, g := range t.groupsOf(user) {
		if p := t.levels[g.ID][stack]; p.Level != "" && (p.Level != models.LevelIAMOnly || p.AllowSSH) {
			list = append(list, views.GrantRow{Group: g.Name, Href: views.GroupHref(g.ID), Level: p.Level, SSH: p.AllowSSH, Sudo: p.AllowSudo})
		}
	}
	return list
}

// holders are those to whom a policy is attached itself.
func (t *team) holders(id models.PolicyID) (users []models.User, groups []models.Group) {
	for _, u := range t.users {
		if t.holds(id, models.Principal{UserID: u.ID}) {
			users = append(users, u)
		}
	}
	for _, g := range t.groups {
		if t.holds(id, models.Principal{GroupID: g.ID}) {
			groups = append(groups, g)
		}
	}
	return users, groups
}

func (t *team) holds(id models.PolicyID, p models.Principal) bool {
	return slices.Contains(t.attached, models.PolicyAttachment{PolicyID: id, UserID: p.UserID, GroupID: p.GroupID})
}

// policiesOf are the policies attached to somebody or to a group itself.
func (t *team) policiesOf(p models.Principal) []models.Policy {
	var list []models.Policy
	for _, one := range t.policies {
		if t.holds(one.ID, p) {
			list = append(list, one)
		}
	}
	return list
}

// withoutPolicy are the people, by name, and the groups to whom a policy could
// be attached.
func (t *team) withoutPolicy(id models.PolicyID) (names []string, groups []models.Group) {
	for _, u := range t.users {
		if len(names) < offeredNames && !t.holds(id, models.Principal{UserID: u.ID}) {
			names = append(names, u.Name)
		}
	}
	for _, g := range t.groups {
		if !t.holds(id, models.Principal{GroupID: g.ID}) {
			groups = append(groups, g)
		}
	}
	return names, groups
}

// policyRows are the policies of a person or a group, those of a person's
// groups included, and those that could be attached.
func (t *team) policyRows(of models.Principal) (held, others []views.PolicyRow) {
	for _, p := range t.policies {
		if t.holds(p.ID, of) {
			held = append(held, t.policyRow(p, ""))
		} else {
			others = append(others, t.policyRow(p, ""))
		}
	}
	for _, g := range t.groupsOf(of.UserID) {
		for _, p := range t.policiesOf(models.Principal{GroupID: g.ID}) {
			held = append(held, t.policyRow(p, g.Name))
		}
	}
	return held, others
}

func (t *team) policyRow(p models.Policy, via string) views.PolicyRow {
	return views.PolicyRow{ID: string(p.ID), Name: p.Name, Href: views.PolicyHref(p.ID), Summary: t.summary(p), Via: via}
}
