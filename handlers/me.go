package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
	"opsyard/web/auth"
)

func (h *Handlers) showMe(w http.ResponseWriter, r *http.Request) {
	h.drawMe(w, r, http.StatusOK, views.MePage{})
}

// drawMe completes the page: p holds what is wrong, or what was just made.
func (h *Handlers) drawMe(w http.ResponseWriter, r *http.Request, status int, p views.MePage) {
	user := auth.User(r.Context())
	sessions, err := h.Store.Sessions.OfUser(r.Context(), user.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if p.Levels, err = h.levelsOf(r, user); err != nil {
		h.fail(w, r, err)
		return
	}
	if p.Keys, err = h.keyRows(r.Context(), user.ID); err != nil {
		h.fail(w, r, err)
		return
	}
	p.Page = h.page(w, r, user.Name, "me", ui.Crumb{Label: "My settings"})
	p.Name, p.Sessions, p.Server = user.Name, h.sessionRows(r, sessions), h.address(r)
	p.SSHUsername, p.SelfManaged = user.SSHUsername, user.AllowSelfManagement || user.Admin
	if p.Field != "SshPublicKey" {
		p.SSHPublicKey = user.SSHPublicKey
	}
	h.render(w, r, status, views.Me(p))
}

func (h *Handlers) sessionRows(r *http.Request, sessions []models.Session) []views.SessionRow {
	sum := sha256.Sum256([]byte(h.cookies.Get(r)))
	current := hex.EncodeToString(sum[:])
	var rows []views.SessionRow
	for _, s := range sessions {
		if !s.ExpiresAt.After(h.Now()) || h.Now().Sub(s.SeenAt) > models.SessionIdle {
			continue // over, only not swept away yet
		}
		rows = append(rows, views.SessionRow{
			Hash: s.Hash, Browser: views.BrowserOf(s.UserAgent), Addr: s.Addr,
			Since: s.CreatedAt, Seen: s.SeenAt, Ends: s.ExpiresAt, Current: s.Hash == current,
		})
	}
	return rows
}

// levelsOf lists the person's levels on the stacks they may see; an
// administrator needs none.
func (h *Handlers) levelsOf(r *http.Request, user *models.User) ([]views.LevelRow, error) {
	if user.Admin {
		return nil, nil
	}
	stacks, err := h.Engine.VisibleStacks(r.Context())
	if err != nil {
		return nil, err
	}
	permissions, err := h.Store.Permissions.OfUser(r.Context(), user.ID)
	if err != nil {
		return nil, err
	}
	levels := map[models.StackID]models.Level{}
	for _, p := range permissions {
		levels[p.StackID] = p.Level
	}
	rows := make([]views.LevelRow, len(stacks))
	for i, s := range stacks {
		rows[i] = views.LevelRow{StackID: s.ID, Stack: s.Name, Level: levels[s.ID]}
	}
	return rows, nil
}

// showSession tells a page whose live connection fails whether it is signed in.
func (h *Handlers) showSession(w http.ResponseWriter, r *http.Request) {
	web.JSON(w, http.StatusOK, map[string]string{"name": auth.User(r.Context()).Name})
}

func (h *Handlers) changePassword(w http.ResponseWriter, r *http.Request) {
	err := h.Engine.ChangePassword(r.Context(), r.PostForm.Get("Current"), r.PostForm.Get("Password"), h.cookies.Get(r))
	if err == nil {
		h.done(w, r, "/me", "Your password is changed. All other sessions have ended.")
		return
	}
	h.refusedMe(w, r, err, views.MePage{})
}

// refusedMe shows the page again with what is wrong.
func (h *Handlers) refusedMe(w http.ResponseWriter, r *http.Request, err error, p views.MePage) {
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeThrottled, models.CodeConflict:
		p.Problem, p.Field = models.Sentence(err), fieldOf(err)
		h.drawMe(w, r, web.StatusOf(err), p)
	default:
		h.fail(w, r, err)
	}
}

// setMySSHKey stores one's own public key for instances.
func (h *Handlers) setMySSHKey(w http.ResponseWriter, r *http.Request) {
	key := trimmed(r.PostForm, "SshPublicKey")
	if err := h.Engine.UpdateMyUserProfile(r.Context(), key); err != nil {
		h.refusedMe(w, r, err, views.MePage{SSHPublicKey: key})
		return
	}
	h.done(w, r, "/me", "Your SSH key is saved. Instances get it with the next Configure.")
}

// createMyKey makes an access key and shows its secret: the answer to the form
// is the only place where it is ever seen.
func (h *Handlers) createMyKey(w http.ResponseWriter, r *http.Request) {
	key, err := h.Engine.CreateAccessKey(r.Context(), auth.User(r.Context()).ID)
	if err != nil {
		h.refused(w, r, err, "/me")
		return
	}
	h.drawMe(w, r, http.StatusOK, views.MePage{Fresh: &views.FreshKey{ID: key.ID, Secret: key.Secret}})
}

// deleteMyKey ends one of one's own keys.
func (h *Handlers) deleteMyKey(w http.ResponseWriter, r *http.Request) {
	h.endKey(w, r, auth.User(r.Context()).ID, "/me")
}

func (h *Handlers) endSession(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.EndSession(r.Context(), r.PostForm.Get("session")); err != nil {
		h.refused(w, r, err, "/me")
		return
	}
	h.done(w, r, "/me", "The session has ended.")
}
