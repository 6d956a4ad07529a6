package engine

import (
	"context"
	"fmt"

	"opsyard/models"
)

// mostWrongProofs in a row end a session: whoever uses it cannot show that it
// is theirs.
const mostWrongProofs = 20

// ConfirmSession notes that the person of a session has proved again who they
// are, with one of the things they sign in with. Some actions ask for that, see
// models.NeedsConfirmation. Tries are those of the session, since whoever has
// stolen its cookie can come from many addresses, and codes are those of the
// person and the address, too: whoever holds their session at the provider has
// as many sessions here as they like.
func (e *Engine) ConfirmSession(ctx context.Context, p models.Proof) error {
	actor := models.ActorFrom(ctx)
	u, err := e.store.Users.Get(ctx, actor.UserID)
	if err != nil {
		return err
	}
	key := "confirm " + actor.Session
	if !e.codes.allow(key, "", true) || p.Code != "" && !e.codes.allow(codeKey(u.Name), actor.SourceAddr, true) {
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
		return errTooManyTries()
	}
	err = e.takeProof(ctx, u, p)
	switch models.CodeOf(err) {
	case models.CodeInvalid:
		e.countWrongTry(ctx, u)
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
		if e.codes.wrong(key, "") >= mostWrongProofs {
			return e.endUnproved(ctx, u)
		}
	case models.CodeUnauthenticated: // the question of a passkey is over
		e.auditRefusal(ctx, "ConfirmSession", onUser(u))
	}
	if err == nil {
		e.codes.forgive(key, "")
		if p.Code != "" {
			e.codes.forgive(codeKey(u.Name), actor.SourceAddr)
		}
	}
	return err
}

// endUnproved ends the asker's session after wrong proofs in a row.
func (e *Engine) endUnproved(ctx context.Context, u *models.User) error {
	why := models.Cause{Kind: models.CauseUser, Text: fmt.Sprintf("%d proofs in a row of who uses it were wrong", mostWrongProofs)}
	err := e.tx(ctx, func(t *tx) error {
		if err := t.Sessions.Delete(ctx, models.ActorFrom(ctx).Session); err != nil {
			return err
		}
		t.tell("user:"+string(u.ID), "session", "")
		return t.audit(ctx, "EndSession", onUser(u), nil, nil, why)
	})
	if err != nil {
		return err
	}
	return &models.Error{Code: models.CodeUnauthenticated, Message: "Too many wrong proofs of who you are: this session has ended. Sign in again."}
}

// takeProof notes a proof that is right. A password is looked at before the
// transaction: it has to wait for its turn, and on SQLite all who write would
// wait with it.
func (e *Engine) takeProof(ctx context.Context, seen *models.User, p models.Proof) error {
	right := false
	if p.Challenge == "" && p.Code == "" {
		var err error
		if right, err = e.passwords.matches(ctx, p.Password, seen.PasswordHash); err != nil {
			return err
		}
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, seen.ID)
		if err != nil {
			return err
		}
		method, err := t.check(ctx, u, p, right && u.PasswordHash == seen.PasswordHash)
		if err != nil {
			return err
		}
		return t.confirm(ctx, u, method)
	})
}

// check tells what a proof has proved the person with; password is whether its
// password is theirs.
func (t *tx) check(ctx context.Context, u *models.User, p models.Proof, password bool) (string, error) {
	switch {
	case p.Challenge != "":
		return "passkey", t.checkPasskey(ctx, u, p)
	case p.Code != "":
		kind, err := t.takeCode(ctx, u, p.Code)
		if err == nil && kind == "" {
			err = models.InvalidField("Confirm-Code", "This code is wrong, or was used already. Wait for the next one.")
		}
		return kind, err
	case !password:
		return "", models.InvalidField("Confirm-Password", "The password is wrong.")
	}
	return "password", nil
}

func (t *tx) confirm(ctx context.Context, u *models.User, method string) error {
	if err := t.Sessions.Confirm(ctx, models.ActorFrom(ctx).Session, t.e.Clock()); err != nil {
		return err
	}
	return t.audit(ctx, "ConfirmSession", onUser(u), nil, map[string]string{"Method": method}, models.Cause{})
}
