package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showInvite is the form that invites somebody.
func (h *Handlers) showInvite(w http.ResponseWriter, r *http.Request) {
	p, err := h.inviteForm(w, r, views.Form{})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.Invite(p))
}

func (h *Handlers) inviteForm(w http.ResponseWriter, r *http.Request, form views.Form) (views.InviteForm, error) {
	p := views.InviteForm{Page: h.page(w, r, "Invite somebody", "team", crumb("Team", "/team"), crumb("Invite", "")), Form: form}
	var err error
	if p.Groups, err = h.Store.Groups.List(r.Context()); err != nil {
		return p, err
	}
	p.Stacks, err = h.Engine.VisibleStacks(r.Context())
	return p, err
}

// invite makes an invitation and shows its link: the answer to the form is the
// only place where it is ever seen.
func (h *Handlers) invite(w http.ResponseWriter, r *http.Request) {
	i := models.Invitation{
		Name: trimmed(r.PostForm, "Name"), Email: trimmed(r.PostForm, "Email"), Admin: r.PostForm.Get("Admin") != "",
		GroupID: models.GroupID(r.PostForm.Get("GroupId")), StackID: models.StackID(r.PostForm.Get("StackId")),
	}
	if i.StackID != "" {
		i.Level = models.Level(r.PostForm.Get("Level"))
	}
	token, err := h.Engine.InviteUser(r.Context(), i)
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			p, err := h.inviteForm(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.Invite(p)
		})
		return
	}
	page := h.page(w, r, "Invitation", "team", crumb("Team", "/team"), crumb("Invitation", ""))
	h.render(w, r, http.StatusOK, views.Invite(views.InviteForm{Page: page, Link: h.invitationLink(r, token), Whom: i.Name, Ends: h.Now().Add(models.InvitationLimit)}))
}

// revokeInvitation takes an open invitation back.
func (h *Handlers) revokeInvitation(w http.ResponseWriter, r *http.Request) {
	if err := h.Engine.RevokeInvitation(r.Context(), models.InvitationID(r.PostForm.Get("invitation"))); err != nil {
		h.refused(w, r, err, "/team")
		return
	}
	h.done(w, r, "/team", "The invitation is taken back; its link no longer works.")
}

// invitationRows are the invitations that can still be used.
func (h *Handlers) invitationRows(ctx context.Context, t *team) ([]views.InvitationRow, error) {
	all, err := h.Engine.Invitations(ctx)
	var rows []views.InvitationRow
	for _, i := range all {
		if i.UsedAt != nil || !i.ExpiresAt.After(h.Now()) {
			continue
		}
		row := views.InvitationRow{Invitation: i}
		for _, g := range t.groups {
			if g.ID == i.GroupID {
				row.Group = g.Name
			}
		}
		for _, s := range t.stacks {
			if s.ID == i.StackID {
				row.Stack = s.Name
			}
		}
		rows = append(rows, row)
	}
	return rows, err
}
