package engine

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"opsyard/models"
)

// OIDCStep is what the server remembers while somebody is at the provider.
type OIDCStep struct {
	State, Nonce, Verifier string
	Next                   string // where to go afterwards
	For                    OIDCPurpose
	// Session is whose it is, unless it is for signing in.
	Session string
	At      time.Time
}

// OIDCPurpose is what somebody is sent to the provider for.
type OIDCPurpose string

// Purposes of asking the provider.
const (
	OIDCSignIn  OIDCPurpose = "sign-in"
	OIDCConfirm OIDCPurpose = "confirm"
	OIDCConnect OIDCPurpose = "connect" // ties the provider's account to the asker
)

// askProviderKey is the throttle's key of ways to the provider.
const askProviderKey = "ask the provider"

// BeginOIDC remembers a step; its name goes into a cookie of the browser, which
// alone can end it.
func (e *Engine) BeginOIDC(ctx context.Context, s OIDCStep) (name string, err error) {
	actor := models.ActorFrom(ctx)
	if !e.signIns.allow(askProviderKey, actor.SourceAddr, true) {
		return "", errTooManyTries()
	}
	if s.For == OIDCConnect {
		if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
			return "", err
		}
	}
	s.Session, s.At = actor.Session, e.Clock()
	return e.challenge(ctx, e.store, challengeOIDC, actor.UserID, s)
}

// RefusedOIDC records that asking the provider came to nothing: its answer was
// not for this browser, it named nobody, or it could not be asked. why is what
// the person is told.
func (e *Engine) RefusedOIDC(ctx context.Context, purpose OIDCPurpose, why string) {
	actor := models.ActorFrom(ctx)
	action := map[OIDCPurpose]string{OIDCConfirm: "ConfirmSession", OIDCConnect: "ConnectIdentity"}[purpose]
	if action == "" || actor.UserID == "" {
		actor.Kind, actor.Surface, action = models.ActorUser, "console", "SignIn"
	}
	entry := auditEntry(models.WithActor(ctx, actor), action, target{kind: "user", id: string(actor.UserID), name: actor.Name})
	entry.Cause = models.Cause{Kind: models.CauseUser, Text: why}
	e.auditRefused(ctx, entry)
}

// TakeOIDC gives the step of that name, once.
func (e *Engine) TakeOIDC(ctx context.Context, name string) (s OIDCStep, err error) {
	err = e.tx(ctx, func(t *tx) error {
		s = OIDCStep{}
		_, err := t.take(ctx, challengeOIDC, name, &s)
		return err
	})
	return s, err
}

// SignInOIDC opens a session for whom the provider has named, and makes them a
// user at the first time. A user who is here already is theirs only if they have
// connected them: a name alone proves nothing.
func (e *Engine) SignInOIDC(ctx context.Context, c models.Claims, from models.Browser) (*models.SignedIn, error) {
	id, err := e.directoryUser(ctx, c)
	if err != nil {
		return nil, err
	}
	var user *models.User
	cookie, err := e.openSession(ctx, id, from, func(t *tx, u *models.User) (how, error) {
		user = u
		return t.checkIdentity(ctx, u, c)
	})
	if err != nil {
		return nil, err
	}
	e.signIns.forgive(askProviderKey, from.Addr)
	return &models.SignedIn{User: user, Cookie: cookie}, nil
}

// checkIdentity takes what the provider says as proof to be the user, if their
// account there is connected still.
func (t *tx) checkIdentity(ctx context.Context, u *models.User, c models.Claims) (how, error) {
	err := t.SignIns.IdentityUsed(ctx, &models.Identity{Issuer: c.Issuer, Subject: c.Subject, UserID: u.ID}, t.e.Clock())
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		err = models.Forbidden("This account was disconnected meanwhile. Begin again.").Because(err)
	}
	if err != nil {
		return how{}, err
	}
	// Whoever the provider knew already has proved nothing now: what needs a
	// proof asks for one.
	return how{method: models.SignInOIDC, at: c.AuthenticatedAt}, t.joinGroups(ctx, u, c)
}

// directoryUser is the user of an identity, made if there is none.
func (e *Engine) directoryUser(ctx context.Context, c models.Claims) (models.UserID, error) {
	if err := checkClaims(c); err != nil {
		return "", err
	}
	known, err := e.store.SignIns.Identity(ctx, c.Issuer, c.Subject)
	if err == nil {
		return known.UserID, nil
	}
	if models.CodeOf(err) != models.CodeNotFound {
		return "", err
	}
	actor := models.ActorFrom(ctx)
	ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: clip("provider of sign-ins", 64), SourceAddr: actor.SourceAddr, RequestID: actor.RequestID, Surface: "console"})
	var id models.UserID
	err = e.tx(ctx, func(t *tx) error {
		name, err := t.freeName(ctx, c)
		if err != nil {
			return err
		}
		u := models.User{Name: name, Email: clip(c.Email, 255), AllowSelfManagement: true}
		if err := e.prepareUser(ctx, &u, ""); err != nil {
			return err
		}
		id = u.ID
		if err := t.createUser(ctx, &u); err != nil {
			return err
		}
		return t.SignIns.NewIdentity(ctx, &models.Identity{Issuer: c.Issuer, Subject: c.Subject, UserID: u.ID, CreatedAt: e.Clock(), LastUsed: e.Clock()})
	})
	return id, err
}

func checkClaims(c models.Claims) error {
	if c.Issuer == "" || c.Subject == "" || len(c.Issuer) > 255 || len(c.Subject) > 255 {
		return models.Forbidden("The provider did not say who you are.")
	}
	return nil
}

// freeName is a sign-in name for somebody of the provider that nobody has: what
// they are called there, or that with the provider's host.
func (t *tx) freeName(ctx context.Context, c models.Claims) (string, error) {
	host := "provider"
	if u, err := url.Parse(c.Issuer); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	name := models.UserNameFor(clip(firstOf(c.Name, c.Email, c.Subject), 64))
	for _, candidate := range []string{name, clip(name, 63-len(clip(host, 40))) + "@" + clip(host, 40)} {
		if (&models.User{Name: candidate}).Validate() != nil {
			continue
		}
		err := t.nameIsFree(ctx, candidate)
		if err == nil || models.CodeOf(err) != models.CodeInvalid {
			return candidate, err
		}
	}
	return "", models.Forbidden("There is already a user %s here. If that is you, sign in with your password and connect this account under Security in your settings.", name)
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// ConnectOIDC ties an account at the provider to the asker.
func (e *Engine) ConnectOIDC(ctx context.Context, c models.Claims) error {
	if err := checkClaims(c); err != nil {
		return err
	}
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil {
			return err
		}
		i := models.Identity{Issuer: c.Issuer, Subject: c.Subject, UserID: u.ID, CreatedAt: e.Clock(), LastUsed: e.Clock()}
		if err := t.SignIns.NewIdentity(ctx, &i); err != nil {
			return err
		}
		if err := t.joinGroups(ctx, u, c); err != nil {
			return err
		}
		return t.audit(ctx, "ConnectIdentity", onUser(u), nil, map[string]string{"Issuer": c.Issuer, "Subject": c.Subject}, models.Cause{})
	})
}

// DisconnectOIDC unties an account at the provider from the asker, or as an
// administrator from anybody, who loses the groups that the provider gave them.
// Their other sessions end. Nobody takes their own last way in.
func (e *Engine) DisconnectOIDC(ctx context.Context, i models.Identity) error {
	own := models.ActorFrom(ctx).UserID == i.UserID
	if own {
		if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
			return err
		}
	} else if err := e.administer(ctx, models.ActionResetFactors, target{kind: "user", id: string(i.UserID)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, i.UserID)
		if err != nil {
			return err
		}
		if err := t.SignIns.DeleteIdentity(ctx, u.ID, i.Issuer, i.Subject); err != nil {
			return err
		}
		if err := t.withoutIdentity(ctx, u, own); err != nil {
			return err
		}
		return t.factorChanged(ctx, u, "DisconnectIdentity")
	})
}

// withoutIdentity looks at who is no account's of the provider any more.
func (t *tx) withoutIdentity(ctx context.Context, u *models.User, own bool) error {
	left, err := t.SignIns.Identities(ctx, u.ID)
	if err != nil || len(left) > 0 {
		return err
	}
	if own {
		if err := t.keepsAWayIn(ctx, u); err != nil {
			return err
		}
	}
	return t.joinGroups(ctx, u, models.Claims{HasGroups: true})
}

// ConfirmOIDC takes a fresh sign-in at the provider as proof of who the asker
// is. since is when they were sent there.
func (e *Engine) ConfirmOIDC(ctx context.Context, c models.Claims, since time.Time) error {
	// Clocks differ a little.
	if c.AuthenticatedAt.Before(since.Add(-time.Minute)) {
		return models.Forbidden("The provider did not ask again who you are. Confirm in another way.")
	}
	known, err := e.store.SignIns.Identity(ctx, c.Issuer, c.Subject)
	if err != nil && models.CodeOf(err) != models.CodeNotFound {
		return err
	}
	if err != nil || known.UserID != models.ActorFrom(ctx).UserID {
		return models.Forbidden("This is another account at the provider than yours.")
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, known.UserID)
		if err != nil {
			return err
		}
		return t.confirm(ctx, u, string(models.SignInOIDC))
	})
}

// joinGroups makes the user's membership of groups that carry a claim what the
// provider says. A provider that says nothing of groups changes none.
func (t *tx) joinGroups(ctx context.Context, u *models.User, c models.Claims) error {
	if !c.HasGroups {
		return nil
	}
	all, err := t.Groups.List(ctx)
	if err != nil {
		return err
	}
	present, err := t.Groups.OfUser(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, g := range all {
		is := slices.ContainsFunc(present, func(p models.Group) bool { return p.ID == g.ID })
		switch ought := slices.Contains(c.Groups, g.OIDCClaim); {
		case g.OIDCClaim == "" || is == ought:
		case ought:
			err = t.joinGroup(ctx, &g, u)
		default:
			err = t.leaveGroup(ctx, &g, u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) joinGroup(ctx context.Context, g *models.Group, u *models.User) error {
	if err := t.Groups.AddMember(ctx, g.ID, u.ID); err != nil {
		return err
	}
	return t.membersChanged(ctx, g, u, nil, map[string]string{"Member": u.Name})
}

func (t *tx) leaveGroup(ctx context.Context, g *models.Group, u *models.User) error {
	if err := t.Groups.RemoveMember(ctx, g.ID, u.ID); err != nil {
		return err
	}
	return t.membersChanged(ctx, g, u, map[string]string{"Member": u.Name}, nil)
}

// membersChanged tells open pages and instances that a user's rights are others
// now.
func (t *tx) membersChanged(ctx context.Context, g *models.Group, u *models.User, before, after any) error {
	if err := t.noteGroupLogin(ctx, g); err != nil {
		return err
	}
	t.tellUsers([]models.UserID{u.ID}, "group", string(g.ID))
	return t.audit(ctx, "SetGroupMembers", onGroup(g), before, after, models.Cause{})
}

// SetGroupClaim ties a group to what the provider calls it; empty unties it.
// Members change with their next sign-in there.
func (e *Engine) SetGroupClaim(ctx context.Context, id models.GroupID, claim string) error {
	if err := e.administer(ctx, "SetGroupMembers", target{kind: "group", id: string(id)}); err != nil {
		return err
	}
	claim = strings.TrimSpace(claim)
	if len(claim) > 255 {
		return models.InvalidField("OIDCClaim", "Group at the provider: use at most 255 characters.")
	}
	return e.tx(ctx, func(t *tx) error {
		g, err := t.Groups.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		before := *g
		g.OIDCClaim, g.UpdatedAt = claim, e.Clock()
		if err := t.Groups.Save(ctx, g); err != nil {
			return err
		}
		return t.audit(ctx, "SetGroupClaim", onGroup(g), &before, g, models.Cause{})
	})
}
