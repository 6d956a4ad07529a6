package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"opsyard/engine"
)

// TestEveryAnswerIsSecured asks every surface of the listener that people reach,
// also for what is not there: OWASP ASVS 5.0, 3.4 and 13.4.
func TestEveryAnswerIsSecured(t *testing.T) {
	t.Parallel()
	s, err := newServer(t.Context(), serveFlags{
		dataFlags: dataFlags{Data: t.TempDir(), Database: "sqlite"}, Listen: "127.0.0.1:0", Provider: "sim", PublicURL: "https://ops.example",
	}, slog.New(slog.DiscardHandler), engine.Times{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	public := s.secured(s.routes())
	ask := func(method, path string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "https://ops.example"+path, nil)
		r.Header.Set("Origin", "https://evil.example")
		w := httptest.NewRecorder()
		public.ServeHTTP(w, r)
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Content-Type-Options": "nosniff",
			"Access-Control-Allow-Origin": "", "Server": "", "X-Powered-By": "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
			}
		}
		if got := w.Header().Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
			t.Errorf("%s %s: the referrer policy is %q", method, path, got)
		}
		for _, want := range []string{"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "script-src 'self'"} {
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
				t.Errorf("%s %s: the policy is %q", method, path, policy)
			}
		}
		return w
	}
	for _, path := range []string{"/", "/sign-in", "/livez", "/readyz", "/agent/install.sh", "/agent/session", "/agent/nowhere", "/aws/logs/none", "/nowhere", "/favicon.ico"} {
		ask(http.MethodGet, path)
	}
	ask(http.MethodPost, "/")
	ask(http.MethodPost, "/sign-in")
	ask(http.MethodOptions, "/sign-in")

	for _, path := range []string{"/static/", "/static/js/", "/agent/", "/agent/download/", "/agent/content/"} {
		if w := ask(http.MethodGet, path); w.Code < 300 || strings.Contains(w.Body.String(), ".js") {
			t.Errorf("%s lists a directory: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/", "/sign-in", "/livez", "/agent/install.sh"} {
		if w := ask(http.MethodTrace, path); w.Code < 300 || strings.Contains(w.Body.String(), "evil.example") {
			t.Errorf("TRACE %s answers %d: %s", path, w.Code, w.Body)
		}
	}
	// Figures and profiles are on the admin listener only; the gallery is for
	// --dev.
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/gallery"} {
		if w := ask(http.MethodGet, path); w.Code == http.StatusOK || strings.Contains(w.Body.String(), "go_goroutines") {
			t.Errorf("%s answers %d to everybody", path, w.Code)
		}
	}
	admin := httptest.NewRecorder()
	s.adminHandler().ServeHTTP(admin, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if admin.Code != http.StatusOK || !strings.Contains(admin.Body.String(), "go_goroutines") {
		t.Errorf("the admin listener answers %d", admin.Code)
	}
}
