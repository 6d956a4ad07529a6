package web

import "net/http"

// Cookies writes and reads cookies as all of ours are: out of reach of scripts,
// not sent with the requests of other sites, and over TLS bound to this host.
type Cookies struct {
	// Secure: people reach the server by TLS.
	Secure bool
}

func (c Cookies) name(plain string) string {
	if c.Secure {
		return "__Host-" + plain
	}
	return plain
}

// Make is a cookie that lasts for age seconds; a negative age forgets it.
func (c Cookies) Make(name, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// Set keeps a value in the browser for age seconds; a negative age forgets it.
func (c Cookies) Set(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, c.Make(name, value, age))
}

// Get is what Set has kept; empty when there is nothing.
func (c Cookies) Get(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.name(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}
