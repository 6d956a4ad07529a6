package handlers

import (
	"net/http"

	"opsyard/models"
)

// deskEngine is what the pages of hosts, schedules, resources and people ask
// of the engine.
type deskEngine interface {
	registerEngine
	resourceEngine
}

// deskRoutes are the pages of hosts, schedules, resources and people.
func (h *Handlers) deskRoutes(mux *http.ServeMux) {
	const manage = models.ActionManage
	h.resourceRoutes(mux)

	mux.HandleFunc("GET /stacks/{stack}/register", h.withStack(manage, h.showRegister))
	mux.HandleFunc("POST /stacks/{stack}/register", h.withStack(manage, h.registerHost))
}
