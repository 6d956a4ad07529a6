package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/time/rate"

	"opsyard/models"
)

// SignIn opens a session and returns its cookie, which is stored only as a
// hash. A wrong name takes as long as a wrong password, and neither is told
// from the other; too many tries from one address or for one name have to wait.
func (e *Engine) SignIn(ctx context.Context, name, password, addr, userAgent string) (string, *models.User, error) {
	if !e.signIns.allow(strings.ToLower(name), addr) {
		return "", nil, errTooManyTries()
	}
	u, err := e.store.Users.ByName(ctx, name)
	if err != nil && models.CodeOf(err) != models.CodeNotFound {
		return "", nil, err
	}
	hash := e.passwords.nobody
	if u != nil && u.PasswordHash != "" {
		hash = u.PasswordHash
	}
	if !e.passwords.matches(password, hash) || u == nil || u.PasswordHash == "" {
		e.auditRefusal(models.WithActor(ctx, models.Actor{Kind: models.ActorUser, Name: clip(name, 64), SourceAddr: addr, Surface: "console"}), "SignIn", target{kind: "user", name: clip(name, 64)})
		return "", nil, &models.Error{Code: models.CodeUnauthenticated, Message: "The name or the password is wrong."}
	}
	cookie := rand.Text() + rand.Text()
	now := e.Clock()
	session := models.Session{Hash: hashOf(cookie), UserID: u.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(models.SessionAbsolute), Addr: addr, UserAgent: clip(userAgent, 255)}
	ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin, SourceAddr: addr, Surface: "console"})
	err = e.tx(ctx, func(t *tx) error {
		if err := t.Sessions.Create(ctx, &session); err != nil {
			return err
		}
		return t.audit(ctx, "SignIn", onUser(u), nil, nil, models.Cause{})
	})
	if err != nil {
		return "", nil, err
	}
	e.signIns.forgive(strings.ToLower(name), addr)
	return cookie, u, nil
}

func errTooManyTries() error {
	return &models.Error{Code: models.CodeThrottled, Message: "Too many tries. Wait a minute, then try again."}
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// seenEvery is how exactly a session's last use is known.
const seenEvery = time.Minute

// SessionUser is the user of a cookie; idle and old sessions have ended.
func (e *Engine) SessionUser(ctx context.Context, cookie string) (*models.User, error) {
	ended := &models.Error{Code: models.CodeUnauthenticated, Message: "Sign in to go on."}
	s, err := e.store.Sessions.Get(ctx, hashOf(cookie))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, ended
		}
		return nil, err
	}
	now := e.Clock()
	if now.After(s.ExpiresAt) || now.Sub(s.SeenAt) > models.SessionIdle {
		return nil, ended
	}
	if now.Sub(s.SeenAt) > seenEvery {
		if err := e.store.Sessions.Touch(ctx, s.Hash, now); err != nil {
			return nil, err
		}
	}
	return e.store.Users.Get(ctx, s.UserID)
}

// SignOut ends the session of a cookie.
func (e *Engine) SignOut(ctx context.Context, cookie string) error {
	actor := models.ActorFrom(ctx)
	return e.tx(ctx, func(t *tx) error {
		if err := t.Sessions.Delete(ctx, hashOf(cookie)); err != nil {
			return err
		}
		t.tell("user:"+string(actor.UserID), "session", "")
		return t.audit(ctx, "SignOut", target{kind: "user", id: string(actor.UserID), name: actor.Name}, nil, nil, models.Cause{})
	})
}

// EndSession ends one of the asker's own sessions by its hash.
func (e *Engine) EndSession(ctx context.Context, hash string) error {
	actor := models.ActorFrom(ctx)
	return e.tx(ctx, func(t *tx) error {
		s, err := t.Sessions.Get(ctx, hash)
		if err != nil {
			return err
		}
		if s.UserID != actor.UserID {
			return models.NotFound("session", "of yours")
		}
		if err := t.Sessions.Delete(ctx, hash); err != nil {
			return err
		}
		t.tell("user:"+string(actor.UserID), "session", "")
		return t.audit(ctx, "EndSession", target{kind: "user", id: string(actor.UserID), name: actor.Name}, nil, nil, models.Cause{})
	})
}

// SetTheme keeps how the asker wants the console to look: "light", "dark" or
// empty for the system's choice.
func (e *Engine) SetTheme(ctx context.Context, theme string) error {
	if theme != "" && theme != "light" && theme != "dark" {
		return models.InvalidField("Theme", "Theme: must be light, dark or system.")
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil {
			return err
		}
		u.Theme, u.UpdatedAt = theme, e.Clock()
		return t.Users.Save(ctx, u)
	})
}

// passwordHash hashes passwords with argon2id.
type passwordHash struct {
	params *argon2id.Params
	nobody string // hash of a password that nobody has, for names that nobody has
}

func newPasswordHash(fast bool) passwordHash {
	p := passwordHash{params: &argon2id.Params{Memory: 46 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}}
	if fast {
		p.params.Memory = 64
	}
	nobody, err := p.hash(rand.Text())
	if err != nil {
		panic(fmt.Sprintf("engine: argon2id refuses its own parameters: %v", err))
	}
	p.nobody = nobody
	return p
}

func (p passwordHash) hash(password string) (string, error) {
	return argon2id.CreateHash(password, p.params)
}

func (p passwordHash) matches(password, hash string) bool {
	if hash == "" || len(password) > 1024 {
		return false
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && err == nil
}

// throttle slows guessing: per name and per address a few tries at once, then
// one each few seconds. Nobody is locked out for good.
type throttle struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*limiter
}

type limiter struct {
	*rate.Limiter
	used time.Time
}

const (
	triesAtOnce = 10
	tryEvery    = 6 * time.Second
	maxLimiters = 10_000
)

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, by: map[string]*limiter{}}
}

func (t *throttle) allow(name, addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.by) > maxLimiters {
		for key, l := range t.by {
			if now.Sub(l.used) > triesAtOnce*tryEvery {
				delete(t.by, key)
			}
		}
	}
	// both are asked, so that neither refills while the other refuses
	byName, byAddr := t.one("n:"+clip(name, 64), now), t.one("a:"+addr, now)
	return byName && byAddr
}

func (t *throttle) one(key string, now time.Time) bool {
	l := t.by[key]
	if l == nil {
		l = &limiter{Limiter: rate.NewLimiter(rate.Every(tryEvery), triesAtOnce)}
		t.by[key] = l
	}
	l.used = now
	return l.AllowN(now, 1)
}

// forgive forgets the tries of a name that has signed in, and of the address
// that it did so from: behind a proxy that is everybody's.
func (t *throttle) forgive(name, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, "n:"+clip(name, 64))
	delete(t.by, "a:"+addr)
}
