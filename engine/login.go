package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"opsyard/models"
)

// GrantSSH lets a user log in to a stack's instances for some time, with sudo or
// without. What they may do without an end stays as it is, and holds again
// afterwards. Another grant takes the place of the one before.
func (e *Engine) GrantSSH(ctx context.Context, stack models.StackID, user models.UserID, sudo bool, d time.Duration) error {
	if err := models.CheckLogin(d); err != nil {
		return err
	}
	return e.changePermission(ctx, "GrantSSH", stack, user, func(p *models.Permission) error {
		if p.Level == models.LevelDeny {
			return models.Invalid("The level deny refuses everything, SSH too: set another level first.")
		}
		until := e.Clock().Add(d)
		p.SSHUntil, p.UntilSudo = &until, sudo
		return nil
	})
}

// EndSSH takes back what GrantSSH gave, before its time.
func (e *Engine) EndSSH(ctx context.Context, stack models.StackID, user models.UserID) error {
	return e.changePermission(ctx, "EndSSH", stack, user, func(p *models.Permission) error {
		if p.SSHUntil == nil {
			return models.Invalid("There is no access for some time to end.")
		}
		p.SSHUntil, p.UntilSudo = nil, false
		return nil
	})
}

// endLogins takes back access whose time is over. Agents are told of it by the
// clock as well, so that nobody stays in because this could not be written.
func (e *Engine) endLogins(ctx context.Context) error {
	expired, err := e.store.Permissions.ExpiredLogins(ctx, e.Clock())
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range expired {
		if err := e.endLogin(ctx, p.StackID, p.UserID); err != nil {
			errs = append(errs, fmt.Errorf("end the access of user %s to stack %s: %w", p.UserID, p.StackID, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) endLogin(ctx context.Context, stack models.StackID, user models.UserID) error {
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, user)
		if err != nil {
			return err
		}
		before, err := t.permission(ctx, stack, user)
		if err != nil || before.SSHUntil == nil || e.Clock().Before(*before.SSHUntil) {
			return err // another server was first, or there is more time
		}
		p := *before
		p.SSHUntil, p.UntilSudo, p.UpdatedAt = nil, false, e.Clock()
		if err := t.Permissions.Set(ctx, p); err != nil {
			return err
		}
		if err := t.noteChange(ctx, stack, "SSH access of "+u.Name+" has ended"); err != nil {
			return err
		}
		t.tell("user:"+string(user), "permission", string(stack))
		t.tellStack(stack)
		return t.audit(ctx, "ExpireSSH", target{"user", string(u.ID), u.Name, stack}, before, &p,
			models.Cause{Kind: models.CauseSchedule, Text: "its time was over"})
	})
}
