package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
	"opsyard/web/auth"

	"github.com/a-h/templ"
)

// Fields that the page of confirming adds to a form. They prove who the person
// is and are taken out before the form goes on.
const (
	confirmPassword  = "Confirm-Password"
	confirmCode      = "Confirm-Code"
	confirmChallenge = "Confirm-Challenge"
	confirmPasskey   = "Confirm-Passkey"
	confirmBack      = "Confirm-Back" // where Cancel leads
)

// confirming takes the proof that a form carries, and lets the form go on as
// if it had just been sent. A wrong one is asked for again.
func (h *Handlers) confirming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proof := models.Proof{
			Password: r.PostForm.Get(confirmPassword), Code: r.PostForm.Get(confirmCode),
			Challenge: r.PostForm.Get(confirmChallenge), Passkey: []byte(r.PostForm.Get(confirmPasskey)),
		}
		asked := r.PostForm.Has(confirmPassword) || r.PostForm.Has(confirmCode) || r.PostForm.Has(confirmChallenge)
		if !asked {
			next.ServeHTTP(w, r)
			return
		}
		back := r.PostForm.Get(confirmBack)
		for _, name := range []string{confirmPassword, confirmCode, confirmChallenge, confirmPasskey, confirmBack} {
			r.PostForm.Del(name)
			r.Form.Del(name)
		}
		if err := h.Engine.ConfirmSession(r.Context(), proof); err != nil {
			if web.StatusOf(err) == http.StatusInternalServerError {
				h.fail(w, r, err)
				return
			}
			h.drawConfirm(w, r, web.StatusOf(err), back, err)
			return
		}
		actor := models.ActorFrom(r.Context())
		actor.ConfirmedAt = h.Now()
		next.ServeHTTP(w, r.WithContext(models.WithActor(r.Context(), actor)))
	})
}

// askToConfirm answers a request that needs a proof of who asks: a form with
// the page of confirming, which carries its fields on; anything else by leading
// there.
func (h *Handlers) askToConfirm(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case wantsJSON(r) || r.Header.Get("Upgrade") != "":
		web.JSON(w, http.StatusForbidden, map[string]string{"message": models.Sentence(err), "confirm": "/confirm"})
	case r.Header.Get("HX-Request") != "":
		w.Header().Set("HX-Redirect", "/confirm"+queryNext(refererPath(r)))
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		web.SeeOther(w, r, "/confirm"+queryNext(r.URL.RequestURI()))
	default:
		h.drawConfirm(w, r, http.StatusForbidden, refererPath(r), nil)
	}
}

// drawConfirm asks for a proof. A form that holds a secret is not carried on:
// it would be in the page, so it is typed again. back is the page that the form
// stood on: a second try comes from this page, so it cannot be asked then.
func (h *Handlers) drawConfirm(w http.ResponseWriter, r *http.Request, status int, back string, problem error) {
	factors, err := h.Engine.FactorsOf(r.Context(), auth.User(r.Context()).ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.ConfirmPage{
		Page: h.page(w, r, "Confirm", "", ui.Crumb{Label: "Confirm"}), Name: auth.User(r.Context()).Name,
		Password: factors.Password, Codes: factors.TOTP || factors.Codes > 0, Passkeys: len(factors.Passkeys) > 0 && h.Engine.Passkeys(),
	}
	if problem != nil {
		p.Problem, p.Field = models.Sentence(problem), fieldOf(problem)
	}
	p.Action, p.Fields = r.URL.RequestURI(), carried(r.PostForm)
	back = web.LocalPath(back, "/stacks")
	p.Back = templ.URL(back)
	next := back
	if r.URL.Path == "/confirm" {
		next = web.LocalPath(r.Form.Get("next"), "/stacks")
	}
	if p.Typed = p.Fields == nil && len(r.PostForm) > 0 && r.URL.Path != "/confirm"; p.Typed || r.URL.Path == "/confirm" {
		p.Action, p.Fields = "/confirm", url.Values{"next": {next}}
	}
	if h.OIDC != nil && len(factors.Identities) > 0 {
		p.Provider = h.OIDC.Name()
		p.ProviderHref = templ.URL("/sign-in/oidc?for=confirm&next=" + url.QueryEscape(next))
	}
	if p.Passkeys {
		p.Page.Scripts = append(p.Page.Scripts, passkeyScript)
	}
	h.render(w, r, status, views.Confirm(p))
}

// secretWords are in the names of fields that hold secrets.
var secretWords = []string{"password", "secret", "privatekey", "sshkey", "current", "again", "token"}

// carried are the fields of a form that a page may repeat; nil when one of them
// holds a secret.
func carried(form url.Values) url.Values {
	fields := url.Values{}
	for name, values := range form {
		for _, word := range secretWords {
			if strings.Contains(strings.ToLower(name), word) && strings.Join(values, "") != "" {
				return nil
			}
		}
		fields[name] = values
	}
	return fields
}

// showConfirm is the page for those who come by an address.
func (h *Handlers) showConfirm(w http.ResponseWriter, r *http.Request) {
	h.drawConfirm(w, r, http.StatusOK, refererPath(r), nil)
}

// confirm leads back to what was to be done; the proof was taken before.
func (h *Handlers) confirm(w http.ResponseWriter, r *http.Request) {
	if h.Now().Sub(models.ActorFrom(r.Context()).ConfirmedAt) > models.ConfirmFor {
		h.drawConfirm(w, r, http.StatusUnprocessableEntity, "", models.Invalid("Type your password or a code."))
		return
	}
	h.done(w, r, web.LocalPath(r.PostForm.Get("next"), "/stacks"), "Thank you. Now do again what you were about to do.")
}
