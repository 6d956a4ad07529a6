package engine

import (
	"context"
	"crypto/rand"
	"strings"

	"opsyard/models"
	"opsyard/models/store"
)

// CreateUser makes a user with a password; an empty one means that they cannot
// sign in by password. Users of IAM are made by CreateUserProfile.
func (e *Engine) CreateUser(ctx context.Context, u models.User, password string) (*models.User, error) {
	if err := e.administer(ctx, "CreateUser", target{kind: "user", name: u.Name}); err != nil {
		return nil, err
	}
	if err := e.prepareUser(ctx, &u, password); err != nil {
		return nil, err
	}
	err := e.tx(ctx, func(t *tx) error { return t.createUser(ctx, &u) })
	return &u, err
}

func (e *Engine) prepareUser(ctx context.Context, u *models.User, password string) error {
	u.ID = models.NewID[models.UserID]()
	u.Name = strings.TrimSpace(u.Name)
	u.IamUserArn = models.IamUserArnFor(u.Name)
	u.CreatedAt, u.UpdatedAt = e.Clock(), e.Clock()
	var err error
	if u.SSHPublicKey, err = sshPublicKey(u.SSHPublicKey); err != nil {
		return err
	}
	if err := u.Validate(); err != nil {
		return err
	}
	if password == "" {
		return nil
	}
	if err := models.CheckPassword(password); err != nil {
		return err
	}
	u.PasswordHash, err = e.passwords.hash(ctx, password)
	return err
}

func (t *tx) createUser(ctx context.Context, u *models.User) error {
	if err := t.nameIsFree(ctx, u.Name); err != nil {
		return err
	}
	if err := t.nameOnInstances(ctx, u); err != nil {
		return err
	}
	if err := t.Users.Create(ctx, u); err != nil {
		return err
	}
	return t.audit(ctx, "CreateUserProfile", onUser(u), nil, u, models.Cause{})
}

// nameIsFree refuses a sign-in name that somebody has, in capitals or not: Ana
// must not pass for ana in a list, in the audit, or when a group is filled.
func (t *tx) nameIsFree(ctx context.Context, name string) error {
	u, err := t.Users.Alike(ctx, name)
	switch {
	case err == nil:
		return models.InvalidField("Name", "There is already a user named %q", u.Name)
	case models.CodeOf(err) == models.CodeNotFound:
		return nil
	}
	return err
}

// ChangePassword changes the asker's own password, who must know the present
// one. Who has none yet, or has just signed in with a recovery code because
// they forgot it, proves who they are in another way. Their other sessions end.
func (e *Engine) ChangePassword(ctx context.Context, current, password, cookie string) error {
	s, u, err := e.Session(ctx, cookie)
	if err != nil {
		return err
	}
	if u.PasswordHash == "" || s.Method == models.SignInRecovery {
		if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
			return err
		}
		return e.setPassword(ctx, u.ID, password, cookie, u)
	}
	if !e.signIns.allow("password of "+strings.ToLower(u.Name), s.Addr, true) {
		e.auditRefusal(ctx, "SetPassword", onUser(u))
		return errTooManyTries()
	}
	right, err := e.passwords.matches(ctx, current, u.PasswordHash)
	if err != nil {
		return err
	}
	if !right {
		e.countWrongTry(ctx, u)
		e.auditRefusal(ctx, "SetPassword", onUser(u))
		return models.InvalidField("Current", "The present password is wrong.")
	}
	return e.setPassword(ctx, u.ID, password, cookie, u)
}

// SetPassword gives anybody a new password; administrators only. All sessions
// of the user end.
func (e *Engine) SetPassword(ctx context.Context, id models.UserID, password string) error {
	if err := e.administer(ctx, "SetPassword", target{kind: "user", id: string(id)}); err != nil {
		return err
	}
	return e.setPassword(ctx, id, password, "", nil)
}

// setPassword sets a password. seen is the user as they were when they proved
// who they are, nil for an administrator: if another password was set since, it
// must not be replaced by who knew the old one.
func (e *Engine) setPassword(ctx context.Context, id models.UserID, password, keepCookie string, seen *models.User) error {
	if err := models.CheckPassword(password); err != nil {
		return err
	}
	hash, err := e.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if seen != nil && u.PasswordHash != seen.PasswordHash {
			return models.Conflict("Your password was changed meanwhile. Sign in with the new one.")
		}
		u.PasswordHash, u.UpdatedAt = hash, e.Clock()
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		if err := t.endSignIns(ctx, id, hashOf(keepCookie)); err != nil {
			return err
		}
		t.tell("user:"+string(id), "user", string(id))
		return t.audit(ctx, "SetPassword", onUser(u), nil, nil, models.Cause{})
	})
}

// SetupNeeded tells whether nobody can sign in yet.
func (e *Engine) SetupNeeded(ctx context.Context) (bool, error) {
	n, err := e.store.Users.Count(ctx)
	return n == 0, err
}

// NewSetupToken makes the one-time address of the first-run page; an older one
// ends.
func (e *Engine) NewSetupToken(ctx context.Context) (string, error) {
	token := rand.Text()
	return token, e.tx(ctx, func(t *tx) error {
		if err := t.SetupTokens.Replace(ctx, &models.SetupToken{Hash: hashOf(token), CreatedAt: e.Clock()}); err != nil {
			return err
		}
		return t.audit(ctx, "CreateSetupToken", target{kind: "setup token"}, nil, nil, models.Cause{})
	})
}

// FirstRun makes the first administrator, once, for whoever holds the setup
// token.
func (e *Engine) FirstRun(ctx context.Context, token, name, password string) (*models.User, error) {
	actor := models.ActorFrom(ctx)
	ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: name, SourceAddr: actor.SourceAddr, RequestID: actor.RequestID, Surface: "console"})
	u, err := e.firstUser(ctx, token, name, password)
	if models.CodeOf(err) == models.CodeForbidden {
		e.refusedStranger(ctx, "", "CreateUserProfile", target{kind: "user"}) // whatever they call themselves
	}
	return u, err
}

// firstUser looks first whether the token is good: anybody can send one, and to
// hash a password is work.
func (e *Engine) firstUser(ctx context.Context, token, name, password string) (*models.User, error) {
	if err := canSetUp(ctx, e.store, token); err != nil {
		return nil, err
	}
	if password == "" {
		return nil, models.CheckPassword(password)
	}
	u := models.User{Name: name, Admin: true, AllowSelfManagement: true}
	if err := e.prepareUser(ctx, &u, password); err != nil {
		return nil, err
	}
	err := e.tx(ctx, func(t *tx) error {
		if err := canSetUp(ctx, t.Store, token); err != nil { // again, with nobody in between
			return err
		}
		if err := t.SetupTokens.Use(ctx, hashOf(token)); err != nil {
			return badSetupToken(err)
		}
		return t.createUser(ctx, &u)
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// canSetUp refuses to make a first administrator where somebody is, or without
// the token for it.
func canSetUp(ctx context.Context, st *store.Store, token string) error {
	n, err := st.Users.Count(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		return models.Forbidden("This installation is set up already. Sign in instead.")
	}
	_, err = st.SetupTokens.Get(ctx, hashOf(token))
	return badSetupToken(err)
}

// badSetupToken tells people what it means that a token is not there.
func badSetupToken(err error) error {
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return models.Forbidden("This set-up address is not valid. The server prints the valid one when it starts.")
	}
	return err
}
