package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/web"
)

type sessions map[string]*models.User

func (s sessions) Session(_ context.Context, cookie string) (*models.Session, *models.User, error) {
	if cookie == "broken" {
		return nil, nil, errors.New("database is away")
	}
	if u := s[cookie]; u != nil {
		return &models.Session{Hash: "hash", UserID: u.ID}, u, nil
	}
	return nil, nil, &models.Error{Code: models.CodeUnauthenticated, Message: "Sign in again."}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	known := sessions{"good": {ID: "u1", Name: "ana", Admin: true}}
	for _, tc := range []struct {
		name, cookie string
		secure       bool
		status       int
		actor        string
		cleared      bool
	}{
		{"OK", "good", false, 200, "ana", false},
		{"OK TLS", "good", true, 200, "ana", false},
		{"Nobody", "", false, 401, "", false},
		{"ErrOver", "old", false, 401, "", true},
		{"ErrLookup", "broken", false, 500, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cookies := Cookies{web.Cookies{Secure: tc.secure}}
			var actor models.Actor
			page := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { actor = models.ActorFrom(r.Context()) })
			signIn := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }
			failed := func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(500) }
			h := Load(known, cookies, failed)(Require(page, signIn))
			r := httptest.NewRequest("GET", "/stacks", nil)
			if tc.cookie != "" {
				r.AddCookie(cookies.Make(session, tc.cookie, 60))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.status || actor.Name != tc.actor {
				t.Fatalf("got %d as %q, want %d as %q", w.Code, actor.Name, tc.status, tc.actor)
			}
			if actor.Name != "" && (actor.Kind != models.ActorUser || !actor.Admin || actor.SourceAddr != "192.0.2.1" || actor.Surface != "console" || actor.Session != "hash") {
				t.Errorf("got actor %+v", actor)
			}
			if got := len(w.Result().Cookies()) == 1; got != tc.cleared {
				t.Errorf("cookie cleared: got %v, want %v", got, tc.cleared)
			}
		})
	}
}

func TestCookieIsBoundToTheHostOnTLS(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	cookies := Cookies{web.Cookies{Secure: true}}
	cookies.Set(w, "x")
	cookies.Clear(w)
	cookies.SetBrief(w, Step, "x")
	cookies.SetBrief(w, Provider, "")
	cookies.SetFlash(w, web.Flash{Text: "x"})
	made := w.Result().Cookies()
	if len(made) != 5 || made[0].Name != "__Host-opsyard" {
		t.Errorf("got %v", made)
	}
	for _, c := range made {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("got %+v", c)
		}
	}
}
