package handlers

import (
	"net/http"

	"opsyard/web"
)

const themeCookie = "theme"

// theme is "light", "dark", or "" for the system's. It is read on the server,
// so that the first paint is right.
func theme(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

func (h *Handlers) setTheme(w http.ResponseWriter, r *http.Request) {
	value, age := r.PostForm.Get("theme"), 365*24*60*60
	if value != "light" && value != "dark" {
		value, age = "", -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: themeCookie, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: h.cookies.Secure, SameSite: http.SameSiteLaxMode,
	})
	web.SeeOther(w, r, web.LocalPath(r.PostForm.Get("back"), "/"))
}
