package handlers

import (
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"
)

// teamOnly: the team page is about everybody, so it is for administrators. The
// engine asks again for each change.
func (h *Handlers) teamOnly(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !models.MayDo(models.ActorFrom(r.Context()), models.LevelIAMOnly, models.ActionManageUsers) {
			h.fail(w, r, models.Forbidden("Only an administrator may see the team."))
			return
		}
		page(w, r)
	}
}

func (h *Handlers) showTeam(w http.ResponseWriter, r *http.Request) {
	h.drawTeam(w, r, http.StatusOK, models.User{}, "", "")
}

func (h *Handlers) drawTeam(w http.ResponseWriter, r *http.Request, status int, typed models.User, problem, field string) {
	stacks, err := h.Engine.VisibleStacks(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	users, err := h.userRows(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.Team(views.TeamPage{
		Page:   h.page(w, r, "Team", "team", ui.Crumb{Label: "Team"}),
		Stacks: stacks, Users: users, New: typed, Problem: problem, Field: field,
	}))
}

func (h *Handlers) userRows(r *http.Request) ([]views.UserRow, error) {
	users, err := h.Store.Users.List(r.Context())
	if err != nil {
		return nil, err
	}
	rows := make([]views.UserRow, len(users))
	for i, u := range users {
		permissions, err := h.Store.Permissions.OfUser(r.Context(), u.ID)
		if err != nil {
			return nil, err
		}
		rows[i] = views.UserRow{ID: u.ID, Name: u.Name, Email: u.Email, Admin: u.Admin, Levels: map[models.StackID]models.Level{}}
		for _, p := range permissions {
			rows[i].Levels[p.StackID] = p.Level
		}
	}
	return rows, nil
}

func (h *Handlers) createUser(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	asked := models.User{Name: f.Get("Name"), Email: f.Get("Email"), Admin: f.Get("Admin") != ""}
	made, err := h.Engine.CreateUser(r.Context(), asked, f.Get("Password"))
	switch {
	case err == nil:
		h.done(w, r, "/team", made.Name+" may sign in now.")
	case models.CodeOf(err) == models.CodeInvalid, models.CodeOf(err) == models.CodeConflict:
		h.drawTeam(w, r, web.StatusOf(err), asked, models.Sentence(err), fieldOf(err))
	default:
		h.fail(w, r, err)
	}
}

func (h *Handlers) resetPassword(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.SetPassword(r.Context(), models.UserID(r.PostForm.Get("user")), r.PostForm.Get("password")); err != nil {
		h.refused(w, r, err, "/team")
		return
	}
	h.done(w, r, "/team", "The password is set. All sessions of this person have ended.")
}

func (h *Handlers) permit(w http.ResponseWriter, r *http.Request) {
	p, err := h.permission(r)
	if err == nil {
		err = h.Engine.Permit(r.Context(), p)
	}
	if err != nil {
		h.refused(w, r, err, "/team")
		return
	}
	h.done(w, r, "/team", "The level is now "+string(p.Level)+".")
}

// permission is the one the form is about with its new level; ssh and sudo stay.
func (h *Handlers) permission(r *http.Request) (models.Permission, error) {
	p := models.Permission{StackID: models.StackID(r.PostForm.Get("stack")), UserID: models.UserID(r.PostForm.Get("user"))}
	old, err := h.Store.Permissions.Get(r.Context(), p.StackID, p.UserID)
	switch {
	case err == nil:
		p = *old
	case models.CodeOf(err) != models.CodeNotFound:
		return p, err
	}
	p.Level = models.Level(r.PostForm.Get("level"))
	return p, nil
}
