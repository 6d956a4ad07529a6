package handlers

import (
	"net/http"

	"opsyard/web"
	"opsyard/web/auth"
)

const themeCookie = "theme"

// theme is "light", "dark", or "" for the system's. It is read on the server,
// so that the first paint is right.
func (h *Handlers) theme(r *http.Request) string {
	if kept := h.cookies.Cookies.Get(r, themeCookie); kept == "light" || kept == "dark" {
		return kept
	}
	return ""
}

// setTheme keeps the choice in this browser, and with the user for the next one.
func (h *Handlers) setTheme(w http.ResponseWriter, r *http.Request) {
	chosen := r.PostForm.Get("theme")
	if chosen != "light" && chosen != "dark" {
		chosen = ""
	}
	if auth.User(r.Context()) != nil {
		if err := h.Engine.SetTheme(r.Context(), chosen); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.keepTheme(w, chosen)
	web.SeeOther(w, r, web.LocalPath(r.PostForm.Get("back"), "/"))
}

func (h *Handlers) keepTheme(w http.ResponseWriter, chosen string) {
	age := 365 * 24 * 60 * 60
	if chosen == "" {
		age = -1
	}
	h.cookies.Cookies.Set(w, themeCookie, chosen, age)
}
