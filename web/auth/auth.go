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
	// SessionUser refuses with CodeUnauthenticated when the session is unknown or over.
	SessionUser(ctx context.Context, cookie string) (*models.User, error)
}

// Cookies sets and reads the session cookie.
type Cookies struct {
	// Secure: people reach the server by TLS. The cookie then carries the
	// __Host- prefix, which binds it to this host and to TLS.
	Secure bool
}

func (c Cookies) name() string {
	if c.Secure {
		return "__Host-opsyard"
	}
	return "opsyard"
}

func (c Cookies) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: c.name(), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// Set starts a session in this browser. The server decides when it ends; the
// cookie only does not outlive it.
func (c Cookies) Set(w http.ResponseWriter, value string) {
	http.SetCookie(w, c.cookie(value, int(models.SessionAbsolute.Seconds())))
}

// Clear forgets the session in this browser.
func (c Cookies) Clear(w http.ResponseWriter) { http.SetCookie(w, c.cookie("", -1)) }

// Get is the session cookie; empty when there is none.
func (c Cookies) Get(r *http.Request) string {
	cookie, err := r.Cookie(c.name())
	if err != nil {
		return ""
	}
	return cookie.Value
}

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
			user, err := sessions.SessionUser(ctx, value)
			switch {
			case err == nil:
				ctx = WithUser(ctx, user)
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
