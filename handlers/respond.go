package handlers

import (
	"errors"
	"log/slog"
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

// page fills the frame of a page from the request. section is the rail's entry.
func (h *Handlers) page(w http.ResponseWriter, r *http.Request, title, section string, crumbs ...ui.Crumb) views.Page {
	p := views.Page{
		Title: title, Section: section, Crumbs: crumbs, Now: h.Now(), Version: h.Version,
		Path: r.URL.RequestURI(), Theme: h.theme(r),
	}
	if user := auth.User(r.Context()); user != nil {
		p.User, p.Admin = user.Name, user.Admin
	}
	p.Notice = h.notice(r)
	if f, ok := h.cookies.TakeFlash(w, r); ok {
		p.Flash = &views.Flash{Tone: ui.Tone(f.Tone), Text: f.Text}
	}
	return p
}

// notice is what the session has for its next page, which is this one.
func (h *Handlers) notice(r *http.Request) string {
	session := auth.Session(r.Context())
	if session == nil || session.Notice == "" {
		return ""
	}
	if err := h.Engine.NoticeSeen(r.Context(), session.Notice); err != nil {
		h.Log.WarnContext(r.Context(), "forget a notice", slog.Any("error", err)) // it is shown again
	}
	return session.Notice
}

// render draws a page; one that cannot be drawn is our mistake.
func (h *Handlers) render(w http.ResponseWriter, r *http.Request, status int, page templ.Component) {
	if err := web.Render(w, r, status, page); err != nil {
		h.Log.ErrorContext(r.Context(), "draw a page", slog.Any("error", err), slog.String("request_id", web.RequestID(r.Context())))
		http.Error(w, "This page could not be drawn. The details are in the server's log.", http.StatusInternalServerError)
	}
}

// fail answers with the page of an error. Only what people cannot act on is logged.
func (h *Handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := web.StatusOf(err)
	if status == http.StatusUnauthorized {
		h.askToSignIn(w, r)
		return
	}
	if models.CodeOf(err) == models.CodeConfirm && auth.User(r.Context()) != nil {
		h.askToConfirm(w, r, err)
		return
	}
	if status == http.StatusInternalServerError {
		if r.Context().Err() != nil {
			return // the reader has gone, and took the query along
		}
		h.Log.ErrorContext(r.Context(), "answer a request", slog.Any("error", err), slog.String("path", web.LogPath(r)),
			slog.String("request_id", web.RequestID(r.Context())))
	}
	h.showError(w, r, status, models.Sentence(err))
}

func (h *Handlers) showError(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	if wantsJSON(r) {
		web.JSON(w, status, map[string]string{"message": sentence, "request_id": web.RequestID(r.Context())})
		return
	}
	p := h.page(w, r, views.ErrorTitle(status), "", ui.Crumb{Label: "Stacks", Href: "/stacks"}, ui.Crumb{Label: views.ErrorTitle(status)})
	h.render(w, r, status, views.Error(views.ErrorPage{Page: p, Status: status, Sentence: sentence, RequestID: web.RequestID(r.Context())}))
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

// again shows a form once more when its content was refused; other errors get
// their page. draw is handed the sentence and the field it is about.
func (h *Handlers) again(w http.ResponseWriter, r *http.Request, err error, draw func(sentence, field string) templ.Component) {
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeConflict, models.CodeThrottled:
	default:
		h.fail(w, r, err)
		return
	}
	sentence := models.Sentence(err)
	if forgetSecrets(r.PostForm) {
		sentence += typeAgain
	}
	h.render(w, r, web.StatusOf(err), draw(sentence, fieldOf(err)))
}

// fieldOf is the member of the form that was refused; empty for none.
func fieldOf(err error) string {
	var refusal *models.Error
	if errors.As(err, &refusal) {
		return refusal.Field
	}
	return ""
}

// done leads to the page that shows the result, with a sentence about it.
func (h *Handlers) done(w http.ResponseWriter, r *http.Request, path, sentence string) {
	if sentence != "" {
		h.cookies.SetFlash(w, web.Flash{Tone: string(ui.OK), Text: sentence})
	}
	web.SeeOther(w, r, path)
}

// refused leads back to a page with a sentence about what was not done: for
// buttons, which have no form to show again. Other errors get their page.
func (h *Handlers) refused(w http.ResponseWriter, r *http.Request, err error, path string) {
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeConflict, models.CodeThrottled:
		h.cookies.SetFlash(w, web.Flash{Tone: string(ui.Bad), Text: models.Sentence(err)})
		web.SeeOther(w, r, path)
	default:
		h.fail(w, r, err)
	}
}

// askToSignIn sends a reader to the sign-in page and back here afterwards. A
// form cannot be sent again by an address, so it comes back to where it stood.
func (h *Handlers) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if wantsJSON(r) || r.Header.Get("Upgrade") != "" {
		web.JSON(w, http.StatusUnauthorized, map[string]string{"message": "Sign in first."})
		return
	}
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		next = refererPath(r)
	}
	address := "/sign-in"
	if next != "" && next != "/" {
		address += "?next=" + url.QueryEscape(next)
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", address)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	web.SeeOther(w, r, address)
}

func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return ""
	}
	return web.LocalPath(u.RequestURI(), "")
}

func (h *Handlers) notFound(w http.ResponseWriter, r *http.Request) {
	h.showError(w, r, http.StatusNotFound, "There is nothing at this address. It may have been deleted.")
}

func (h *Handlers) crashed(w http.ResponseWriter, r *http.Request) {
	h.showError(w, r, http.StatusInternalServerError, models.Sentence(errors.New("panic")))
}

func (h *Handlers) crossSite(w http.ResponseWriter, r *http.Request) {
	h.Engine.RefusedForeign(models.WithActor(r.Context(), models.Actor{SourceAddr: web.SourceAddr(r), RequestID: web.RequestID(r.Context())}))
	h.showError(w, r, http.StatusForbidden, "This request came from another site, so nothing was done. Open the page here and try again.")
}

// sameOriginSockets refuses websockets of other sites, which are requests to look
// and pass what forms do not.
func (h *Handlers) sameOriginSockets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.upgrade.Foreign(r) {
			h.crossSite(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func badForm(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return (&models.Error{Code: models.CodeInvalid, Message: "The form is too large: 2 MB at most. Nothing was changed."}).Because(err)
	}
	return models.Invalid("The form could not be read. Nothing was changed.").Because(err)
}
