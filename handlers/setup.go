package handlers

import (
	"net/http"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

func (h *Handlers) showSetup(w http.ResponseWriter, r *http.Request) {
	needed, err := h.Engine.SetupNeeded(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if !needed {
		h.done(w, r, "/sign-in", "Opsyard is set up already. Sign in with your name.")
		return
	}
	h.render(w, r, http.StatusOK, h.setupPage(w, r, "", ""))
}

func (h *Handlers) setupPage(w http.ResponseWriter, r *http.Request, problem, field string) templ.Component {
	return views.Setup(views.SetupPage{
		Page: h.page(w, r, "Set up", ""), Action: templ.URL("/setup/" + r.PathValue("token")),
		Name: r.PostForm.Get("name"), Problem: problem, Field: field,
	})
}

// setup makes the first administrator and signs them in. The token is checked
// by the engine, in the same transaction.
func (h *Handlers) setup(w http.ResponseWriter, r *http.Request) {
	name, password := r.PostForm.Get("name"), r.PostForm.Get("password")
	if password != r.PostForm.Get("again") {
		err := models.InvalidField("Again", "The two passwords differ.")
		h.againBare(w, r, err, h.setupPage(w, r, err.Message, err.Field))
		return
	}
	if _, err := h.Engine.FirstRun(r.Context(), r.PathValue("token"), name, password); err != nil {
		h.againBare(w, r, err, h.setupPage(w, r, models.Sentence(err), ""))
		return
	}
	h.enter(w, r, name, password, "/welcome", "You are the administrator "+name+".")
}
