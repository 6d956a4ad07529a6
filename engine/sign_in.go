package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// SignIn opens a session for a name and its password. Whoever has a second
// factor gets the name of a step instead, to go on with SignInCode or
// SignInPasskey; no session exists before. A wrong name takes as long as a wrong
// password, and neither is told from the other; too many tries from one address
// or for one name have to wait.
func (e *Engine) SignIn(ctx context.Context, name, password string, from models.Browser) (*models.SignedIn, error) {
	u, err := e.store.Users.ByName(ctx, name)
	if err != nil && models.CodeOf(err) != models.CodeNotFound {
		return nil, err
	}
	known, err := e.knows(ctx, u, from.Addr)
	if err != nil {
		return nil, err
	}
	if !e.signIns.allow(strings.ToLower(name), from.Addr, known) {
		if u == nil {
			name = "" // names that nobody has are without number: they are counted together
		}
		e.refusedSignIn(ctx, u, name, from.Addr)
		return nil, errTooManyTries()
	}
	done, err := e.signIn(ctx, u, password, from)
	switch {
	case err == nil:
		e.signIns.forgive(strings.ToLower(name), from.Addr)
	case models.CodeOf(err) == models.CodeUnauthenticated:
		e.wrongTry(ctx, u, name, from.Addr)
	}
	return done, err
}

func (e *Engine) signIn(ctx context.Context, u *models.User, password string, from models.Browser) (*models.SignedIn, error) {
	method, err := e.checkPassword(ctx, u, password, from)
	if err != nil {
		return nil, err
	}
	return e.proved(ctx, u, method, from)
}

func errWrongPassword() error {
	return &models.Error{Code: models.CodeUnauthenticated, Message: "The name or the password is wrong."}
}

// codeKey is the throttle's key of a person's codes. They have a throttle of
// their own, so that nobody uses them up by what they type as a name.
func codeKey(name string) string { return "code of " + strings.ToLower(name) }

// knows tells whether the user has signed in from the address before.
func (e *Engine) knows(ctx context.Context, u *models.User, addr string) (bool, error) {
	if u == nil {
		return false, nil
	}
	all, err := e.store.SignIns.Addresses(ctx, u.ID)
	return slices.ContainsFunc(all, func(a models.SignInAddress) bool { return a.Addr == addr }), err
}

// checkPassword tells how the password proves that it is the user. A recovery
// code of the account works once in its place.
func (e *Engine) checkPassword(ctx context.Context, u *models.User, password string, from models.Browser) (models.SignInMethod, error) {
	hash := e.passwords.nobody
	if u != nil && u.PasswordHash != "" {
		hash = u.PasswordHash
	}
	right, err := e.passwords.matches(ctx, password, hash)
	if err != nil {
		return "", err
	}
	if right && u != nil && u.PasswordHash != "" {
		return models.SignInPassword, nil
	}
	if code := plainCode(password); u != nil && len(code) == recoveryLength {
		err := e.useAccountCode(ctx, u, code, from)
		if err == nil {
			return models.SignInRecovery, nil
		}
		if models.CodeOf(err) != models.CodeNotFound {
			return "", err
		}
	}
	return "", errWrongPassword()
}

// useAccountCode spends the recovery code for a forgotten password. It has an
// entry of its own: a second factor may be missing yet, so no session tells.
func (e *Engine) useAccountCode(ctx context.Context, u *models.User, code string, from models.Browser) error {
	ctx = asUser(ctx, u, from)
	return e.tx(ctx, func(t *tx) error {
		if err := t.SignIns.UseCode(ctx, u.ID, true, hashOf(code), e.Clock()); err != nil {
			return err
		}
		return t.audit(ctx, "UseRecoveryCode", onUser(u), nil, map[string]any{"Account": true}, models.Cause{})
	})
}

// asUser is the context of a request of somebody who has just proved who they
// are, and has no session yet.
func asUser(ctx context.Context, u *models.User, from models.Browser) context.Context {
	return models.WithActor(ctx, models.Actor{
		Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin, SourceAddr: from.Addr,
		RequestID: models.ActorFrom(ctx).RequestID, Surface: "console",
	})
}

// wrongTry records a wrong password or code, for the audit and for the person.
func (e *Engine) wrongTry(ctx context.Context, u *models.User, name, addr string) {
	e.countWrongTry(ctx, u)
	e.refusedSignIn(ctx, u, name, addr)
}

// countWrongTry lets the person be told, when they have signed in.
func (e *Engine) countWrongTry(ctx context.Context, u *models.User) {
	if u == nil {
		return
	}
	if err := e.store.SignIns.WrongTry(ctx, u.ID); err != nil {
		e.Log.ErrorContext(ctx, "count a wrong sign-in", "error", err)
	}
}

// refusedSignIn records a try that was wrong, or came too soon.
func (e *Engine) refusedSignIn(ctx context.Context, u *models.User, name, addr string) {
	if u == nil {
		name = unknownName(name)
	}
	on := target{kind: "user", name: clip(name, 64)}
	if u != nil {
		on.id = string(u.ID)
	}
	actor := models.ActorFrom(ctx)
	actor.SourceAddr = addr
	e.refusedStranger(models.WithActor(ctx, actor), name, "SignIn", on)
}

// refusedStranger is auditRefusal for somebody of whom only the address is
// known, and the name that they gave, if they did.
func (e *Engine) refusedStranger(ctx context.Context, name, action string, on target) {
	actor := models.ActorFrom(ctx)
	actor.Kind, actor.Name, actor.Surface = models.ActorUser, clip(name, 64), "console"
	e.auditRefusal(models.WithActor(ctx, actor), action, on)
}

// unknownName is a name that nobody has as the audit tells it: whoever types
// their password one field too early must not find it there.
func unknownName(name string) string {
	if letters := []rune(name); len(letters) >= models.MinPassword {
		return string(letters[:2]) + "…"
	}
	return name
}

// half is what a step remembers of the first half of a sign-in.
type half struct{ Method models.SignInMethod }

const (
	challengeFactor  = "factor"  // a second factor is missing
	challengePasskey = "passkey" // a browser is asked for a passkey
	challengeOIDC    = "oidc"    // a provider is asked
)

// maxTries is how many wrong answers a step takes before it ends.
const maxTries = 5

// proved goes on after a first factor: with a session, or where a second factor
// is missing with the name of a step. The password was looked at before, which
// takes its time. If another one was set meanwhile, it has proved nothing; if a
// second factor was, it is asked for.
func (e *Engine) proved(ctx context.Context, seen *models.User, method models.SignInMethod, from models.Browser) (*models.SignedIn, error) {
	var done *models.SignedIn
	err := e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, seen.ID)
		if models.CodeOf(err) == models.CodeNotFound || err == nil && u.PasswordHash != seen.PasswordHash {
			return errWrongPassword()
		}
		if err != nil {
			return err
		}
		done, err = t.goOn(ctx, u, method, from)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// goOn opens a session for who has shown a first factor, or asks for the second
// one.
func (t *tx) goOn(ctx context.Context, u *models.User, method models.SignInMethod, from models.Browser) (*models.SignedIn, error) {
	passkeys, err := t.SignIns.Passkeys(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	done := &models.SignedIn{User: u, Codes: u.TOTPSince != nil || len(passkeys) > 0, Passkeys: len(passkeys) > 0}
	if !done.Codes {
		done.Cookie, err = t.openSession(ctx, u, how{method: method}, from)
		return done, err
	}
	if done.Step, err = t.e.challenge(ctx, t.Store, challengeFactor, u.ID, half{method}); err != nil {
		return nil, err
	}
	// Whoever stops here knows the password, so it must not go unseen.
	return done, t.auditSignIn(ctx, u, how{method: method, second: "asked"}, from)
}

// challenge remembers data under a fresh name, in a store that may be a
// transaction.
func (e *Engine) challenge(ctx context.Context, in *store.Store, kind string, user models.UserID, data any) (name string, err error) {
	text, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("remember a challenge: %w", err)
	}
	name = rand.Text()
	now := e.Clock()
	return name, in.SignIns.NewChallenge(ctx, &models.Challenge{
		Hash: hashOf(name), Kind: kind, UserID: user, Data: string(text), CreatedAt: now, ExpiresAt: now.Add(models.SignInStepLimit),
	})
}

// take reads and spends a challenge.
func (t *tx) take(ctx context.Context, kind, name string, data any) (*models.Challenge, error) {
	c, err := t.SignIns.Challenge(ctx, kind, hashOf(name), t.e.Clock())
	if err == nil {
		err = t.SignIns.Spend(ctx, c.Hash)
	}
	if models.CodeOf(err) == models.CodeNotFound {
		return nil, errStepOver()
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(c.Data), data); err != nil {
		return nil, fmt.Errorf("read a challenge: %w", err)
	}
	return c, nil
}

func errStepOver() error {
	return &models.Error{Code: models.CodeUnauthenticated, Message: "This sign-in took too long, or was finished elsewhere. Begin again."}
}

// SignInStep tells what a half-made sign-in still needs.
func (e *Engine) SignInStep(ctx context.Context, step string) (*models.SignedIn, error) {
	u, _, err := e.stepUser(ctx, step)
	if err != nil {
		return nil, err
	}
	passkeys, err := e.store.SignIns.Passkeys(ctx, u.ID)
	return &models.SignedIn{User: u, Step: step, Codes: true, Passkeys: len(passkeys) > 0}, err
}

func (e *Engine) stepUser(ctx context.Context, step string) (*models.User, *models.Challenge, error) {
	c, err := e.store.SignIns.Challenge(ctx, challengeFactor, hashOf(step), e.Clock())
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			err = errStepOver()
		}
		return nil, nil, err
	}
	u, err := e.store.Users.Get(ctx, c.UserID)
	if err == nil && c.Tries >= maxTries {
		err = errStepOver()
	}
	return u, c, err
}

// userName is the name of a user, if it is known who they are.
func userName(u *models.User) string {
	if u == nil {
		return ""
	}
	return u.Name
}

// SignInCode ends a half-made sign-in with a code of the authenticator app or a
// recovery code.
func (e *Engine) SignInCode(ctx context.Context, step, code string, from models.Browser) (*models.SignedIn, error) {
	u, c, err := e.stepUser(ctx, step)
	if err != nil {
		if models.CodeOf(err) == models.CodeUnauthenticated {
			e.refusedSignIn(ctx, u, userName(u), from.Addr)
		}
		return nil, err
	}
	known, err := e.knows(ctx, u, from.Addr)
	if err != nil {
		return nil, err
	}
	if !e.codes.allow(codeKey(u.Name), from.Addr, known) {
		e.refusedSignIn(ctx, u, u.Name, from.Addr)
		return nil, errTooManyTries()
	}
	var right bool
	cookie, err := e.openSession(ctx, u.ID, from, func(t *tx, u *models.User) (how, error) {
		kind, err := t.takeCode(ctx, u, code)
		if right = kind != ""; err != nil || !right {
			return how{}, cmp.Or(err, errWrongCode())
		}
		var first half
		_, err = t.take(ctx, challengeFactor, step, &first)
		return how{method: first.Method, second: kind}, err
	})
	if err != nil && !right && models.CodeOf(err) == models.CodeUnauthenticated {
		e.wrongTry(ctx, u, u.Name, from.Addr)
		err = cmp.Or(e.store.SignIns.Tried(ctx, c.Hash), err)
	}
	if err != nil {
		return nil, err
	}
	e.codes.forgive(codeKey(u.Name), from.Addr)
	return &models.SignedIn{User: u, Cookie: cookie}, nil
}

func errWrongCode() error {
	return &models.Error{Code: models.CodeUnauthenticated, Field: "Code", Message: "This code is wrong, or was used already. Wait for the next one."}
}

// how is what somebody has proved who they are with.
type how struct {
	method models.SignInMethod
	second string // the second factor; empty for none, "asked" as long as it is missing
	// at is when a provider asked them, if it was not now; zero when it does not say.
	at time.Time
}

// openSession opens a session for who proves in its transaction who they are.
func (e *Engine) openSession(ctx context.Context, id models.UserID, from models.Browser, prove func(*tx, *models.User) (how, error)) (cookie string, err error) {
	err = e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		by, err := prove(t, u)
		if err != nil {
			return err
		}
		cookie, err = t.openSession(ctx, u, by, from)
		return err
	})
	if err != nil {
		return "", err
	}
	return cookie, nil
}

// openSession opens a session, and tells the person and their other sessions
// what they should know.
func (t *tx) openSession(ctx context.Context, u *models.User, by how, from models.Browser) (cookie string, err error) {
	cookie = rand.Text() + rand.Text()
	now := t.e.Clock()
	session := models.Session{
		Hash: hashOf(cookie), UserID: u.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(models.SessionAbsolute),
		Addr: from.Addr, UserAgent: clip(from.UserAgent, 255), Method: by.method, Notice: wrongTries(u.WrongTries),
	}
	if !by.at.IsZero() && by.at.Before(now) {
		session.ConfirmedAt = &by.at
	}
	if err := t.Sessions.Create(ctx, &session); err != nil {
		return "", err
	}
	if err := t.noteAddress(ctx, u, &session); err != nil {
		return "", err
	}
	if err := t.SignIns.ForgetWrongTries(ctx, u.ID); err != nil {
		return "", err
	}
	return cookie, t.auditSignIn(ctx, u, by, from)
}

// auditSignIn records a sign-in, with what the person has proved it.
func (t *tx) auditSignIn(ctx context.Context, u *models.User, by how, from models.Browser) error {
	return t.audit(asUser(ctx, u, from), "SignIn", onUser(u), nil, map[string]string{"Method": string(by.method), "SecondFactor": by.second}, models.Cause{})
}

func wrongTries(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "There was one wrong try to sign in as you since your last sign-in."
	}
	return fmt.Sprintf("There were %d wrong tries to sign in as you since your last sign-in. If they were not yours, see Security in your settings.", n)
}

// noteAddress remembers where the user has signed in from. Their other
// sessions are told of an address that was never seen before.
func (t *tx) noteAddress(ctx context.Context, u *models.User, s *models.Session) error {
	all, err := t.SignIns.Addresses(ctx, u.ID)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(all, func(a models.SignInAddress) bool { return a.Addr == s.Addr })
	if len(all) > 0 && !known {
		sentence := fmt.Sprintf("Somebody signed in as you from %s, an address not seen before. If it was not you, change your password and end all other sessions: Security, in your settings.", s.Addr)
		if err := t.Sessions.Notice(ctx, u.ID, s.Hash, sentence); err != nil {
			return err
		}
	}
	return t.SignIns.SignedInFrom(ctx, u.ID, s.Addr, s.CreatedAt)
}
