package handlers

import (
	"context"
	"net/http"
	"strings"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"

	"github.com/a-h/templ"
)

// invitationEngine lets people become users by a link.
type invitationEngine interface {
	// InviteUser is the only answer that holds the link's token.
	InviteUser(ctx context.Context, i models.Invitation) (token string, err error)
	Invitations(ctx context.Context) ([]models.Invitation, error)
	RevokeInvitation(ctx context.Context, id models.InvitationID) error
	// Invitation is the open invitation of a token.
	Invitation(ctx context.Context, token string) (*models.Invitation, error)
	AcceptInvitation(ctx context.Context, token, name, password string) (*models.User, error)
}

// invitationLink is what the invited person opens.
func (h *Handlers) invitationLink(r *http.Request, token string) string {
	return h.address(r) + "/invitation/" + token
}

// showInvitation is the page for whoever holds the link.
func (h *Handlers) showInvitation(w http.ResponseWriter, r *http.Request) {
	i, err := h.Engine.Invitation(r.Context(), r.PathValue("token"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, h.invitationPage(w, r, i, nil))
}

func (h *Handlers) invitationPage(w http.ResponseWriter, r *http.Request, i *models.Invitation, problem error) templ.Component {
	p := views.InvitationPage{
		Page: h.page(w, r, "Invitation", ""), Action: templ.URL("/invitation/" + r.PathValue("token")),
		Inviter: i.Inviter, Gives: "You will be a user of this installation.", Name: i.Name, Fixed: i.Name != "",
	}
	if i.Admin {
		p.Gives = "You will be an administrator of this installation."
	}
	if !p.Fixed {
		p.Name = r.PostForm.Get("name")
	}
	if problem != nil {
		p.Problem, p.Field = models.Sentence(problem), fieldOf(problem)
	}
	return views.Invitation(p)
}

// acceptInvitation makes the user and signs them in.
func (h *Handlers) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	token, password := r.PathValue("token"), r.PostForm.Get("password")
	i, err := h.Engine.Invitation(r.Context(), token)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if password != r.PostForm.Get("again") {
		err := models.InvalidField("Again", "The two passwords differ.")
		h.againBare(w, r, err, h.invitationPage(w, r, i, err))
		return
	}
	u, err := h.Engine.AcceptInvitation(r.Context(), token, strings.TrimSpace(r.PostForm.Get("name")), password)
	if err != nil {
		h.againBare(w, r, err, h.invitationPage(w, r, i, err))
		return
	}
	h.enter(w, r, u.Name, password, "/stacks", "You are signed in as "+u.Name+".")
}

// enter signs in who has just become a user.
func (h *Handlers) enter(w http.ResponseWriter, r *http.Request, name, password, path, sentence string) {
	done, err := h.Engine.SignIn(r.Context(), name, password, browserOf(r))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if err := h.openSession(w, r, done); err != nil {
		h.fail(w, r, err)
		return
	}
	h.done(w, r, path, sentence)
}

// showWelcome is the last step of the first run.
func (h *Handlers) showWelcome(w http.ResponseWriter, r *http.Request) {
	h.drawWelcome(w, r, http.StatusOK, views.WelcomePage{})
}

func (h *Handlers) drawWelcome(w http.ResponseWriter, r *http.Request, status int, p views.WelcomePage) {
	p.Page = h.page(w, r, "A second way in", "")
	h.render(w, r, status, views.Welcome(p))
}

// welcomeCode makes a recovery code for a forgotten password.
func (h *Handlers) welcomeCode(w http.ResponseWriter, r *http.Request) {
	codes, err := h.Engine.NewRecoveryCodes(r.Context(), true)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.drawWelcome(w, r, http.StatusOK, views.WelcomePage{Code: codes[0]})
}

// welcomeInvite invites a second administrator.
func (h *Handlers) welcomeInvite(w http.ResponseWriter, r *http.Request) {
	name := trimmed(r.PostForm, "Name")
	token, err := h.Engine.InviteUser(r.Context(), models.Invitation{Name: name, Admin: true})
	switch {
	case err == nil:
		h.drawWelcome(w, r, http.StatusOK, views.WelcomePage{Link: h.invitationLink(r, token)})
	case models.CodeOf(err) == models.CodeInvalid:
		h.drawWelcome(w, r, web.StatusOf(err), views.WelcomePage{Name: name, Problem: models.Sentence(err), Field: fieldOf(err)})
	default:
		h.fail(w, r, err)
	}
}
