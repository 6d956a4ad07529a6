package handlers

import (
	"context"
	"net/http"
	"time"

	"opsyard/models"
	"opsyard/views"
)

// registerEngine makes what a host needs to join a stack.
type registerEngine interface {
	CreateEnrollToken(ctx context.Context, stack models.StackID, layer models.LayerID, ttl time.Duration) (string, error)
}

// enrollTTL is how long the command of the page can be used.
const enrollTTL = time.Hour

// showRegister tells how a host becomes an instance of the stack.
func (h *Handlers) showRegister(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	h.drawRegister(w, r, stack, models.LayerID(r.URL.Query().Get("layer")), "")
}

// registerHost makes a one-time token and shows the command that holds it: the
// answer to the form is the only place where it is ever seen.
func (h *Handlers) registerHost(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	layer := models.LayerID(r.PostForm.Get("LayerId"))
	token, err := h.Engine.CreateEnrollToken(r.Context(), stack.ID, layer, enrollTTL)
	if err != nil {
		h.refused(w, r, err, views.StackHref(stack.ID)+"/register")
		return
	}
	h.drawRegister(w, r, stack, layer, token)
}

func (h *Handlers) drawRegister(w http.ResponseWriter, r *http.Request, stack *models.Stack, layer models.LayerID, token string) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.RegisterPage{Server: h.address(r), Region: stack.Region, Layer: layer, Token: token, Expires: h.Now().Add(enrollTTL)}
	if p.Layers, err = h.Store.Layers.InStack(r.Context(), stack.ID); err != nil {
		h.fail(w, r, err)
		return
	}
	p.Frame = h.framed(w, r, frame, "instances", "Register a host", "", crumb("Instances", frame.Href("/instances")), crumb("Register a host", ""))
	h.render(w, r, http.StatusOK, views.Register(p))
}

// address is how people and machines reach this server: the public address,
// or the one that the asker used.
func (h *Handlers) address(r *http.Request) string {
	switch {
	case h.PublicURL != "":
		return h.PublicURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
