package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/models"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestChainOrderAndRequestID(t *testing.T) {
	t.Parallel()
	var inner string
	h := Chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner = RequestID(r.Context()) }),
		WithRequestID, Log(quiet, time.Now), SecurityHeaders(true), WithRequestID)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "forged")
	h.ServeHTTP(w, r)
	if got := w.Header().Get("X-Request-Id"); got == "" || got != inner || got == "forged" {
		t.Fatalf("got request id %q outside, %q inside", got, inner)
	}
	for _, name := range []string{"Content-Security-Policy", "Strict-Transport-Security", "X-Content-Type-Options"} {
		if w.Header().Get(name) == "" {
			t.Errorf("header %s is missing", name)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
		t.Errorf("policy allows inline: %s", csp)
	}
}

func TestLogHidesOneTimeAddresses(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/setup/s3cret": "/setup/…", "/invitation/s3cret/x": "/invitation/…", "/stacks/1": "/stacks/1"} {
		var b strings.Builder
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
		h := Chain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }), Log(log, time.Now), Recover(log, func(http.ResponseWriter, *http.Request) {}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		if strings.Contains(b.String(), "s3cret") || strings.Count(b.String(), "path="+want) != 2 {
			t.Errorf("%s is logged as %s", path, b.String())
		}
	}
}

// The last resort: a panic is an answer that tells nothing, and a line of the
// log that tells everything; the next request is served.
func TestRecover(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	log := slog.New(slog.NewTextHandler(&lines, nil))
	answer := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", http.StatusInternalServerError) }
	h := Chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/boom" {
			panic("boom of the inside")
		}
	}), WithRequestID, Recover(log, answer))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/boom", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "boom") {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	for _, want := range []string{"level=ERROR", "boom of the inside", "path=/boom", "request_id=" + w.Header().Get("X-Request-Id"), "web_test.go"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log lacks %s: %s", want, lines.String())
		}
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("the next request got %d", w.Code)
	}
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // a panic is the very value
			t.Error("ErrAbortHandler was swallowed")
		}
	}()
	Recover(quiet, answer)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	wrap, err := SameOrigin(refuse)
	if err != nil {
		t.Fatal(err)
	}
	h := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tc := range []struct {
		name, site, origin string
		want               int
	}{
		{"OK same origin", "same-origin", "", 200},
		{"OK no browser", "", "", 200},
		{"ErrCrossSite", "cross-site", "", 403},
		{"ErrSameSite", "same-site", "", 403},
		{"ErrOtherOriginOldBrowser", "", "https://evil.example", 403},
	} {
		r := httptest.NewRequest("POST", "http://ops.example/stacks", nil)
		if tc.site != "" {
			r.Header.Set("Sec-Fetch-Site", tc.site)
		}
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, w.Code, tc.want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want int
	}{
		{models.Invalid("no"), 422},
		{fmt.Errorf("load: %w", models.NotFound("stack", "x")), 404},
		{models.Forbidden("no"), 403},
		{&models.Error{Code: models.CodeUnauthenticated}, 401},
		{models.Conflict("no"), 409},
		{&models.Error{Code: models.CodeThrottled}, 429},
		{&http.MaxBytesError{Limit: 1}, 413},
		{errors.New("disk"), 500},
	} {
		if got := StatusOf(tc.err); got != tc.want {
			t.Errorf("%v: got %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/stacks?q=1": "/stacks?q=1", "": "/", "//evil.example": "/", "https://evil.example": "/",
		"/\\evil.example": "/", "/a\nb": "/", "stacks": "/", "/\t/evil": "/",
	} {
		if got := LocalPath(path, "/"); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

func TestFlashIsShownOnce(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	var cookies Cookies
	cookies.SetFlash(w, Flash{Tone: "ok", Text: "Layer saved; Ünïcode, \"quotes\"."})
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	f, ok := cookies.TakeFlash(w, r)
	if !ok || f.Text != "Layer saved; Ünïcode, \"quotes\"." {
		t.Fatalf("got %+v, %v", f, ok)
	}
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Fatal("the message was not forgotten")
	}
	bad := httptest.NewRequest("GET", "/", nil)
	bad.AddCookie(&http.Cookie{Name: flashCookie, Value: "%%%"})
	if _, ok := cookies.TakeFlash(httptest.NewRecorder(), bad); ok {
		t.Fatal("a broken cookie was shown")
	}
}

func TestLimitBody(t *testing.T) {
	t.Parallel()
	h := LimitBody(4)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		w.WriteHeader(StatusOf(err))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("12345")))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %d, want 413", w.Code)
	}
}

func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave, told := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := &Server{Log: quiet, OnStop: func() { close(told) }, Handler: Compress()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = io.WriteString(w, strings.Repeat("long ", 1000))
	}))}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	got := make(chan string, 1)
	go func() {
		resp, err := (&http.Client{Transport: transport}).Get("http://" + listener.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- string(body)
	}()
	<-entered
	stop()
	<-told
	close(leave)
	if body := <-got; len(body) != 5000 {
		t.Errorf("the request under way got %q", body)
	}
	if err := <-served; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// What OWASP ASVS 5.0 asks of every answer (3.4.1 to 3.4.6, 3.3).
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		w := httptest.NewRecorder()
		SecurityHeaders(secure)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		h := w.Header()
		directives := strings.Split(h.Get("Content-Security-Policy"), "; ")
		for _, want := range []string{"default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'", "script-src 'self'"} {
			if !slices.Contains(directives, want) {
				t.Errorf("the policy lacks %s", want)
			}
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if h.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, h.Get(name), want)
			}
		}
		if h.Get("Permissions-Policy") == "" {
			t.Error("no Permissions-Policy")
		}
		if tls := h.Get("Strict-Transport-Security"); tls != map[bool]string{true: "max-age=31536000; includeSubDomains"}[secure] {
			t.Errorf("over TLS %v, Strict-Transport-Security is %q", secure, tls)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Error("another origin may read answers")
		}
	}
}
