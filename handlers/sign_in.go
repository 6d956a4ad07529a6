package handlers

import (
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
	"opsyard/web/auth"

	"github.com/a-h/templ"
)

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
	h.render(w, r, http.StatusOK, views.SignIn(views.SignInPage{Page: h.page(w, r, "Sign in", ""), Next: next, SetupNeeded: needed}))
}

// signIn takes the form. Why it was refused (unknown name, wrong password, too
// many tries) is the engine's sentence; it does not tell names from passwords.
func (h *Handlers) signIn(w http.ResponseWriter, r *http.Request) {
	name, next := r.PostForm.Get("name"), web.LocalPath(r.PostForm.Get("next"), "")
	cookie, user, err := h.Engine.SignIn(r.Context(), name, r.PostForm.Get("password"), web.SourceAddr(r), r.UserAgent())
	if err != nil {
		p := views.SignInPage{Page: h.page(w, r, "Sign in", ""), Next: next, Name: name, Problem: models.Sentence(err)}
		h.againBare(w, r, err, views.SignIn(p))
		return
	}
	h.cookies.Set(w, cookie)
	h.keepTheme(w, user.Theme)
	web.SeeOther(w, r, web.LocalPath(next, "/stacks"))
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
