package handlers

import (
	"context"
	"net/http"
	"net/url"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
	"opsyard/web/auth"

	"github.com/a-h/templ"
)

// signInEngine is about who somebody is: signing in, sessions, and what people
// prove who they are with.
type signInEngine interface {
	Session(ctx context.Context, cookie string) (*models.Session, *models.User, error)
	SessionUser(ctx context.Context, cookie string) (*models.User, error)
	SignIn(ctx context.Context, name, password string, from models.Browser) (*models.SignedIn, error)
	SignInStep(ctx context.Context, step string) (*models.SignedIn, error)
	SignInCode(ctx context.Context, step, code string, from models.Browser) (*models.SignedIn, error)
	SignInPasskey(ctx context.Context, p models.Proof, from models.Browser) (*models.SignedIn, error)
	AskPasskey(ctx context.Context) (challenge string, options []byte, err error)
	Passkeys() bool
	SignOut(ctx context.Context, cookie string) error
	// NoticeSeen forgets the sentence that the session had for its next page.
	NoticeSeen(ctx context.Context, sentence string) error
	ConfirmSession(ctx context.Context, p models.Proof) error
	// RefusedForeign has the audit know of a form that another site made a
	// browser send.
	RefusedForeign(ctx context.Context)
}

func browserOf(r *http.Request) models.Browser {
	return models.Browser{Addr: web.SourceAddr(r), UserAgent: r.UserAgent()}
}

func (h *Handlers) showSignIn(w http.ResponseWriter, r *http.Request) {
	next := web.LocalPath(r.Form.Get("next"), "")
	if auth.User(r.Context()) != nil {
		web.SeeOther(w, r, web.LocalPath(next, "/stacks"))
		return
	}
	needed, err := h.Engine.SetupNeeded(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := h.signInPage(w, r, next)
	p.SetupNeeded = needed
	h.render(w, r, http.StatusOK, views.SignIn(p))
}

func (h *Handlers) signInPage(w http.ResponseWriter, r *http.Request, next string) views.SignInPage {
	p := views.SignInPage{Page: h.page(w, r, "Sign in", ""), Next: next, Passkeys: h.Engine.Passkeys()}
	if h.OIDC != nil {
		p.Provider = h.OIDC.Name()
	}
	if p.Passkeys {
		p.Page.Scripts = append(p.Page.Scripts, passkeyScript)
	}
	return p
}

// signIn takes the form. Why it was refused (unknown name, wrong password, too
// many tries) is the engine's sentence; it does not tell names from passwords.
func (h *Handlers) signIn(w http.ResponseWriter, r *http.Request) {
	name, next := r.PostForm.Get("name"), web.LocalPath(r.PostForm.Get("next"), "")
	done, err := h.Engine.SignIn(r.Context(), name, r.PostForm.Get("password"), browserOf(r))
	if err != nil {
		p := h.signInPage(w, r, next)
		p.Name, p.Problem = name, models.Sentence(err)
		h.againBare(w, r, err, views.SignIn(p))
		return
	}
	h.signedIn(w, r, done, next)
}

// signedIn leads into the console, or to the second factor.
func (h *Handlers) signedIn(w http.ResponseWriter, r *http.Request, done *models.SignedIn, next string) {
	if done.Cookie == "" {
		h.cookies.SetBrief(w, auth.Step, done.Step)
		web.SeeOther(w, r, "/sign-in/code"+queryNext(next))
		return
	}
	h.cookies.SetBrief(w, auth.Step, "")
	if err := h.openSession(w, r, done); err != nil {
		h.fail(w, r, err)
		return
	}
	web.SeeOther(w, r, web.LocalPath(next, "/stacks"))
}

// openSession gives the browser its new session. One that it had ends: it would
// stay open, and nobody would use it any more.
func (h *Handlers) openSession(w http.ResponseWriter, r *http.Request, done *models.SignedIn) error {
	if auth.User(r.Context()) != nil {
		if err := h.Engine.SignOut(r.Context(), h.cookies.Get(r)); err != nil {
			return err
		}
	}
	h.cookies.Set(w, done.Cookie)
	h.keepTheme(w, done.User.Theme)
	return nil
}

func queryNext(next string) string {
	if next == "" {
		return ""
	}
	return "?next=" + url.QueryEscape(next)
}

// showCode asks for the second factor.
func (h *Handlers) showCode(w http.ResponseWriter, r *http.Request) {
	next := web.LocalPath(r.Form.Get("next"), "")
	step, err := h.Engine.SignInStep(r.Context(), h.cookies.Brief(r, auth.Step))
	if err != nil {
		h.beginAgain(w, r, err, next)
		return
	}
	h.render(w, r, http.StatusOK, h.codePage(w, r, step, next, ""))
}

func (h *Handlers) codePage(w http.ResponseWriter, r *http.Request, step *models.SignedIn, next, problem string) templ.Component {
	p := views.CodePage{Page: h.page(w, r, "Second factor", ""), Next: next, Problem: problem, Passkeys: step.Passkeys && h.Engine.Passkeys()}
	if p.Passkeys {
		p.Page.Scripts = append(p.Page.Scripts, passkeyScript)
	}
	return views.SecondFactor(p)
}

// beginAgain leads to the first step with a sentence about the second.
func (h *Handlers) beginAgain(w http.ResponseWriter, r *http.Request, err error, next string) {
	if web.StatusOf(err) == http.StatusInternalServerError {
		h.fail(w, r, err)
		return
	}
	h.cookies.SetBrief(w, auth.Step, "")
	h.cookies.SetFlash(w, web.Flash{Tone: "bad", Text: models.Sentence(err)})
	web.SeeOther(w, r, "/sign-in"+queryNext(next))
}

// signInCode takes the code of an authenticator app, or a recovery code.
func (h *Handlers) signInCode(w http.ResponseWriter, r *http.Request) {
	next, name := web.LocalPath(r.PostForm.Get("next"), ""), h.cookies.Brief(r, auth.Step)
	done, err := h.Engine.SignInCode(r.Context(), name, r.PostForm.Get("Code"), browserOf(r))
	if err == nil {
		h.signedIn(w, r, done, next)
		return
	}
	step, over := h.Engine.SignInStep(r.Context(), name)
	if over != nil {
		h.beginAgain(w, r, over, next)
		return
	}
	h.againBare(w, r, err, h.codePage(w, r, step, next, models.Sentence(err)))
}

// passkeyScript asks the browser for passkeys.
const passkeyScript = "js/passkey.js"

// askPasskey answers the script with what the browser is to be asked.
func (h *Handlers) askPasskey(w http.ResponseWriter, r *http.Request) {
	h.answerPasskey(w, r, h.Engine.AskPasskey)
}

func (h *Handlers) answerPasskey(w http.ResponseWriter, r *http.Request, ask func(context.Context) (string, []byte, error)) {
	challenge, options, err := ask(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	web.JSON(w, http.StatusOK, passkeyQuestion{challenge, options})
}

// signInPasskey takes the browser's answer.
func (h *Handlers) signInPasskey(w http.ResponseWriter, r *http.Request) {
	next := web.LocalPath(r.PostForm.Get("next"), "")
	proof := models.Proof{Challenge: r.PostForm.Get("challenge"), Passkey: []byte(r.PostForm.Get("answer"))}
	done, err := h.Engine.SignInPasskey(r.Context(), proof, browserOf(r))
	if err != nil {
		p := h.signInPage(w, r, next)
		p.Problem = models.Sentence(err)
		h.againBare(w, r, err, views.SignIn(p))
		return
	}
	h.signedIn(w, r, done, next)
}

// againBare shows a form of the signed-out pages again: there, being refused
// for who one is belongs to the form too.
func (h *Handlers) againBare(w http.ResponseWriter, r *http.Request, err error, form templ.Component) {
	if web.StatusOf(err) == http.StatusInternalServerError {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, web.StatusOf(err), form)
}

func (h *Handlers) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie := h.cookies.Get(r); cookie != "" {
		if err := h.Engine.SignOut(r.Context(), cookie); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.cookies.Clear(w)
	h.done(w, r, "/sign-in", "You are signed out.")
}
