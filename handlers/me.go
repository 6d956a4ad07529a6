package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
	"opsyard/web/auth"

	"github.com/a-h/templ"
)

// showMe is a person's own profile.
func (h *Handlers) showMe(w http.ResponseWriter, r *http.Request) {
	h.render(w, r, http.StatusOK, views.Me(h.mePage(w, r, views.Form{})))
}

func (h *Handlers) mePage(w http.ResponseWriter, r *http.Request, form views.Form) views.MePage {
	user := auth.User(r.Context())
	return views.MePage{
		Page: h.myPage(w, r), Form: form, SSHUsername: user.SSHUsername, SSHPublicKey: user.SSHPublicKey,
		SelfManaged: user.AllowSelfManagement || user.Admin, Email: user.Email,
	}
}

// myPage is the frame of the pages about oneself.
func (h *Handlers) myPage(w http.ResponseWriter, r *http.Request) views.Page {
	return h.page(w, r, auth.User(r.Context()).Name, "me", ui.Crumb{Label: "My settings"})
}

// showMyKeys are one's keys for programs.
func (h *Handlers) showMyKeys(w http.ResponseWriter, r *http.Request) {
	h.drawMyKeys(w, r, http.StatusOK, views.MeKeysPage{})
}

// drawMyKeys completes the page: p holds what is wrong, or what was just made.
func (h *Handlers) drawMyKeys(w http.ResponseWriter, r *http.Request, status int, p views.MeKeysPage) {
	var err error
	user := auth.User(r.Context())
	if p.Keys, err = h.keyRows(r.Context(), user.ID); err == nil {
		p.Tokens, err = h.tokenRows(r.Context(), user.ID)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Page, p.Server = h.myPage(w, r), h.address(r)
	h.render(w, r, status, views.MeKeys(p))
}

func (h *Handlers) sessionRows(r *http.Request, sessions []models.Session) []views.SessionRow {
	current := models.ActorFrom(r.Context()).Session
	var rows []views.SessionRow
	for _, s := range sessions {
		if !s.ExpiresAt.After(h.Now()) || h.Now().Sub(s.SeenAt) > models.SessionIdle {
			continue // over, only not swept away yet
		}
		rows = append(rows, views.SessionRow{
			Hash: s.Hash, Browser: views.BrowserOf(s.UserAgent), Addr: s.Addr, Method: string(s.Method),
			Since: s.CreatedAt, Seen: s.SeenAt, Ends: s.ExpiresAt, Current: s.Hash == current,
		})
	}
	return rows
}

// showSession tells a page whose live connection fails whether it is signed in.
func (h *Handlers) showSession(w http.ResponseWriter, r *http.Request) {
	web.JSON(w, http.StatusOK, map[string]string{"name": auth.User(r.Context()).Name})
}

// setMySSHKey stores one's own public key for instances.
func (h *Handlers) setMySSHKey(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.UpdateMyUserProfile(r.Context(), trimmed(r.PostForm, "SshPublicKey")); err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			return views.Me(h.mePage(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field}))
		})
		return
	}
	h.done(w, r, "/me", "Your SSH key is saved.")
}

// showNewKey is the form for one more access key.
func (h *Handlers) showNewKey(w http.ResponseWriter, r *http.Request) {
	p, err := h.limitsForm(w, r, "New access key", views.Form{Values: url.Values{"Days": {strconv.Itoa(tokenDays)}}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.AccessKeyNew(p))
}

// createMyKey makes an access key and shows its secret: the answer to the form
// is the only place where it is ever seen. A key may go without end, as those
// of AWS do.
func (h *Handlers) createMyKey(w http.ResponseWriter, r *http.Request) {
	given := models.AccessKey{UserID: auth.User(r.Context()).ID, Scope: typedScope(r.PostForm)}
	var err error
	if trimmed(r.PostForm, "Days") != "" {
		var ends time.Time
		ends, err = h.typedEnd(r.PostForm)
		given.ExpiresAt = &ends
	}
	var key *models.AccessKey
	if err == nil {
		key, err = h.Engine.CreateAccessKey(r.Context(), given)
	}
	if err != nil {
		h.againLimits(w, r, err, "New access key", views.AccessKeyNew)
		return
	}
	h.drawMyKeys(w, r, http.StatusOK, views.MeKeysPage{Fresh: &views.FreshKey{ID: key.ID, Secret: key.Secret, Expires: key.ExpiresAt}})
}

// deleteMyKey ends one of one's own keys.
func (h *Handlers) deleteMyKey(w http.ResponseWriter, r *http.Request) {
	h.endKey(w, r, auth.User(r.Context()).ID, "/me/keys")
}
