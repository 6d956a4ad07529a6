package handlers

import (
	"context"
	"encoding/json"
	"net/http"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
	"opsyard/web/auth"
)

// securityEngine is about what somebody proves with who they are, and where
// they are signed in.
type securityEngine interface {
	FactorsOf(ctx context.Context, id models.UserID) (*engine.Factors, error)
	StartTOTP(ctx context.Context) error
	PendingTOTP(ctx context.Context) (*engine.TOTP, error)
	EnableTOTP(ctx context.Context, code string) (recovery []string, err error)
	DisableTOTP(ctx context.Context) error
	NewRecoveryCodes(ctx context.Context, account bool) ([]string, error)
	NewPasskey(ctx context.Context) (challenge string, options []byte, err error)
	AddPasskey(ctx context.Context, challenge, name string, answer []byte) (recovery []string, err error)
	DeletePasskey(ctx context.Context, id models.PasskeyID) error
	// EndSession ends one session of the asker, by its hash.
	EndSession(ctx context.Context, hash string) error
	EndOtherSessions(ctx context.Context) error
	// SessionsOf and EndSessionsOf are for administrators.
	SessionsOf(ctx context.Context, id models.UserID) ([]models.Session, error)
	EndSessionsOf(ctx context.Context, id models.UserID, hash string) error
	ResetFactors(ctx context.Context, id models.UserID) error
}

// securityRoutes are a person's own passwords, factors and sessions, and the
// administrators' part of others'.
func (h *Handlers) securityRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /confirm", h.showConfirm)
	mux.HandleFunc("POST /confirm", h.confirm)
	mux.HandleFunc("GET /me/security", h.showSecurity)
	mux.HandleFunc("POST /me/password", h.changePassword)
	mux.HandleFunc("GET /me/security/app", h.showAuthenticator)
	mux.HandleFunc("POST /me/security/app", h.startAuthenticator)
	mux.HandleFunc("POST /me/security/app/enable", h.enableAuthenticator)
	mux.HandleFunc("POST /me/security/app/delete", h.deleteAuthenticator)
	mux.HandleFunc("POST /me/security/codes", h.newCodes)
	mux.HandleFunc("POST /me/security/passkeys/ask", h.newPasskey)
	mux.HandleFunc("POST /me/security/passkeys", h.addPasskey)
	mux.HandleFunc("POST /me/security/passkeys/delete", h.deletePasskey)
	mux.HandleFunc("POST /me/security/identities/delete", h.disconnect)
	mux.HandleFunc("POST /me/sessions/end", h.endSession)
	mux.HandleFunc("POST /me/sessions/end-others", h.endOtherSessions)
	mux.HandleFunc("POST /team/users/{user}/sessions/end", h.withUser("EndSession", h.endSessionsOf))
	mux.HandleFunc("POST /team/users/{user}/factors/reset", h.withUser("ResetFactors", h.resetFactors))
	mux.HandleFunc("POST /team/users/{user}/identities/delete", h.withUser("DisconnectIdentity", h.disconnectUser))
}

func (h *Handlers) showSecurity(w http.ResponseWriter, r *http.Request) {
	h.drawSecurity(w, r, http.StatusOK, views.SecurityPage{})
}

// drawSecurity completes the page: p holds what is wrong, or what was just made.
func (h *Handlers) drawSecurity(w http.ResponseWriter, r *http.Request, status int, p views.SecurityPage) {
	user := auth.User(r.Context())
	factors, err := h.Engine.FactorsOf(r.Context(), user.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	sessions, err := h.Engine.SessionsOf(r.Context(), user.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	done := p.Page.Flash
	if p.Page = h.myPage(w, r); done != nil {
		p.Page.Flash = done
	}
	p.Name, p.Sessions = user.Name, h.sessionRows(r, sessions)
	session := auth.Session(r.Context())
	p.Password, p.NoCurrent = factors.Password, !factors.Password || session != nil && session.Method == models.SignInRecovery
	p.App, p.Codes, p.AccountCode, p.Passkeys = factors.TOTP, factors.Codes, factors.AccountCode, factors.Passkeys
	p.CanPasskey, p.Identities = h.Engine.Passkeys(), factors.Identities
	if h.OIDC != nil {
		p.Provider = h.OIDC.Name()
	}
	if p.CanPasskey {
		p.Page.Scripts = append(p.Page.Scripts, passkeyScript)
	}
	h.render(w, r, status, views.Security(p))
}

// refusedSecurity shows the page again with what is wrong.
func (h *Handlers) refusedSecurity(w http.ResponseWriter, r *http.Request, err error) {
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeThrottled, models.CodeConflict:
		h.drawSecurity(w, r, web.StatusOf(err), views.SecurityPage{Problem: models.Sentence(err), Field: fieldOf(err)})
	default:
		h.fail(w, r, err)
	}
}

const securityPath = "/me/security"

func (h *Handlers) changePassword(w http.ResponseWriter, r *http.Request) {
	err := h.Engine.ChangePassword(r.Context(), r.PostForm.Get("Current"), r.PostForm.Get("Password"), h.cookies.Get(r))
	if err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.done(w, r, securityPath, "Your password is changed. All other sessions have ended.")
}

// startAuthenticator begins to set up an authenticator app.
func (h *Handlers) startAuthenticator(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.StartTOTP(r.Context()); err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	web.SeeOther(w, r, securityPath+"/app")
}

// showAuthenticator shows what the app has to read, and asks for a first code.
func (h *Handlers) showAuthenticator(w http.ResponseWriter, r *http.Request) {
	h.drawAuthenticator(w, r, http.StatusOK, nil)
}

func (h *Handlers) drawAuthenticator(w http.ResponseWriter, r *http.Request, status int, problem error) {
	pending, err := h.Engine.PendingTOTP(r.Context())
	if models.CodeOf(err) == models.CodeNotFound {
		web.SeeOther(w, r, securityPath)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.AuthenticatorPage{
		Page:   h.page(w, r, "Authenticator app", "me", ui.Crumb{Label: "My settings", Href: "/me"}, ui.Crumb{Label: "Security", Href: securityPath}, ui.Crumb{Label: "Authenticator app"}),
		Secret: pending.Secret, Address: pending.Address,
	}
	if problem != nil {
		p.Problem, p.Field = models.Sentence(problem), fieldOf(problem)
	}
	h.render(w, r, status, views.Authenticator(p))
}

// enableAuthenticator takes the first code and shows the recovery codes, once.
func (h *Handlers) enableAuthenticator(w http.ResponseWriter, r *http.Request) {
	codes, err := h.Engine.EnableTOTP(r.Context(), r.PostForm.Get("Code"))
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeThrottled:
		h.drawAuthenticator(w, r, web.StatusOf(err), err)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.factorMade(w, r, codes, "From now on your authenticator app is asked for at each sign-in.")
}

// factorMade shows recovery codes that were just made, the only time.
func (h *Handlers) factorMade(w http.ResponseWriter, r *http.Request, codes []string, sentence string) {
	if len(codes) == 0 {
		h.done(w, r, securityPath, sentence)
		return
	}
	h.drawSecurity(w, r, http.StatusOK, views.SecurityPage{Page: views.Page{Flash: &views.Flash{Tone: ui.OK, Text: sentence}}, Fresh: codes})
}

func (h *Handlers) deleteAuthenticator(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.DisableTOTP(r.Context()); err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.done(w, r, securityPath, "The authenticator app is removed.")
}

// newCodes makes recovery codes and shows them, the only time.
func (h *Handlers) newCodes(w http.ResponseWriter, r *http.Request) {
	account := r.PostForm.Get("for") == "account"
	codes, err := h.Engine.NewRecoveryCodes(r.Context(), account)
	if err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.drawSecurity(w, r, http.StatusOK, views.SecurityPage{Fresh: codes, ForAccount: account})
}

// passkeyQuestion is what the script asks the browser.
type passkeyQuestion struct {
	Challenge string          `json:"challenge"`
	Options   json.RawMessage `json:"options"`
}

// newPasskey answers the script with what the browser is to make.
func (h *Handlers) newPasskey(w http.ResponseWriter, r *http.Request) {
	h.answerPasskey(w, r, h.Engine.NewPasskey)
}

// addPasskey takes the passkey that the browser has made.
func (h *Handlers) addPasskey(w http.ResponseWriter, r *http.Request) {
	codes, err := h.Engine.AddPasskey(r.Context(), r.PostForm.Get("challenge"), r.PostForm.Get("Name"), []byte(r.PostForm.Get("answer")))
	if err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.factorMade(w, r, codes, "The passkey is registered. You can sign in with it.")
}

func (h *Handlers) deletePasskey(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.DeletePasskey(r.Context(), models.PasskeyID(r.PostForm.Get("passkey"))); err != nil {
		h.refusedSecurity(w, r, err)
		return
	}
	h.done(w, r, securityPath, "The passkey is removed.")
}

func (h *Handlers) endSession(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.EndSession(r.Context(), r.PostForm.Get("session")); err != nil {
		h.refused(w, r, err, securityPath)
		return
	}
	h.done(w, r, securityPath, "The session has ended.")
}

func (h *Handlers) endOtherSessions(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.EndOtherSessions(r.Context()); err != nil {
		h.refused(w, r, err, securityPath)
		return
	}
	h.done(w, r, securityPath, "All other sessions have ended.")
}

// endSessionsOf ends one session of a person, or all of them.
func (h *Handlers) endSessionsOf(w http.ResponseWriter, r *http.Request, u *models.User) {
	if err := h.Engine.EndSessionsOf(r.Context(), u.ID, r.PostForm.Get("session")); err != nil {
		h.refused(w, r, err, views.UserHref(u.ID))
		return
	}
	sentence := "All sessions of " + u.Name + " have ended."
	if r.PostForm.Get("session") != "" {
		sentence = "The session has ended."
	}
	h.done(w, r, views.UserHref(u.ID), sentence)
}

// resetFactors takes the second factors from somebody who has lost them.
func (h *Handlers) resetFactors(w http.ResponseWriter, r *http.Request, u *models.User) {
	if err := h.Engine.ResetFactors(r.Context(), u.ID); err != nil {
		h.refused(w, r, err, views.UserHref(u.ID))
		return
	}
	h.done(w, r, views.UserHref(u.ID), u.Name+" signs in with the password alone until they set up a second factor again. Their sessions have ended.")
}
