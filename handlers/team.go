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
// engine asks again for each change. action is what the audit calls an attempt
// that is refused here.
func (h *Handlers) teamOnly(action models.Action, page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		about := r.PathValue("user") + r.PathValue("group") + r.PathValue("policy") // one of them at most
		if err := h.Engine.AuthorizeTeam(r.Context(), action, about); err != nil {
			h.fail(w, r, err)
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
	t, err := h.team(ctx)
	if err != nil {
		return p, err
	}
	var shown []models.User
	for _, u := range t.users {
		if u.Admin {
			p.Admins++
		}
		if strings.Contains(strings.ToLower(u.Name), strings.ToLower(p.Query)) {
			shown = append(shown, u)
		}
	}
	query := known(q, "q", "offset", "stacks")
	p.Pager = views.Pager{Path: "/team", Query: query, Offset: offsetOf(q), Limit: perPage, Total: len(shown), Overall: len(t.users)}
	p.Column = views.Pager{Path: "/team", Query: query, Key: "stacks", Offset: offsetOf(url.Values{"offset": q["stacks"]}), Limit: stackColumns, Total: len(t.stacks), Overall: len(t.stacks)}
	p.Tabs, p.Stacks = t.tabs(), part(t.stacks, p.Column)
	if p.Users, err = h.userRows(ctx, t, part(shown, p.Pager), p.Stacks); err != nil {
		return p, err
	}
	p.Invitations, err = h.invitationRows(ctx, t)
	return p, err
}

// userRows reads what people may do in some stacks, and when they were seen.
func (h *Handlers) userRows(ctx context.Context, t *team, users []models.User, stacks []models.Stack) ([]views.UserRow, error) {
	rows := make([]views.UserRow, len(users))
	for n, u := range users {
		rows[n] = views.UserRow{User: u, Permissions: map[models.StackID]models.Permission{}, Through: map[models.StackID][]views.GrantRow{}}
		for _, g := range t.groupsOf(u.ID) {
			rows[n].Groups = append(rows[n].Groups, g.Name)
		}
		for _, s := range stacks {
			rows[n].Through[s.ID] = t.through(u.ID, s.ID)
		}
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
	seen, err := h.Store.Sessions.LastSeen(ctx)
	for n, u := range users {
		rows[n].Seen = seen[u.ID]
	}
	return rows, err
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
func (h *Handlers) withUser(action models.Action, page func(http.ResponseWriter, *http.Request, *models.User)) http.HandlerFunc {
	return h.teamOnly(action, func(w http.ResponseWriter, r *http.Request) {
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
	t, err := h.team(ctx)
	if err != nil {
		return p, err
	}
	for _, g := range t.groups {
		p.Groups = append(p.Groups, views.PersonGroup{Group: g, Levels: t.levelsOf(g.ID), In: slices.Contains(t.members[g.ID], u.ID)})
	}
	p.Policies, p.Others = t.policyRows(models.Principal{UserID: u.ID})
	if err := h.personLevels(ctx, t, r.URL.Query(), &p); err != nil {
		return p, err
	}
	if p.Keys, err = h.keyRows(ctx, u.ID); err != nil {
		return p, err
	}
	if p.Tokens, err = h.tokenRows(ctx, u.ID); err != nil {
		return p, err
	}
	sessions, err := h.Engine.SessionsOf(ctx, u.ID)
	if err != nil {
		return p, err
	}
	if p.Open = h.sessionRows(r, sessions); len(p.Open) > 0 {
		p.Sessions, p.Seen = len(p.Open), p.Open[0].Seen
	}
	factors, err := h.Engine.FactorsOf(ctx, u.ID)
	if err != nil {
		return p, err
	}
	p.App, p.Passkeys, p.Identities = factors.TOTP, len(factors.Passkeys), factors.Identities
	p.Page = h.page(w, r, u.Name, "team", crumb("Team", "/team"), crumb(u.Name, ""))
	return p, nil
}

// personLevels are what a person has on each stack, a part of them at a time.
func (h *Handlers) personLevels(ctx context.Context, t *team, q url.Values, p *views.PersonPage) error {
	set, err := h.Store.Permissions.OfUser(ctx, p.User.ID)
	if err != nil {
		return err
	}
	of := make(map[models.StackID]models.Permission, len(set))
	for _, s := range set {
		of[s.StackID] = s
	}
	var all []views.PermissionRow
	for _, s := range t.stacks {
		row := views.PermissionRow{
			ID: string(s.ID), Name: s.Name, Href: views.StackHref(s.ID) + "/permissions", Permission: of[s.ID], Admin: p.User.Admin, Own: p.Own,
			Through: t.through(p.User.ID, s.ID), Why: views.UserAccessHref(p.User.ID) + "?stack=" + url.QueryEscape(string(s.ID)),
		}
		p.Add(row)
		all = append(all, row)
	}
	p.Stacks = len(t.stacks)
	p.Pager = views.Pager{Path: views.UserHref(p.User.ID), Offset: offsetOf(q), Limit: perPage, Total: len(all), Overall: len(all)}
	p.Permissions = part(all, p.Pager)
	return nil
}

// keyRows are somebody's access keys, with the stacks by name.
func (h *Handlers) keyRows(ctx context.Context, id models.UserID) ([]views.AccessKeyRow, error) {
	keys, err := h.Store.AccessKeys.OfUser(ctx, id)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	names, err := h.stackNamer(ctx)
	rows := make([]views.AccessKeyRow, len(keys))
	for n, k := range keys {
		rows[n] = views.AccessKeyRow{ID: k.ID, Created: k.CreatedAt, LastUsed: k.LastUsed}
		rows[n].Limits = views.Limits{Level: k.Scope.Level, Stacks: names(k.Scope), Expires: k.ExpiresAt}
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
	n, err := savePermissions(r.PostForm, func(stack string, to models.Permission) error {
		return h.Engine.SetPermission(r.Context(), models.StackID(stack), u.ID, personTo(to))
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
