// Package auth answers "who are you" for people in browsers: the session
// cookie becomes the request's actor.
package auth

import (
	"context"
	"net/http"

	"opsyard/models"
	"opsyard/web"
)

// Sessions knows whom a session cookie belongs to.
type Sessions interface {
	// Session refuses with CodeUnauthenticated when the session is unknown or over.
	Session(ctx context.Context, cookie string) (*models.Session, *models.User, error)
}

// Cookies sets and reads the session cookie, and those of signing in.
type Cookies struct{ web.Cookies }

// Names of cookies; TLS adds a prefix to each.
const (
	session = "opsyard"
	// Step is a sign-in whose second factor is missing.
	Step = "opsyard-step"
	// Provider is a sign-in that has gone to the provider.
	Provider = "opsyard-provider"
)

// SetBrief keeps the name of a half-made sign-in, Step or Provider, in this
// browser; an empty one forgets it.
func (c Cookies) SetBrief(w http.ResponseWriter, name, value string) {
	age := int(models.SignInStepLimit.Seconds())
	if value == "" {
		age = -1
	}
	c.Cookies.Set(w, name, value, age)
}

// Brief is what SetBrief has kept; empty when there is none.
func (c Cookies) Brief(r *http.Request, name string) string { return c.Cookies.Get(r, name) }

// Set starts a session in this browser. The server decides when it ends; the
// cookie only does not outlive it.
func (c Cookies) Set(w http.ResponseWriter, value string) {
	c.Cookies.Set(w, session, value, int(models.SessionAbsolute.Seconds()))
}

// Clear forgets the session in this browser.
func (c Cookies) Clear(w http.ResponseWriter) { c.Cookies.Set(w, session, "", -1) }

// Get is the session cookie; empty when there is none.
func (c Cookies) Get(r *http.Request) string { return c.Cookies.Get(r, session) }

type userKey struct{}

// User is the signed-in user of the request; nil for nobody.
func User(ctx context.Context) *models.User {
	u, _ := ctx.Value(userKey{}).(*models.User)
	return u
}

// WithUser makes the user the actor of the context; where the request came
// from stays.
func WithUser(ctx context.Context, user *models.User) context.Context {
	actor := models.ActorFrom(ctx)
	actor.Kind, actor.UserID, actor.Name, actor.Admin = models.ActorUser, user.ID, user.Name, user.Admin
	return models.WithActor(context.WithValue(ctx, userKey{}, user), actor)
}

type sessionKey struct{}

// Session is the session of the request; nil for nobody.
func Session(ctx context.Context) *models.Session {
	s, _ := ctx.Value(sessionKey{}).(*models.Session)
	return s
}

// WithSession is WithUser for the person of a session.
func WithSession(ctx context.Context, s *models.Session, user *models.User) context.Context {
	ctx = WithUser(ctx, user)
	actor := models.ActorFrom(ctx)
	actor.Session, actor.ConfirmedAt = s.Hash, s.Confirmed()
	return models.WithActor(context.WithValue(ctx, sessionKey{}, s), actor)
}

// Load puts the signed-in user and the actor into the context. A request
// without a session passes as nobody: pages that need somebody use Require.
// failed answers when the session cannot be looked up at all.
func Load(sessions Sessions, cookies Cookies, failed func(http.ResponseWriter, *http.Request, error)) web.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			actor := models.Actor{SourceAddr: web.SourceAddr(r), RequestID: web.RequestID(r.Context()), Surface: "console"}
			ctx := models.WithActor(r.Context(), actor)
			value := cookies.Get(r)
			if value == "" {
				next.ServeHTTP(w, r.WithContext(ctx))
				return
			}
			session, user, err := sessions.Session(ctx, value)
			switch {
			case err == nil:
				ctx = WithSession(ctx, session, user)
			case models.CodeOf(err) == models.CodeUnauthenticated || models.CodeOf(err) == models.CodeNotFound:
				cookies.Clear(w)
			default:
				failed(w, r.WithContext(ctx), err)
				return
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// Require sends nobody to sign in.
func Require(next http.Handler, signIn http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if User(r.Context()) == nil {
			signIn(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
