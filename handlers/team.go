package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// stackColumns is how many stacks the table of levels shows beside each other.
const stackColumns = 6

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

// showTeam lists the people, and their levels on some of the stacks.
func (h *Handlers) showTeam(w http.ResponseWriter, r *http.Request) {
	p, err := h.teamPage(r.Context(), r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Page = h.page(w, r, "Team", "team", ui.Crumb{Label: "Team"})
	h.render(w, r, http.StatusOK, views.Team(p))
}

func (h *Handlers) teamPage(ctx context.Context, q url.Values) (views.TeamPage, error) {
	p := views.TeamPage{Query: strings.TrimSpace(q.Get("q"))}
	query := known(q, "q", "offset", "stacks")
	stacks, err := h.Engine.VisibleStacks(ctx)
	if err != nil {
		return p, err
	}
	users, err := h.Store.Users.List(ctx)
	if err != nil {
		return p, err
	}
	var shown []models.User
	for _, u := range users {
		if u.Admin {
			p.Admins++
		}
		if strings.Contains(strings.ToLower(u.Name), strings.ToLower(p.Query)) {
			shown = append(shown, u)
		}
	}
	p.Pager = views.Pager{Path: "/team", Query: query, Offset: offsetOf(q), Limit: perPage, Total: len(shown), Overall: len(users)}
	p.Column = views.Pager{Path: "/team", Query: query, Key: "stacks", Offset: offsetOf(url.Values{"offset": q["stacks"]}), Limit: stackColumns, Total: len(stacks), Overall: len(stacks)}
	p.Stacks = part(stacks, p.Column)
	p.Users, err = h.userRows(ctx, part(shown, p.Pager), p.Stacks)
	return p, err
}

// userRows reads what people may do in some stacks.
func (h *Handlers) userRows(ctx context.Context, users []models.User, stacks []models.Stack) ([]views.UserRow, error) {
	rows := make([]views.UserRow, len(users))
	for n, u := range users {
		rows[n] = views.UserRow{User: u, Permissions: map[models.StackID]models.Permission{}}
	}
	for _, s := range stacks {
		permissions, err := h.Store.Permissions.OfStack(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range permissions {
			if n := slices.IndexFunc(users, func(u models.User) bool { return u.ID == p.UserID }); n >= 0 {
				rows[n].Permissions[s.ID] = p
			}
		}
	}
	return rows, nil
}

// showNewUser is the form for one more person.
func (h *Handlers) showNewUser(w http.ResponseWriter, r *http.Request) {
	form := views.Form{Values: url.Values{"AllowSelfManagement": {"on"}}}
	h.render(w, r, http.StatusOK, views.PersonNew(h.personForm(w, r, form)))
}

func (h *Handlers) personForm(w http.ResponseWriter, r *http.Request, form views.Form) views.PersonForm {
	return views.PersonForm{Page: h.page(w, r, "Add a person", "team", crumb("Team", "/team"), crumb("Add a person", "")), Form: form}
}

// createUser adds a person by name or by the ARN of a user of IAM.
func (h *Handlers) createUser(w http.ResponseWriter, r *http.Request) {
	made, err := h.newUser(r.Context(), r.PostForm)
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			if field == "IamUserArn" {
				field = "Name" // both are typed there
			}
			return views.PersonNew(h.personForm(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field}))
		})
		return
	}
	sentence := made.Name + " may sign in now. Give them a level on a stack."
	if r.PostForm.Get("Password") == "" {
		sentence = made.Name + " was added without a password. Give them a level on a stack."
	}
	h.done(w, r, views.UserHref(made.ID), sentence)
}

func (h *Handlers) newUser(ctx context.Context, form url.Values) (*models.User, error) {
	u := models.User{Name: trimmed(form, "Name")}
	fillUser(&u, form)
	password := form.Get("Password")
	if !strings.HasPrefix(u.Name, "arn:") {
		return h.Engine.CreateUser(ctx, u, password)
	}
	u.IamUserArn, u.Name = u.Name, ""
	if password != "" || u.Admin {
		return nil, models.InvalidField("Name", "A user by ARN is added without a password and rights; give them on their page afterwards.")
	}
	return h.Engine.CreateUserProfile(ctx, u)
}

func fillUser(u *models.User, form url.Values) {
	u.SSHUsername, u.SSHPublicKey = trimmed(form, "SshUsername"), trimmed(form, "SshPublicKey")
	u.Email, u.Admin, u.AllowSelfManagement = trimmed(form, "Email"), form.Get("Admin") != "", form.Get("AllowSelfManagement") != ""
}

// withUser loads the person of the path.
func (h *Handlers) withUser(page func(http.ResponseWriter, *http.Request, *models.User)) http.HandlerFunc {
	return h.teamOnly(func(w http.ResponseWriter, r *http.Request) {
		u, err := h.Store.Users.Get(r.Context(), models.UserID(r.PathValue("user")))
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, u)
	})
}

// showUser is one person's page.
func (h *Handlers) showUser(w http.ResponseWriter, r *http.Request, u *models.User) {
	p, err := h.personPage(w, r, u, views.Form{})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.Person(p))
}

func (h *Handlers) personPage(w http.ResponseWriter, r *http.Request, u *models.User, form views.Form) (views.PersonPage, error) {
	ctx := r.Context()
	p := views.PersonPage{User: *u, Form: form, Own: u.ID == models.ActorFrom(ctx).UserID}
	stacks, err := h.Engine.VisibleStacks(ctx)
	if err != nil {
		return p, err
	}
	set, err := h.Store.Permissions.OfUser(ctx, u.ID)
	if err != nil {
		return p, err
	}
	of := make(map[models.StackID]models.Permission, len(set))
	for _, s := range set {
		of[s.StackID] = s
		if s.Level.Allows(models.ActionShow) {
			p.Levels++
		}
	}
	p.Stacks = len(stacks)
	p.Pager = views.Pager{Path: views.UserHref(u.ID), Offset: offsetOf(r.URL.Query()), Limit: perPage, Total: len(stacks), Overall: len(stacks)}
	for _, s := range part(stacks, p.Pager) {
		p.Permissions = append(p.Permissions, views.PermissionRow{
			ID: string(s.ID), Name: s.Name, Href: views.StackHref(s.ID) + "/permissions", Permission: of[s.ID], Admin: u.Admin, Own: p.Own,
		})
	}
	if p.Keys, err = h.keyRows(ctx, u.ID); err != nil {
		return p, err
	}
	sessions, err := h.Store.Sessions.OfUser(ctx, u.ID)
	if err != nil {
		return p, err
	}
	if open := h.sessionRows(r, sessions); len(open) > 0 {
		p.Sessions, p.Seen = len(open), open[0].Seen
	}
	p.Page = h.page(w, r, u.Name, "team", crumb("Team", "/team"), crumb(u.Name, ""))
	return p, nil
}

func (h *Handlers) keyRows(ctx context.Context, id models.UserID) ([]views.AccessKeyRow, error) {
	keys, err := h.Store.AccessKeys.OfUser(ctx, id)
	rows := make([]views.AccessKeyRow, len(keys))
	for n, k := range keys {
		rows[n] = views.AccessKeyRow{ID: k.ID, Created: k.CreatedAt, LastUsed: k.LastUsed}
	}
	return rows, err
}

// updateUser stores a person's profile.
func (h *Handlers) updateUser(w http.ResponseWriter, r *http.Request, u *models.User) {
	err := h.Engine.UpdateUserProfile(r.Context(), u.IamUserArn, func(u *models.User) error {
		fillUser(u, r.PostForm)
		return nil
	})
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			form := views.Form{Values: r.PostForm, Problem: sentence, Field: field}
			form.Values.Set("profile", "1")
			p, err := h.personPage(w, r, u, form)
			if err != nil {
				return failed{err}
			}
			return views.Person(p)
		})
		return
	}
	h.done(w, r, views.UserHref(u.ID), "The profile of "+u.Name+" is saved.")
}

// setUserPermissions writes what was changed in the rows of a person.
func (h *Handlers) setUserPermissions(w http.ResponseWriter, r *http.Request, u *models.User) {
	n, err := savePermissions(r.PostForm, func(stack string, change func(*models.Permission) error) error {
		return h.Engine.SetPermission(r.Context(), models.StackID(stack), u.ID, change)
	})
	h.permitted(w, r, n, err, views.UserHref(u.ID))
}

// resetPassword gives a person a new password.
func (h *Handlers) resetPassword(w http.ResponseWriter, r *http.Request, u *models.User) {
	if err := h.Engine.SetPassword(r.Context(), u.ID, r.PostForm.Get("password")); err != nil {
		h.refused(w, r, err, views.UserHref(u.ID))
		return
	}
	h.done(w, r, views.UserHref(u.ID), "The password is set. All sessions of "+u.Name+" have ended.")
}

// deleteUserKey ends a key of a person.
func (h *Handlers) deleteUserKey(w http.ResponseWriter, r *http.Request, u *models.User) {
	h.endKey(w, r, u.ID, views.UserHref(u.ID))
}

// endKey ends a key of that person, whoever asks.
func (h *Handlers) endKey(w http.ResponseWriter, r *http.Request, owner models.UserID, back string) {
	id := r.PostForm.Get("key")
	key, err := h.Store.AccessKeys.Get(r.Context(), id)
	if err == nil && key.UserID != owner {
		err = models.NotFound("access key", id)
	}
	if err == nil {
		err = h.Engine.DeleteAccessKey(r.Context(), id)
	}
	if err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "The key "+id+" is deleted; what it signs is refused.")
}

// deleteUser removes a person; their name was typed.
func (h *Handlers) deleteUser(w http.ResponseWriter, r *http.Request, u *models.User) {
	err := typed(r, u.Name)
	if err == nil {
		err = h.Engine.DeleteUserProfile(r.Context(), u.IamUserArn)
	}
	if err != nil {
		h.refused(w, r, err, views.UserHref(u.ID))
		return
	}
	h.done(w, r, "/team", u.Name+" was deleted.")
}
