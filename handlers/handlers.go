// Package handlers is the console: each page parses what it is asked, asks the
// engine, and draws the answer. routes.go is the site map.
package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"opsyard/engine/pubsub"
	"opsyard/models/store"
	"opsyard/web"
	"opsyard/web/auth"
	"opsyard/web/ws"
)

// Config joins the console to the rest of the program.
type Config struct {
	Engine Engine
	Store  *store.Store // read only
	Logs   Logs
	Hub    *pubsub.Hub
	Log    *slog.Logger
	Now    func() time.Time // nil: the machine's clock
	// PublicURL is the address people use; https makes cookies TLS-only.
	PublicURL string
	Version   string
	// OIDC is the provider that people may sign in at; nil for none.
	OIDC Provider
	// Dev adds the gallery of components.
	Dev bool
}

// maxForm is the largest form; custom JSON and recipes fit many times.
const maxForm = 2 << 20

// Handlers is the console as one http.Handler.
type Handlers struct {
	Config
	cookies auth.Cookies
	sockets ws.Group
	upgrade ws.Upgrader
	views   map[string]openLive
	watched watched
	handler http.Handler
}

// New joins pages and middleware.
func New(c Config) (*Handlers, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	secure := strings.HasPrefix(c.PublicURL, "https://")
	h := &Handlers{
		Config: c, cookies: auth.Cookies{Cookies: web.Cookies{Secure: secure}},
		upgrade: ws.Upgrader{PublicURL: c.PublicURL}, views: map[string]openLive{},
	}
	sameOrigin, err := web.SameOrigin(http.HandlerFunc(h.crossSite), trusted(c.PublicURL)...)
	if err != nil {
		return nil, fmt.Errorf("public URL %q: %w", c.PublicURL, err)
	}
	h.handler = web.Chain(h.routes(),
		web.WithRequestID,
		web.Log(c.Log, c.Now),
		web.SecurityHeaders(secure),
		web.Recover(c.Log, h.crashed),
		web.Compress(),
		web.LimitBody(maxForm),
		sameOrigin,
		h.sameOriginSockets,
		auth.Load(c.Engine, h.cookies, h.fail),
		h.parseForms,
	)
	return h, nil
}

// trusted is the origin of the public address: a proxy may change the host
// that we see.
func trusted(publicURL string) []string {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return []string{u.Scheme + "://" + u.Host}
}

// ServeHTTP answers for the whole console.
func (h *Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Stop closes the websockets; the server waits for the rest.
func (h *Handlers) Stop() { h.sockets.Stop() }

// parseForms reads forms before any page does, so that a broken or endless one
// is refused in one place. Pages read r.PostForm and r.Form.
func (h *Handlers) parseForms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			h.fail(w, r, badForm(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}
