package engine

import (
	"context"
	"strings"

	"opsyard/models"
)

// ConfirmSession notes that the person of a session has proved again who they
// are, with one of the things they sign in with. Some actions ask for that, see
// models.NeedsConfirmation.
func (e *Engine) ConfirmSession(ctx context.Context, p models.Proof) error {
	actor := models.ActorFrom(ctx)
	u, err := e.store.Users.Get(ctx, actor.UserID)
	if err != nil {
		return err
	}
	tries, key := e.signIns, "confirm "+strings.ToLower(u.Name)
	if p.Code != "" {
		tries, key = e.codes, codeKey(u.Name)
	}
	if !tries.allow(key, actor.SourceAddr, true) {
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
		return errTooManyTries()
	}
	err = e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, actor.UserID)
		if err != nil {
			return err
		}
		method, err := t.check(ctx, u, p)
		if err != nil {
			return err
		}
		return t.confirm(ctx, u, method)
	})
	switch models.CodeOf(err) {
	case models.CodeInvalid:
		e.countWrongTry(ctx, u)
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
	case models.CodeUnauthenticated: // the question of a passkey is over
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
	}
	if err == nil {
		tries.forgive(key, actor.SourceAddr)
	}
	return err
}

// check tells what a proof has proved the person with.
func (t *tx) check(ctx context.Context, u *models.User, p models.Proof) (string, error) {
	switch {
	case p.Challenge != "":
		return "passkey", t.checkPasskey(ctx, u, p)
	case p.Code != "":
		kind, err := t.takeCode(ctx, u, p.Code)
		if err == nil && kind == "" {
			err = models.InvalidField("Confirm-Code", "This code is wrong, or was used already. Wait for the next one.")
		}
		return kind, err
	}
	right, err := t.e.passwords.matches(ctx, p.Password, u.PasswordHash)
	if err == nil && !right {
		err = models.InvalidField("Confirm-Password", "The password is wrong.")
	}
	return "password", err
}

func (t *tx) confirm(ctx context.Context, u *models.User, method string) error {
	if err := t.Sessions.Confirm(ctx, models.ActorFrom(ctx).Session, t.e.Clock()); err != nil {
		return err
	}
	return t.audit(ctx, "ConfirmSession", onUser(u), nil, map[string]string{"Method": method}, models.Cause{})
}
