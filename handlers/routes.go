package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
	"opsyard/static"
	"opsyard/web"
	"opsyard/web/auth"
)

// routes is the site map. Pages below user need a signed-in person; those
// inside a stack go through withStack, which loads the stack and asks for the
// level that the page needs.
func (h *Handlers) routes() http.Handler {
	open := http.NewServeMux()
	open.Handle("GET /static/", static.Handler())
	open.HandleFunc("GET /sign-in", h.showSignIn)
	open.HandleFunc("POST /sign-in", h.signIn)
	open.HandleFunc("POST /sign-out", h.signOut)
	open.HandleFunc("GET /sign-in/code", h.showCode)
	open.HandleFunc("POST /sign-in/code", h.signInCode)
	open.HandleFunc("POST /sign-in/passkey/ask", h.askPasskey)
	open.HandleFunc("POST /sign-in/passkey", h.signInPasskey)
	open.HandleFunc("GET /sign-in/oidc", h.goToProvider)
	open.HandleFunc("GET /sign-in/oidc/callback", h.fromProvider)
	open.HandleFunc("GET /invitation/{token}", h.showInvitation)
	open.HandleFunc("POST /invitation/{token}", h.acceptInvitation)
	open.HandleFunc("GET /setup/{token}", h.showSetup)
	open.HandleFunc("POST /setup/{token}", h.setup)
	open.HandleFunc("POST /theme", h.setTheme)

	user := http.NewServeMux()
	user.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { web.SeeOther(w, r, "/stacks") })
	user.HandleFunc("GET /stacks", h.showStacks)
	user.HandleFunc("GET /stacks/new", h.showNewStack)
	user.HandleFunc("POST /stacks", h.createStack)
	user.HandleFunc("GET /me", h.showMe)
	user.HandleFunc("GET /me/keys", h.showMyKeys)
	user.HandleFunc("GET /me/access", h.showMyAccess)
	user.HandleFunc("GET /me/session", h.showSession)
	user.HandleFunc("GET /welcome", h.teamOnly("DescribeUserProfiles", h.showWelcome))
	user.HandleFunc("POST /welcome/code", h.teamOnly("CreateRecoveryCodes", h.welcomeCode))
	user.HandleFunc("POST /welcome/invite", h.teamOnly("InviteUser", h.welcomeInvite))
	user.HandleFunc("GET /ws/live", h.live)

	h.stackRoutes(user)
	h.deskRoutes(user)
	h.logRoutes(user)
	h.notificationRoutes(user)
	h.securityRoutes(user)
	h.auditRoutes(user)
	h.shellRoutes(user)
	h.teamRoutes(user)

	if h.Dev {
		user.HandleFunc("GET /gallery", h.showGallery)
	}
	user.HandleFunc("/", h.notFound)

	h.register("stacks", h.liveStacks)

	open.Handle("/", auth.Require(h.confirming(user), h.askToSignIn))
	return open
}

// may refuses with the sentence what the reader may not do in a stack, or
// outside of all stacks.
func (h *Handlers) may(ctx context.Context, action models.Action, id models.StackID, sentence string) error {
	allowed, err := h.Engine.May(ctx, action, id)
	if err == nil && !allowed {
		h.Engine.RefusedPage(ctx, action, id)
		err = models.Forbidden("%s", sentence)
	}
	return err
}

// withStack loads the stack of the path for somebody who may do action there.
// Who may not even see it is told that there is none.
func (h *Handlers) withStack(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stack, err := h.Engine.Authorize(r.Context(), models.StackID(r.PathValue("stack")), action)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack)
	}
}
