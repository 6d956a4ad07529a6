package engine

import (
	"context"
	"slices"

	"opsyard/models"
)

func onGroup(g *models.Group) target { return target{kind: "group", id: string(g.ID), name: g.Name} }

// CreateGroup makes a group without members.
func (e *Engine) CreateGroup(ctx context.Context, name string) (*models.Group, error) {
	if err := e.administer(ctx, "CreateGroup", target{kind: "group", name: clip(name, 64)}); err != nil {
		return nil, err
	}
	g := models.Group{ID: models.NewID[models.GroupID](), Name: name, CreatedAt: e.Clock(), UpdatedAt: e.Clock()}
	g.Normalize()
	if err := g.Validate(); err != nil {
		return nil, err
	}
	err := e.tx(ctx, func(t *tx) error {
		if err := t.Groups.Create(ctx, &g); err != nil {
			return err
		}
		return t.audit(ctx, "CreateGroup", onGroup(&g), nil, &g, models.Cause{})
	})
	return &g, err
}

// RenameGroup gives a group another name.
func (e *Engine) RenameGroup(ctx context.Context, id models.GroupID, name string) error {
	return e.onGroup(ctx, id, "RenameGroup", func(t *tx, g *models.Group) error {
		before := *g
		g.Name, g.UpdatedAt = name, e.Clock()
		g.Normalize()
		if err := g.Validate(); err != nil {
			return err
		}
		if err := t.Groups.Save(ctx, g); err != nil {
			return err
		}
		return t.audit(ctx, "RenameGroup", onGroup(g), &before, g, models.Cause{})
	})
}

// DeleteGroup removes a group; its members lose what they had by it.
func (e *Engine) DeleteGroup(ctx context.Context, id models.GroupID) error {
	return e.onGroup(ctx, id, "DeleteGroup", func(t *tx, g *models.Group) error {
		members, err := t.Groups.Members(ctx, id)
		if err != nil {
			return err
		}
		if err := t.noteGroupLogin(ctx, g); err != nil {
			return err
		}
		if err := t.Groups.Delete(ctx, id); err != nil {
			return err
		}
		t.tellUsers(members, "group", string(id))
		return t.audit(ctx, "DeleteGroup", onGroup(g), g, nil, models.Cause{})
	})
}

// onGroup changes a group, which only administrators may.
func (e *Engine) onGroup(ctx context.Context, id models.GroupID, action models.Action, do func(*tx, *models.Group) error) error {
	if err := e.administer(ctx, action, target{kind: "group", id: string(id)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		g, err := t.Groups.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		return do(t, g)
	})
}

// ChangeGroupMembers puts users into a group and takes others out. What it does
// not name stays as it is, whoever changes it meanwhile: a list that a page was
// drawn with would bring back who was taken out since.
func (e *Engine) ChangeGroupMembers(ctx context.Context, id models.GroupID, in, out []models.UserID) error {
	return e.onGroup(ctx, id, "SetGroupMembers", func(t *tx, g *models.Group) error {
		members, err := t.Groups.Members(ctx, id)
		if err != nil {
			return err
		}
		members = slices.DeleteFunc(members, func(u models.UserID) bool { return slices.Contains(out, u) || slices.Contains(in, u) })
		return t.setGroupMembers(ctx, g, append(members, in...))
	})
}

// setGroupMembers makes these users the members of a group, and no others.
func (t *tx) setGroupMembers(ctx context.Context, g *models.Group, members []models.UserID) error {
	before, err := t.Groups.Members(ctx, g.ID)
	if err != nil {
		return err
	}
	var changed []models.UserID
	for _, u := range before {
		if !slices.Contains(members, u) {
			changed = append(changed, u)
			if err := t.Groups.RemoveMember(ctx, g.ID, u); err != nil {
				return err
			}
		}
	}
	for _, u := range members {
		if !slices.Contains(before, u) {
			changed = append(changed, u)
			if err := t.Groups.AddMember(ctx, g.ID, u); err != nil {
				return err
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	after, err := t.Groups.Members(ctx, g.ID)
	if err != nil {
		return err
	}
	if err := t.noteGroupLogin(ctx, g); err != nil {
		return err
	}
	t.tellUsers(changed, "group", string(g.ID))
	was, err := t.memberNames(ctx, before)
	if err != nil {
		return err
	}
	is, err := t.memberNames(ctx, after)
	if err != nil {
		return err
	}
	return t.audit(ctx, "SetGroupMembers", onGroup(g), map[string]any{"Members": was}, map[string]any{"Members": is}, models.Cause{})
}

// memberNames are what the audit tells of users.
func (t *tx) memberNames(ctx context.Context, ids []models.UserID) ([]string, error) {
	users, err := t.Users.ByIDs(ctx, ids)
	names := make([]string, len(users))
	for n, u := range users {
		names[n] = u.Name
	}
	slices.Sort(names)
	return names, err
}

// SetGroupPermission lets change alter a group's permission in a stack, which
// is models.LevelIAMOnly until somebody sets it. Whoever is in the group cannot,
// unless they administer the installation: it would be their own permission.
func (e *Engine) SetGroupPermission(ctx context.Context, stackID models.StackID, id models.GroupID, change func(*models.GroupPermission) error) error {
	stack, err := e.Authorize(ctx, stackID, "SetPermission")
	if err != nil {
		return err
	}
	actor := models.ActorFrom(ctx)
	return e.tx(ctx, func(t *tx) error {
		g, err := t.Groups.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		members, err := t.Groups.Members(ctx, id)
		if err != nil {
			return err
		}
		if actor.Kind == models.ActorUser && !actor.Admin && slices.Contains(members, actor.UserID) {
			return errOwnPermission()
		}
		before, err := t.Groups.Permission(ctx, stackID, id)
		if err != nil {
			return err
		}
		p := *before
		if err := change(&p); err != nil {
			return err
		}
		p.StackID, p.GroupID, p.UpdatedAt = stackID, id, e.Clock()
		if err := p.Validate(); err != nil {
			return err
		}
		if err := t.Groups.SetPermission(ctx, p); err != nil {
			return err
		}
		if loginDiffers(before, &p) {
			if err := t.noteChange(ctx, stackID, "SSH access of the group "+g.Name+" was changed"); err != nil {
				return err
			}
		}
		t.tellUsers(members, "permission", string(stackID))
		t.tellStack(stackID)
		return t.audit(ctx, "SetPermission", target{"group", string(id), g.Name, stack.ID}, before, &p, models.Cause{})
	})
}

// loginDiffers tells whether members get or lose accounts on instances. The
// level deny takes an account, so it counts.
func loginDiffers(before, after *models.GroupPermission) bool {
	return before.AllowSSH != after.AllowSSH || before.AllowSudo != after.AllowSudo || (before.Level == models.LevelDeny) != (after.Level == models.LevelDeny)
}

// noteGroupLogin asks for a Configure in the stacks on whose instances members
// have accounts by the group, or none because of it.
func (t *tx) noteGroupLogin(ctx context.Context, g *models.Group) error {
	permissions, err := t.Groups.Permissions(ctx, g.ID)
	if err != nil {
		return err
	}
	for _, p := range permissions {
		if !p.AllowSSH && p.Level != models.LevelDeny {
			continue
		}
		if err := t.noteChange(ctx, p.StackID, "SSH access of the group "+g.Name+" was changed"); err != nil {
			return err
		}
	}
	return nil
}

// tellUsers makes what these users have open look again at what they may do.
func (t *tx) tellUsers(users []models.UserID, kind, id string) {
	for _, u := range users {
		t.tell("user:"+string(u), kind, id)
	}
}
