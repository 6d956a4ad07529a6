package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"opsyard/models"
)

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// seenEvery is how exactly a session's last use is known.
const seenEvery = time.Minute

// Session is the session of a cookie and whose it is, for a request: it is used
// by that. Idle and old sessions have ended.
func (e *Engine) Session(ctx context.Context, cookie string) (*models.Session, *models.User, error) {
	s, u, err := e.openSessionOf(ctx, cookie)
	if err != nil {
		return nil, nil, err
	}
	if now := e.Clock(); now.Sub(s.SeenAt) > seenEvery {
		if err := e.store.Sessions.Touch(ctx, s.Hash, now); err != nil {
			return nil, nil, err
		}
	}
	return s, u, nil
}

// openSessionOf reads the session of a cookie, if it has not ended.
func (e *Engine) openSessionOf(ctx context.Context, cookie string) (*models.Session, *models.User, error) {
	ended := &models.Error{Code: models.CodeUnauthenticated, Message: "Sign in to go on."}
	s, err := e.store.Sessions.Get(ctx, hashOf(cookie))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, nil, ended
		}
		return nil, nil, err
	}
	now := e.Clock()
	if now.After(s.ExpiresAt) || now.Sub(s.SeenAt) > models.SessionIdle {
		return nil, nil, ended
	}
	u, err := e.store.Users.Get(ctx, s.UserID)
	if err != nil {
		return nil, nil, err
	}
	return s, u, nil
}

// SessionUser is the user of a cookie, for connections that look again and
// again whether they may go on: a page that was left open is no use of its
// session, which ends all the same.
func (e *Engine) SessionUser(ctx context.Context, cookie string) (*models.User, error) {
	_, u, err := e.openSessionOf(ctx, cookie)
	return u, err
}

// SignOut ends the session of a cookie.
func (e *Engine) SignOut(ctx context.Context, cookie string) error {
	return e.endOwn(ctx, "SignOut", func(t *tx, _ models.UserID) error { return t.Sessions.Delete(ctx, hashOf(cookie)) })
}

// EndSession ends one of the asker's own sessions by its hash.
func (e *Engine) EndSession(ctx context.Context, hash string) error {
	return e.endOwn(ctx, "EndSession", func(t *tx, me models.UserID) error {
		s, err := t.Sessions.Get(ctx, hash)
		if err != nil {
			return err
		}
		if s.UserID != me {
			return models.NotFound("session", "of yours")
		}
		return t.Sessions.Delete(ctx, hash)
	})
}

// EndOtherSessions ends all of the asker's own sessions but the present one.
func (e *Engine) EndOtherSessions(ctx context.Context) error {
	present := models.ActorFrom(ctx).Session
	return e.endOwn(ctx, "EndOtherSessions", func(t *tx, me models.UserID) error { return t.Sessions.DeleteOfUser(ctx, me, present) })
}

func (e *Engine) endOwn(ctx context.Context, action string, end func(t *tx, me models.UserID) error) error {
	actor := models.ActorFrom(ctx)
	return e.tx(ctx, func(t *tx) error {
		if err := end(t, actor.UserID); err != nil {
			return err
		}
		t.tell("user:"+string(actor.UserID), "session", "")
		return t.audit(ctx, action, target{kind: "user", id: string(actor.UserID), name: actor.Name}, nil, nil, models.Cause{})
	})
}

// SessionsOf lists the open sessions of anybody, last seen first; administrators
// only.
func (e *Engine) SessionsOf(ctx context.Context, id models.UserID) ([]models.Session, error) {
	if models.ActorFrom(ctx).UserID != id {
		if err := e.administer(ctx, models.ActionEndSessions, target{kind: "user", id: string(id)}); err != nil {
			return nil, err
		}
	}
	all, err := e.store.Sessions.OfUser(ctx, id)
	open := all[:0]
	for _, s := range all {
		if now := e.Clock(); s.ExpiresAt.After(now) && now.Sub(s.SeenAt) <= models.SessionIdle {
			open = append(open, s)
		}
	}
	return open, err
}

// EndSessionsOf ends a session of anybody by its hash, or with an empty one all
// of them; administrators only.
func (e *Engine) EndSessionsOf(ctx context.Context, id models.UserID, hash string) error {
	if err := e.administer(ctx, models.ActionEndSessions, target{kind: "user", id: string(id)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := t.endSessions(ctx, id, hash); err != nil {
			return err
		}
		t.tell("user:"+string(id), "session", "")
		return t.audit(ctx, "EndSession", onUser(u), nil, nil, models.Cause{})
	})
}

func (t *tx) endSessions(ctx context.Context, id models.UserID, hash string) error {
	if hash == "" {
		return t.Sessions.DeleteOfUser(ctx, id, "")
	}
	s, err := t.Sessions.Get(ctx, hash)
	if err == nil && s.UserID != id {
		err = models.NotFound("session", "of theirs")
	}
	if err != nil {
		return err
	}
	return t.Sessions.Delete(ctx, hash)
}

// NoticeSeen forgets the notice of the asker's session, which a page has shown.
func (e *Engine) NoticeSeen(ctx context.Context, sentence string) error {
	return e.store.Sessions.NoticeSeen(ctx, models.ActorFrom(ctx).Session, sentence)
}

// pruneSignIns removes sessions, challenges and invitations that are over.
func (e *Engine) pruneSignIns(ctx context.Context) error {
	now := e.Clock()
	if err := e.store.Sessions.DeleteExpired(ctx, now); err != nil {
		return err
	}
	if err := e.store.SignIns.DeleteExpired(ctx, now); err != nil {
		return err
	}
	if err := e.store.Invitations.DeleteOld(ctx, now.Add(-keepInvitations)); err != nil {
		return fmt.Errorf("prune sign-ins: %w", err)
	}
	return nil
}

// keepInvitations is how long the list shows invitations that are over.
const keepInvitations = 30 * 24 * time.Hour

// SetTheme keeps how the asker wants the console to look: "light", "dark" or
// empty for the system's choice.
func (e *Engine) SetTheme(ctx context.Context, theme string) error {
	if theme != "" && theme != "light" && theme != "dark" {
		return models.InvalidField("Theme", "Theme: must be light, dark or system.")
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil || u.Theme == theme {
			return err
		}
		before := *u
		u.Theme, u.UpdatedAt = theme, e.Clock()
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		return t.audit(ctx, "SetTheme", onUser(u), &before, u, models.Cause{})
	})
}
