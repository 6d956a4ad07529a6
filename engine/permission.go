package engine

import (
	"context"

	"opsyard/models"
)

// Permit sets all of a user's permission in a stack (OpsWorks: SetPermission).
func (e *Engine) Permit(ctx context.Context, p models.Permission) error {
	return e.SetPermission(ctx, p.StackID, p.UserID, func(next *models.Permission) error {
		next.Level, next.AllowSSH, next.AllowSudo = p.Level, p.AllowSSH, p.AllowSudo
		return nil
	})
}

// SetPermission lets change alter a user's permission in a stack, which is
// models.LevelIAMOnly until somebody sets it. Nobody sets their own, except that
// an administrator, whom no level binds, may give themselves SSH and sudo
// (OpsWorks: SetPermission).
func (e *Engine) SetPermission(ctx context.Context, stackID models.StackID, userID models.UserID, change func(*models.Permission) error) error {
	return e.changePermission(ctx, "SetPermission", stackID, userID, change)
}

// changePermission is SetPermission under the name that the audit is to have.
func (e *Engine) changePermission(ctx context.Context, action models.Action, stackID models.StackID, userID models.UserID, change func(*models.Permission) error) error {
	stack, err := e.Authorize(ctx, stackID, action)
	if err != nil {
		return err
	}
	actor := models.ActorFrom(ctx)
	own := actor.Kind == models.ActorUser && actor.UserID == userID
	if own && !actor.Admin {
		return errOwnPermission()
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, userID) // and of two changes the second sees the first
		if err != nil {
			return err
		}
		before, err := t.permission(ctx, stackID, userID)
		if err != nil {
			return err
		}
		p := *before
		if err := change(&p); err != nil {
			return err
		}
		p.StackID, p.UserID, p.UpdatedAt = stackID, userID, e.Clock()
		if err := p.Validate(); err != nil {
			return err
		}
		if own && p.Level != before.Level {
			return errOwnPermission()
		}
		if err := t.Permissions.Set(ctx, p); err != nil {
			return err
		}
		if t.loginDiffers(before, &p) {
			if err := t.noteChange(ctx, stackID, "SSH access of "+u.Name+" was changed"); err != nil {
				return err
			}
		}
		t.tell("user:"+string(userID), "permission", string(stackID))
		t.tellStack(stackID)
		return t.audit(ctx, string(action), target{"user", string(u.ID), u.Name, stack.ID}, before, &p, models.Cause{})
	})
}

// loginDiffers tells whether a change of a permission is one for the instances.
func (t *tx) loginDiffers(before, after *models.Permission) bool {
	now := t.e.Clock()
	ssh, sudo := before.LogsIn(now)
	nowSSH, nowSudo := after.LogsIn(now)
	return ssh != nowSSH || sudo != nowSudo
}

// permission is a user's, as if it had been set when it never was.
func (t *tx) permission(ctx context.Context, stack models.StackID, user models.UserID) (*models.Permission, error) {
	p, err := t.Permissions.Get(ctx, stack, user)
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return &models.Permission{StackID: stack, UserID: user, Level: models.LevelIAMOnly}, nil
	}
	return p, err
}

// mayShow tells whether the asker may see another stack than the one that they
// act in.
func (t *tx) mayShow(ctx context.Context, id models.StackID) (bool, error) {
	rights, err := rightsOf(ctx, t.Store, models.ActorFrom(ctx), id)
	if err != nil {
		return false, err
	}
	stack, err := t.Stacks.Get(ctx, id)
	return err == nil && rights.Decide(models.ActionShow, stack).Allowed, err
}

func errOwnPermission() error {
	return models.Invalid("You cannot set your own permission; somebody else with the level manage can.")
}

// UserPermission is a permission and whose it is.
type UserPermission struct {
	models.Permission
	IamUserArn string
}

// Permissions lists the permissions in a stack, of a user, or of a user in a
// stack; what was never set is models.LevelIAMOnly, and has a row as well
// (OpsWorks: DescribePermissions). The level manage is needed to see those of
// others in a stack; across stacks only administrators see them.
func (e *Engine) Permissions(ctx context.Context, stackID models.StackID, arn string) ([]UserPermission, error) {
	own, err := e.isOwn(ctx, arn)
	if err != nil {
		return nil, err
	}
	if stackID == "" {
		return e.permissionsOfUser(ctx, arn, own)
	}
	action := models.Action("DescribePermissions")
	if own {
		action = models.ActionShow
	}
	if _, err := e.Authorize(ctx, stackID, action); err != nil {
		return nil, err
	}
	var users []models.User
	if arn == "" {
		users, err = e.store.Users.List(ctx)
	} else {
		users, err = e.store.Users.ByARNs(ctx, []string{arn})
	}
	if err != nil {
		return nil, err
	}
	set, err := e.store.Permissions.OfStack(ctx, stackID)
	if err != nil {
		return nil, err
	}
	byUser := map[models.UserID]models.Permission{}
	for _, p := range set {
		byUser[p.UserID] = p
	}
	list := make([]UserPermission, len(users))
	for n, u := range users {
		list[n] = permissionOr(byUser[u.ID], stackID, &u)
	}
	return list, nil
}

func (e *Engine) permissionsOfUser(ctx context.Context, arn string, own bool) ([]UserPermission, error) {
	if !own {
		if err := e.administer(ctx, "DescribePermissions", target{kind: "user", name: clip(arn, 64)}); err != nil {
			return nil, err
		}
	}
	u, err := e.store.Users.ByARN(ctx, arn)
	if err != nil {
		return nil, err
	}
	stacks, err := e.VisibleStacks(ctx)
	if err != nil {
		return nil, err
	}
	set, err := e.store.Permissions.OfUser(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	byStack := map[models.StackID]models.Permission{}
	for _, p := range set {
		byStack[p.StackID] = p
	}
	list := make([]UserPermission, len(stacks))
	for n, s := range stacks {
		list[n] = permissionOr(byStack[s.ID], s.ID, u)
	}
	return list, nil
}

// permissionOr is a permission, or the one that holds when none was set.
func permissionOr(p models.Permission, stack models.StackID, u *models.User) UserPermission {
	if p.Level == "" {
		p = models.Permission{StackID: stack, UserID: u.ID, Level: models.LevelIAMOnly}
	}
	return UserPermission{p, u.IamUserArn}
}

// isOwn tells whether the ARN is the asker's own.
func (e *Engine) isOwn(ctx context.Context, arn string) (bool, error) {
	actor := models.ActorFrom(ctx)
	if actor.Kind != models.ActorUser || arn == "" {
		return false, nil
	}
	me, err := e.store.Users.Get(ctx, actor.UserID)
	if err != nil {
		return false, err
	}
	return me.IamUserArn == arn, nil
}
