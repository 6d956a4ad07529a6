package handlers

import (
	"context"
	"net/http"
	"net/url"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web/auth"
)

// showUserAccess explains what somebody may do in the stack of the address, or
// else in the first one.
func (h *Handlers) showUserAccess(w http.ResponseWriter, r *http.Request, u *models.User) {
	stack, choice, err := h.chosenStack(r.Context(), r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.AccessPage{User: *u}
	if p.Access, err = h.access(r.Context(), u, stack, views.UserAccessHref(u.ID), r.URL.Query()); err != nil {
		h.fail(w, r, err)
		return
	}
	p.Access.Stacks = choice
	p.Page = h.page(w, r, "What may "+u.Name+" do?", "team", crumb("Team", "/team"), crumb(u.Name, views.UserHref(u.ID)), crumb("Access", ""))
	h.render(w, r, http.StatusOK, views.UserAccess(p))
}

// showMyAccess explains what one may do oneself.
func (h *Handlers) showMyAccess(w http.ResponseWriter, r *http.Request) {
	stack, choice, err := h.chosenStack(r.Context(), r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.MeAccessPage{Page: h.myPage(w, r)}
	if p.Access, err = h.access(r.Context(), auth.User(r.Context()), stack, "/me/access", r.URL.Query()); err != nil {
		h.fail(w, r, err)
		return
	}
	p.Access.Own, p.Access.Stacks = true, choice
	h.render(w, r, http.StatusOK, views.MeAccess(p))
}

// showStackAccess explains to those who manage a stack what somebody may do in
// it.
func (h *Handlers) showStackAccess(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	p, err := h.stackAccess(r.Context(), stack, models.UserID(r.PathValue("user")), r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Frame = h.framed(w, r, p.Frame, "permissions", "What may "+p.Access.Name+" do?", "", crumb("Permissions", p.Frame.Href("/permissions")), crumb(p.Access.Name, ""))
	h.render(w, r, http.StatusOK, views.StackAccess(p))
}

func (h *Handlers) stackAccess(ctx context.Context, stack *models.Stack, id models.UserID, q url.Values) (views.StackAccessPage, error) {
	var p views.StackAccessPage
	u, err := h.Store.Users.Get(ctx, id)
	if err != nil {
		return p, err
	}
	if p.Frame, _, err = h.frame(ctx, stack); err != nil {
		return p, err
	}
	p.Access, err = h.access(ctx, u, stack, views.StackAccessHref(stack.ID, u.ID), q)
	p.Access.Fixed = true
	return p, err
}

// chosenStack is the stack that the address names, else the first that the
// asker may see; nil when there is none.
func (h *Handlers) chosenStack(ctx context.Context, q url.Values) (*models.Stack, []ui.Option, error) {
	stacks, err := h.Engine.VisibleStacks(ctx)
	if err != nil || len(stacks) == 0 {
		return nil, nil, err
	}
	chosen := &stacks[0]
	if id := q.Get("stack"); id != "" {
		chosen = nil
		for n := range stacks {
			if string(stacks[n].ID) == id {
				chosen = &stacks[n]
			}
		}
		if chosen == nil {
			return nil, nil, models.NotFound("stack", id)
		}
	}
	options := make([]ui.Option, len(stacks))
	for n, s := range stacks {
		options[n] = ui.Option{Value: string(s.ID), Label: s.Name, Selected: s.ID == chosen.ID}
	}
	return chosen, options, nil
}

// access asks the engine about every operation. Links lead to the team's pages
// only for those who may open them.
func (h *Handlers) access(ctx context.Context, u *models.User, stack *models.Stack, path string, q url.Values) (views.Access, error) {
	a := views.Access{Name: u.Name, Path: path, Query: known(q, "q", "show", "stack")}
	if stack == nil {
		return a, nil
	}
	a.Stack = stack.Name
	var err error
	if a.All, err = h.Engine.Explain(ctx, u.ID, stack.ID); err != nil {
		return a, err
	}
	if actor := models.ActorFrom(ctx); actor.Admin || actor.UserID == u.ID {
		if a.Outside, err = h.Engine.Explain(ctx, u.ID, ""); err != nil {
			return a, err
		}
	}
	grants, err := h.Store.Permissions.Grants(ctx, stack.ID, u.ID)
	if err != nil {
		return a, err
	}
	for _, g := range grants {
		if g.Level != models.LevelIAMOnly || g.AllowSSH {
			a.Grants = append(a.Grants, views.GrantRow{Group: g.Group, Level: g.Level, SSH: g.AllowSSH, Sudo: g.AllowSudo})
		}
	}
	held, err := h.Store.Policies.OfUser(ctx, u.ID)
	for _, p := range held {
		a.Held = append(a.Held, views.PolicyRow{Name: p.Name, Via: p.Group})
	}
	return a, err
}
