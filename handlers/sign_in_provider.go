package handlers

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
	"opsyard/web/auth"
)

// Provider is the OpenID provider that people may sign in at.
type Provider interface {
	Name() string
	// Address is where the person goes; fresh makes them prove again who they
	// are.
	Address(state, nonce, verifier string, fresh bool) (string, error)
	// Finish trades the code of the callback for what the provider says.
	Finish(ctx context.Context, code, issuer, nonce, verifier string) (models.Claims, error)
}

// providerEngine is about people of the provider.
type providerEngine interface {
	BeginOIDC(ctx context.Context, s engine.OIDCStep) (name string, err error)
	TakeOIDC(ctx context.Context, name string) (engine.OIDCStep, error)
	SignInOIDC(ctx context.Context, c models.Claims, from models.Browser) (*models.SignedIn, error)
	ConnectOIDC(ctx context.Context, c models.Claims) error
	// DisconnectOIDC is for oneself, and for administrators.
	DisconnectOIDC(ctx context.Context, i models.Identity) error
	ConfirmOIDC(ctx context.Context, c models.Claims, since time.Time) error
	// RefusedOIDC has the audit know that it came to nothing.
	RefusedOIDC(ctx context.Context, purpose engine.OIDCPurpose, why string)
}

// goToProvider sends somebody to the provider, to sign in, to confirm who they
// are, or to connect their account there. It is a link and not a form, because
// the pages' policy lets forms go nowhere else.
func (h *Handlers) goToProvider(w http.ResponseWriter, r *http.Request) {
	if h.OIDC == nil {
		h.notFound(w, r)
		return
	}
	s := engine.OIDCStep{
		State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(),
		Next: web.LocalPath(r.Form.Get("next"), ""), For: engine.OIDCPurpose(r.Form.Get("for")),
	}
	switch signedIn := auth.User(r.Context()) != nil; s.For {
	case engine.OIDCConfirm, engine.OIDCConnect:
		if !signedIn {
			h.askToSignIn(w, r)
			return
		}
	default:
		s.For = engine.OIDCSignIn
	}
	if s.For == engine.OIDCConnect && !fromSecurity(r) {
		h.cookies.SetFlash(w, web.Flash{Tone: "bad", Text: "Connect your account here, by the button."})
		web.SeeOther(w, r, securityPath)
		return
	}
	address, err := h.OIDC.Address(s.State, s.Nonce, s.Verifier, s.For == engine.OIDCConfirm)
	var name string
	if err == nil {
		name, err = h.Engine.BeginOIDC(r.Context(), s)
	}
	if err != nil {
		h.noProvider(w, r, err, s)
		return
	}
	h.cookies.SetBrief(w, auth.Provider, name)
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// fromSecurity tells whether a request comes from the button on the page of
// one's own security. Another site could send people along this link after it
// has signed them in at the provider as somebody else, who would be connected.
// Pages of other sites cannot say that they are this one; a browser that tells
// no page tells at least whose it was.
func fromSecurity(r *http.Request) bool {
	if page := refererPath(r); page != "" {
		path, _, _ := strings.Cut(page, "?")
		return path == securityPath
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// noProvider leads back with a sentence about why the provider did not help.
func (h *Handlers) noProvider(w http.ResponseWriter, r *http.Request, err error, s engine.OIDCStep) {
	switch models.CodeOf(err) {
	case models.CodeInternal:
		h.fail(w, r, err)
		return
	case models.CodeConfirm: // and then the button again
		web.SeeOther(w, r, "/confirm"+queryNext(h.backFrom(r, s)))
		return
	}
	h.Engine.RefusedOIDC(r.Context(), s.For, models.Sentence(err))
	h.Log.InfoContext(r.Context(), "sign in at the provider", slog.Any("error", err), slog.Any("cause", unwrapped(err)), slog.String("request_id", web.RequestID(r.Context())))
	h.cookies.SetFlash(w, web.Flash{Tone: "bad", Text: models.Sentence(err)})
	web.SeeOther(w, r, h.backFrom(r, s))
}

func unwrapped(err error) error {
	if inner, ok := err.(interface{ Unwrap() error }); ok { //nolint:errorlint // only the outermost says more inside
		return inner.Unwrap()
	}
	return nil
}

// backFrom is the page that somebody was sent from.
func (h *Handlers) backFrom(r *http.Request, s engine.OIDCStep) string {
	switch {
	case auth.User(r.Context()) == nil:
		return "/sign-in" + queryNext(s.Next)
	case s.For == engine.OIDCConfirm:
		return "/confirm" + queryNext(s.Next)
	}
	return securityPath
}

// providerCode is what a provider may call its refusal; anything else is not
// repeated.
var providerCode = regexp.MustCompile(`\A[a-z_]{1,40}\z`)

// fromProvider takes people back from the provider. Only the browser that was
// sent there can come back, once.
func (h *Handlers) fromProvider(w http.ResponseWriter, r *http.Request) {
	if h.OIDC == nil {
		h.notFound(w, r)
		return
	}
	s, err := h.Engine.TakeOIDC(r.Context(), h.cookies.Brief(r, auth.Provider))
	h.cookies.SetBrief(w, auth.Provider, "")
	if err != nil {
		h.noProvider(w, r, err, s)
		return
	}
	claims, err := h.claimsOf(r, s)
	if err == nil {
		err = h.useClaims(w, r, s, claims)
	}
	if err != nil {
		h.noProvider(w, r, err, s)
	}
}

func (h *Handlers) claimsOf(r *http.Request, s engine.OIDCStep) (models.Claims, error) {
	if subtle.ConstantTimeCompare([]byte(r.Form.Get("state")), []byte(s.State)) != 1 {
		return models.Claims{}, models.Forbidden("This answer of the provider is not for you. Begin again.")
	}
	if code := r.Form.Get("error"); code != "" {
		if !providerCode.MatchString(code) {
			code = "no reason given"
		}
		return models.Claims{}, models.Forbidden("%s did not sign you in (%s).", h.OIDC.Name(), code)
	}
	return h.OIDC.Finish(r.Context(), r.Form.Get("code"), r.Form.Get("iss"), s.Nonce, s.Verifier)
}

func (h *Handlers) useClaims(w http.ResponseWriter, r *http.Request, s engine.OIDCStep, c models.Claims) error {
	ctx := r.Context()
	if s.For != engine.OIDCSignIn && (s.Session == "" || models.ActorFrom(ctx).Session != s.Session) {
		return models.Forbidden("You have signed out meanwhile. Begin again.")
	}
	switch s.For {
	case engine.OIDCConfirm:
		if err := h.Engine.ConfirmOIDC(ctx, c, s.At); err != nil {
			return err
		}
		h.done(w, r, web.LocalPath(s.Next, "/stacks"), "Thank you. Now do again what you were about to do.")
	case engine.OIDCConnect:
		if err := h.Engine.ConnectOIDC(ctx, c); err != nil {
			return err
		}
		h.done(w, r, securityPath, "Your account at "+h.OIDC.Name()+" is connected.")
	default:
		done, err := h.Engine.SignInOIDC(ctx, c, browserOf(r))
		if err != nil {
			return err
		}
		h.signedIn(w, r, done, s.Next)
	}
	return nil
}

// disconnect unties one's own account at the provider.
func (h *Handlers) disconnect(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.DisconnectOIDC(r.Context(), identityIn(r, auth.User(r.Context()).ID)); err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.done(w, r, securityPath, "The account elsewhere is disconnected. All other sessions have ended.")
}

// disconnectUser unties a person's account at the provider.
func (h *Handlers) disconnectUser(w http.ResponseWriter, r *http.Request, u *models.User) {
	if err := h.Engine.DisconnectOIDC(r.Context(), identityIn(r, u.ID)); err != nil {
		h.refused(w, r, err, views.UserHref(u.ID))
		return
	}
	h.done(w, r, views.UserHref(u.ID), "The account elsewhere is disconnected. All sessions of "+u.Name+" have ended.")
}

func identityIn(r *http.Request, id models.UserID) models.Identity {
	return models.Identity{UserID: id, Issuer: r.PostForm.Get("issuer"), Subject: r.PostForm.Get("subject")}
}
