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
	stack, err := e.Authorize(ctx, stackID, models.ActionManage)
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
		if p.AllowSSH != before.AllowSSH || p.AllowSudo != before.AllowSudo {
			if err := t.noteChange(ctx, stackID, "SSH access of "+u.Name+" was changed"); err != nil {
				return err
			}
		}
		t.tell("user:"+string(userID), "permission", string(stackID))
		t.tellStack(stackID)
		return t.audit(ctx, "SetPermission", target{"user", string(u.ID), u.Name, stack.ID}, before, &p, models.Cause{})
	})
}

// permission is a user's, as if it had been set when it never was.
func (t *tx) permission(ctx context.Context, stack models.StackID, user models.UserID) (*models.Permission, error) {
	p, err := t.Permissions.Get(ctx, stack, user)
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return &models.Permission{StackID: stack, UserID: user, Level: models.LevelIAMOnly}, nil
	}
	return p, err
}

func errOwnPermission() error {
	return models.Invalid("You cannot set your own permission; somebody else with the level manage can.")
}
