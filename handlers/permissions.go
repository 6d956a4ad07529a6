package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
)

// permissionEngine changes permissions.
type permissionEngine interface {
	SetPermission(ctx context.Context, stack models.StackID, user models.UserID, change func(*models.Permission) error) error
	// GrantSSH lets somebody log in for some time, EndSSH ends it.
	GrantSSH(ctx context.Context, stack models.StackID, user models.UserID, sudo bool, d time.Duration) error
	EndSSH(ctx context.Context, stack models.StackID, user models.UserID) error
	// InstanceAccounts is what became of accounts on an instance.
	InstanceAccounts(ctx context.Context, id models.InstanceID) (*models.InstanceAccounts, error)
}

// showPermissions is who may do what in a stack, a part of the people at a time.
func (h *Handlers) showPermissions(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	p, err := h.permissionsPage(r.Context(), stack, r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Frame = h.framed(w, r, p.Frame, "permissions", "Permissions on "+stack.Name, "", crumb("Permissions", ""))
	h.render(w, r, http.StatusOK, views.Permissions(p))
}

func (h *Handlers) permissionsPage(ctx context.Context, stack *models.Stack, q url.Values) (views.PermissionsPage, error) {
	p := views.PermissionsPage{Query: strings.TrimSpace(q.Get("q"))}
	var err error
	if p.Frame, _, err = h.frame(ctx, stack); err != nil {
		return p, err
	}
	t, err := h.teamOn(ctx, stack)
	if err != nil {
		return p, err
	}
	set, err := h.Store.Permissions.OfStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	of := make(map[models.UserID]models.Permission, len(set))
	for _, s := range set {
		of[s.UserID] = s
	}
	logins, err := h.Store.Logins(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Now, p.Logins = h.Now(), len(logins)
	var shown []views.PermissionRow
	actor := models.ActorFrom(ctx)
	for _, u := range t.users {
		addLogin(&p, u, of[u.ID], actor)
		row := personRow(actor, u, of[u.ID], t.through(u.ID, stack.ID))
		row.Why = views.StackAccessHref(stack.ID, u.ID)
		p.Add(row)
		if strings.Contains(strings.ToLower(u.Name), strings.ToLower(p.Query)) {
			shown = append(shown, row)
		}
	}
	p.Pager = views.Pager{Path: p.Frame.Href("/permissions"), Query: known(q, "q"), Offset: offsetOf(q), Limit: perPage, Total: len(shown), Overall: len(t.users)}
	p.Rows, p.Groups = part(shown, p.Pager), t.groupRows(actor, stack.ID)
	return p, nil
}

// addLogin notes who may log in for some time, and to whom it may be given.
func addLogin(p *views.PermissionsPage, u models.User, s models.Permission, actor models.Actor) {
	own := u.ID == actor.UserID && !actor.Admin
	if s.SSHUntil != nil && s.SSHUntil.After(p.Now) {
		p.Timed = append(p.Timed, views.TimedLogin{ID: string(u.ID), Name: u.Name, Until: *s.SSHUntil, Sudo: s.UntilSudo, Own: own})
	}
	if s.Level != models.LevelDeny && !own {
		p.People = append(p.People, ui.Option{Value: string(u.ID), Label: u.Name})
	}
}

// personRow is what a person has in a stack, to look at and change. Links lead
// to the team's pages for those who may open them.
func personRow(actor models.Actor, u models.User, set models.Permission, through []views.GrantRow) views.PermissionRow {
	row := views.PermissionRow{ID: string(u.ID), Name: u.Name, About: u.SSHUsername, Permission: set, Admin: u.Admin, Own: u.ID == actor.UserID, Through: through}
	if u.Admin {
		row.About = strings.TrimPrefix(row.About+", administrator", ", ")
	}
	if actor.Admin {
		row.Href = views.UserHref(u.ID)
	}
	return row
}

// groupRows are what the groups have in a stack. Nobody but an administrator
// changes a group that they are in: it would be their own level.
func (t *team) groupRows(actor models.Actor, stack models.StackID) []views.PermissionRow {
	rows := make([]views.PermissionRow, len(t.groups))
	for n, g := range t.groups {
		href := ""
		if actor.Admin {
			href = views.GroupHref(g.ID)
		}
		rows[n] = groupRow(t.levels[g.ID][stack], string(g.ID), g.Name, href)
		rows[n].About = views.People(len(t.members[g.ID]))
		rows[n].Own = !actor.Admin && slices.Contains(t.members[g.ID], actor.UserID)
	}
	return rows
}

// part is what one page shows of a list.
func part[T any](all []T, p views.Pager) []T {
	from := min(p.Offset, len(all))
	return all[from:min(from+p.Limit, len(all))]
}

// setPermissions writes what was changed in the rows of a stack.
func (h *Handlers) setPermissions(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	n, err := savePermissions(r.PostForm, func(user string, to models.Permission) error {
		return h.Engine.SetPermission(r.Context(), stack.ID, models.UserID(user), personTo(to))
	})
	h.permitted(w, r, n, err, views.StackHref(stack.ID)+"/permissions")
}

func personTo(to models.Permission) func(*models.Permission) error {
	return func(p *models.Permission) error {
		p.Level, p.AllowSSH, p.AllowSudo = to.Level, to.AllowSSH, to.AllowSudo
		return nil
	}
}

// grantSSH lets somebody log in for some time.
func (h *Handlers) grantSSH(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	back := views.StackHref(stack.ID) + "/permissions"
	d, _ := time.ParseDuration(r.PostForm.Get("for")) // what is no time is refused as none
	user := models.UserID(r.PostForm.Get("user"))
	if err := h.Engine.GrantSSH(r.Context(), stack.ID, user, r.PostForm.Get("sudo") != "", d); err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "The account is on its way to the instances, and goes by itself.")
}

// endSSH ends it before its time.
func (h *Handlers) endSSH(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	back := views.StackHref(stack.ID) + "/permissions"
	if err := h.Engine.EndSSH(r.Context(), stack.ID, models.UserID(r.PostForm.Get("user"))); err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "The access has ended.")
}

// permitted leads back to the rows and says how many were written.
func (h *Handlers) permitted(w http.ResponseWriter, r *http.Request, n int, err error, back string) {
	switch {
	case err != nil && n > 0:
		h.refused(w, r, models.Invalid("%s Before it, %s.", models.Sentence(err), permissionsChanged(n)).Because(err), back)
	case err != nil:
		h.refused(w, r, err, back)
	case n == 0:
		h.done(w, r, back, "Nothing was changed.")
	default:
		h.done(w, r, back, strings.ToUpper(permissionsChanged(n)[:1])+permissionsChanged(n)[1:]+".")
	}
}

func permissionsChanged(n int) string {
	if n == 1 {
		return "1 permission was changed"
	}
	return fmt.Sprintf("%d permissions were changed", n)
}

// savePermissions hands on the rows that differ from how they were drawn, so
// that what somebody else changed meanwhile stays.
func savePermissions(form url.Values, set func(id string, to models.Permission) error) (int, error) {
	n := 0
	for _, id := range form["row"] {
		to := models.Permission{Level: models.Level(form.Get("level-" + id)), AllowSSH: form.Get("ssh-"+id) != "", AllowSudo: form.Get("sudo-"+id) != ""}
		was := strings.Fields(form.Get("was-" + id))
		if to.Level == "" && len(was) > 0 {
			to.Level = models.Level(was[0]) // an administrator's level is not offered
		}
		if len(was) == 3 && was[0] == string(to.Level) && was[1] == strconv.FormatBool(to.AllowSSH) && was[2] == strconv.FormatBool(to.AllowSudo) {
			continue
		}
		to.AllowSudo = to.AllowSudo && to.AllowSSH
		if err := set(id, to); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
