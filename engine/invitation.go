package engine

import (
	"context"
	"crypto/rand"
	"strings"

	"opsyard/models"
)

// InviteUser invites somebody to become a user by a link; administrators only.
// The link's token is told here and never again.
func (e *Engine) InviteUser(ctx context.Context, i models.Invitation) (token string, err error) {
	if err := e.administer(ctx, models.ActionInviteUser, target{kind: "invitation", name: clip(i.Name, 64)}); err != nil {
		return "", err
	}
	actor := models.ActorFrom(ctx)
	token = rand.Text()
	now := e.Clock()
	i.ID, i.Hash, i.Name, i.Email = models.NewID[models.InvitationID](), hashOf(token), strings.TrimSpace(i.Name), strings.TrimSpace(i.Email)
	i.InvitedBy, i.Inviter = actor.UserID, actor.Name
	i.CreatedAt, i.ExpiresAt, i.UsedAt, i.UserID = now, now.Add(models.InvitationLimit), nil, ""
	if err := i.Validate(); err != nil {
		return "", err
	}
	err = e.tx(ctx, func(t *tx) error {
		if err := t.canKeep(ctx, &i); err != nil {
			return err
		}
		if err := t.Invitations.Create(ctx, &i); err != nil {
			return err
		}
		return t.audit(ctx, "InviteUser", onInvitation(&i), nil, &i, models.Cause{})
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

func onInvitation(i *models.Invitation) target {
	return target{"invitation", string(i.ID), i.Name, i.StackID}
}

// canKeep refuses an invitation that names what is not there, or a name that is
// taken.
func (t *tx) canKeep(ctx context.Context, i *models.Invitation) error {
	if i.Name != "" {
		if err := t.nameIsFree(ctx, i.Name); err != nil {
			return err
		}
	}
	if i.GroupID != "" {
		if _, err := t.Groups.Get(ctx, i.GroupID); err != nil {
			return err
		}
	}
	if i.StackID != "" {
		if _, err := t.Stacks.Get(ctx, i.StackID); err != nil {
			return err
		}
	}
	return nil
}

// Invitations lists invitations, newest first; administrators only.
func (e *Engine) Invitations(ctx context.Context) ([]models.Invitation, error) {
	if err := e.administer(ctx, models.ActionInviteUser, target{kind: "invitation"}); err != nil {
		return nil, err
	}
	return e.store.Invitations.List(ctx)
}

// RevokeInvitation takes an invitation back; administrators only.
func (e *Engine) RevokeInvitation(ctx context.Context, id models.InvitationID) error {
	if err := e.administer(ctx, models.ActionInviteUser, target{kind: "invitation", id: string(id)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		i, err := t.Invitations.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := t.Invitations.Delete(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, "RevokeInvitation", onInvitation(i), i, nil, models.Cause{})
	})
}

// Invitation is the open invitation of a token, for whoever holds the link.
func (e *Engine) Invitation(ctx context.Context, token string) (i *models.Invitation, err error) {
	err = e.tx(ctx, func(t *tx) error {
		i, err = t.openInvitation(ctx, token)
		return err
	})
	if models.CodeOf(err) == models.CodeForbidden {
		e.refusedStranger(ctx, "", "AcceptInvitation", target{kind: "invitation"})
	}
	return i, err
}

// openInvitation reads the invitation of a token and refuses one that is over,
// or whose inviter may not invite any more.
func (t *tx) openInvitation(ctx context.Context, token string) (*models.Invitation, error) {
	over := models.Forbidden("This invitation is not valid any more. Ask for another one.")
	i, err := t.Invitations.ByHash(ctx, hashOf(token))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			err = over.Because(err)
		}
		return nil, err
	}
	if i.UsedAt != nil || !i.ExpiresAt.After(t.e.Clock()) {
		return nil, over
	}
	if i.InvitedBy == "" {
		return i, nil
	}
	inviter, err := t.Users.Get(ctx, i.InvitedBy)
	if models.CodeOf(err) == models.CodeNotFound || err == nil && !inviter.Admin {
		return nil, over
	}
	return i, err
}

// AcceptInvitation makes the invited person a user with what the invitation
// gives them.
func (e *Engine) AcceptInvitation(ctx context.Context, token, name, password string) (*models.User, error) {
	i, err := e.Invitation(ctx, token)
	if err != nil {
		return nil, err
	}
	if password == "" {
		return nil, models.CheckPassword(password)
	}
	if i.Name != "" {
		name = i.Name
	}
	actor := models.ActorFrom(ctx)
	ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: clip(name, 64), SourceAddr: actor.SourceAddr, RequestID: actor.RequestID, Surface: "console"})
	u := models.User{Name: name, Email: i.Email, Admin: i.Admin, AllowSelfManagement: true}
	if err := e.prepareUser(ctx, &u, password); err != nil {
		return nil, err
	}
	err = e.tx(ctx, func(t *tx) error {
		i, err := t.openInvitation(ctx, token) // again, with nobody in between
		if err != nil {
			return err
		}
		if err := t.createUser(ctx, &u); err != nil {
			return err
		}
		if err := t.keepInvitation(ctx, i, &u); err != nil {
			return err
		}
		if err := t.Invitations.Use(ctx, i.ID, u.ID, e.Clock()); err != nil {
			return err
		}
		return t.audit(ctx, "AcceptInvitation", onInvitation(i), nil, map[string]string{"UserId": string(u.ID), "Name": u.Name}, models.Cause{})
	})
	return &u, err
}

// keepInvitation gives the new user what they were promised; a stack or a group
// that is gone meanwhile is nobody's loss.
func (t *tx) keepInvitation(ctx context.Context, i *models.Invitation, u *models.User) error {
	if i.GroupID != "" {
		g, err := t.Groups.GetForUpdate(ctx, i.GroupID)
		if err == nil {
			err = t.joinGroup(ctx, g, u)
		}
		if err != nil && models.CodeOf(err) != models.CodeNotFound {
			return err
		}
	}
	if i.StackID == "" {
		return nil
	}
	stack, err := t.Stacks.Get(ctx, i.StackID)
	if models.CodeOf(err) == models.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	p := models.Permission{StackID: stack.ID, UserID: u.ID, Level: i.Level, UpdatedAt: t.e.Clock()}
	if err := t.Permissions.Set(ctx, p); err != nil {
		return err
	}
	return t.audit(ctx, "SetPermission", target{"user", string(u.ID), u.Name, stack.ID}, nil, &p, models.Cause{})
}
