package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/web/oidc"
	"opsyard/web/oidc/oidctest"
)

// withProvider is a real console that a provider is connected to.
func withProvider(t *testing.T) (*realConsole, *oidctest.Provider) {
	t.Helper()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	other := oidctest.New(t, "opsyard", "s3cret")
	p, err := oidc.New(oidc.Config{Issuer: other.URL, ClientID: "opsyard", ClientSecret: "s3cret", GroupClaim: "groups", Name: "Example ID", PublicURL: c.url})
	if err != nil {
		t.Fatal(err)
	}
	c.h.OIDC = p
	return c, other
}

// atProvider sends a browser to the provider and gives the address that it is
// sent back to.
func (b *browser) atProvider(query string) string {
	t := b.c.t
	t.Helper()
	there := b.do("GET", "/sign-in/oidc"+query, nil, "Referer", b.c.url+"/me/security")
	if there.status != http.StatusSeeOther || !strings.Contains(there.location, "/authorize?") {
		t.Fatalf("got %d to %q", there.status, there.location)
	}
	r, err := b.client.Get(there.location)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	back, err := r.Location()
	if err != nil {
		t.Fatalf("the provider answers %s", r.Status)
	}
	return back.RequestURI()
}

func TestProviderSignIn(t *testing.T) {
	t.Parallel()
	c, other := withProvider(t)
	eng := c.h.Engine.(*engine.Engine)
	setup := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Admin: true})
	ops, err := eng.CreateGroup(setup, "Operators")
	if err == nil {
		err = eng.SetGroupClaim(setup, ops.ID, "ops")
	}
	if err == nil {
		err = eng.SetGroupPermission(setup, c.fleet.stack.ID, ops.ID, func(p *models.GroupPermission) error { p.Level = models.LevelDeploy; return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	c.browser().get("/sign-in?next=%2Fme").want(t, 200, "Sign in with Example ID", "/sign-in/oidc?next=%2Fme")
	stack := "/stacks/" + string(c.fleet.stack.ID)

	other.SignIn(map[string]any{"sub": "s1", "preferred_username": "mira", "email": "mira@example.org", "groups": []string{"ops"}})
	mira := c.browser()
	mira.get(mira.atProvider("?next=%2Fme")).wantLocation(t, "/me")
	mira.get("/me").want(t, 200, "mira")
	mira.get(stack).want(t, 200)
	mira.get(stack+"/settings").want(t, 403)
	mira.get("/me/security").want(t, 200, "You sign in without a password.", other.URL, "by provider")

	agreed := c.h.OIDC
	guessing, err := oidc.New(oidc.Config{Issuer: other.URL, ClientID: "opsyard", ClientSecret: "s3cret", Name: "Example ID", PublicURL: c.url})
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []struct {
		groups []string // nil: nothing
		of     Provider
		status int
	}{
		{nil, guessing, 200}, {[]string{}, guessing, 404}, {[]string{"ops"}, guessing, 200}, {nil, agreed, 404}, {[]string{"ops"}, agreed, 200}, {[]string{}, agreed, 404},
	} {
		c.h.OIDC = says.of
		claims := map[string]any{"sub": "s1", "preferred_username": "mira"}
		if says.groups != nil {
			claims["groups"] = says.groups
		}
		other.SignIn(claims)
		again := c.browser()
		again.get(again.atProvider("")).wantLocation(t, "/stacks")
		if a := mira.get(stack); a.status != says.status { // at once, in all sessions
			t.Errorf("after %+v the stack answers %d", says, a.status)
		}
	}
	other.SignIn(map[string]any{"sub": "s1", "preferred_username": "mira"})
	other.Mute(true)
	away := c.browser()
	away.get(away.atProvider("")).wantLocation(t, "/sign-in")
	away.get("/sign-in").want(t, 200, "did not say which groups you are in")
	other.Mute(false)

	// A name proves nothing: another mira there is another user here.
	other.SignIn(map[string]any{"sub": "s2", "preferred_username": "root", "groups": []string{"ops"}})
	impostor := c.browser()
	impostor.get(impostor.atProvider("")).wantLocation(t, "/stacks")
	impostor.get("/me").want(t, 200, "root@127.0.0.1")
	impostor.get("/team").want(t, 403)
}

// The provider's tokens stay on the server: no cookie, no page and no file has
// them.
func TestProviderTokensStayOnTheServer(t *testing.T) {
	t.Parallel()
	c, other := withProvider(t)
	other.SignIn(map[string]any{"sub": "s1", "preferred_username": "mira"})
	b := c.browser()
	at, err := url.Parse(c.url)
	c.fleet.must(err)
	answers := []answer{b.get(b.atProvider("")), b.get("/me"), b.get("/me/security"), b.get("/me/session")}
	given := other.Given()
	if len(given) != 2 || answers[0].location != "/stacks" {
		t.Fatalf("%d tokens were given, and the browser is sent to %s", len(given), answers[0].location)
	}
	var told strings.Builder
	for _, a := range answers {
		fmt.Fprintln(&told, a.body, a.header)
	}
	fmt.Fprintln(&told, b.client.Jar.Cookies(at))
	for _, file := range c.databaseFiles() {
		data, err := os.ReadFile(file)
		c.fleet.must(err)
		told.Write(data)
	}
	for _, token := range given {
		if strings.Contains(told.String(), token) {
			t.Errorf("%.20s… is told", token)
		}
	}
	if !strings.Contains(told.String(), "mira") {
		t.Error("nothing was looked through")
	}
}

func TestProviderAnswersAreBound(t *testing.T) {
	t.Parallel()
	c, other := withProvider(t)
	other.SignIn(map[string]any{"sub": "s1", "preferred_username": "mira"})
	b := c.browser()
	back := b.atProvider("")
	refused := func(name string, b *browser, path, sentence string) {
		t.Helper()
		if a := b.get(path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/sign-in") {
			t.Fatalf("%s: got %d to %q", name, a.status, a.location)
		}
		b.get("/sign-in").want(t, 200, sentence)
		b.get("/me").wantLocation(t, "/sign-in?next=%2Fme")
	}
	refused("another browser", c.browser(), back, "Begin again")
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("state", "guessed")
	refused("another state", b, u.Path+"?"+q.Encode(), "not for you")
	refused("the step is spent", b, back, "Begin again")
	back = b.atProvider("")
	b.get(back).wantLocation(t, "/stacks")
	refused("a repeat", c.browser(), back, "Begin again")
	other.SignIn(nil)
	stranger := c.browser()
	refused("refused there", stranger, stranger.atProvider(""), "did not sign you in (access_denied)")
	other.SignIn(map[string]any{"sub": "s1"})
	other.Lie(func(a *oidctest.Answer) { a.Claims["nonce"] = "other" })
	refused("a lie", stranger, stranger.atProvider(""), "was not accepted")
}

// Somebody who is a user already connects their account, and may then sign in
// and confirm there.
func TestProviderConnect(t *testing.T) {
	t.Parallel()
	c, other := withProvider(t)
	other.SignIn(map[string]any{"sub": "s9", "preferred_username": "root"})
	c.browser().get("/sign-in/oidc?for=connect").wantLocation(t, "/sign-in?next=%2Fsign-in%2Foidc%3Ffor%3Dconnect")
	b := c.as("root")
	b.get(b.atProvider("?for=connect")).wantLocation(t, "/me/security")
	b.get("/me/security").want(t, 200, "is connected", other.URL)
	in := c.browser()
	in.get(in.atProvider("")).wantLocation(t, "/stacks")
	in.get("/team").want(t, 200)
	thief := c.as("show")
	thief.get(thief.atProvider("?for=connect")).wantLocation(t, "/me/security")
	thief.get("/me/security").want(t, 200, "tied to a user already")

	root, err := c.store.Users.ByName(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := c.store.Sessions.OfUser(t.Context(), root.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		if err := c.store.Sessions.Confirm(t.Context(), s.Hash, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	in.post("/me/security/codes").want(t, 403, "Confirm with Example ID")
	old := time.Now().Add(-time.Hour).Unix()
	other.Lie(func(a *oidctest.Answer) { a.Claims["auth_time"] = old })
	in.get(in.atProvider("?for=confirm&next=%2Fme")).wantLocation(t, "/confirm?next=%2Fme")
	in.get("/confirm").want(t, 200, "did not ask again")
	other.Lie(nil)
	in.get(in.atProvider("?for=confirm&next=%2Fme")).wantLocation(t, "/me")
	in.post("/me/security/codes").want(t, 200, "never shown again")
	if q := other.Asked(); q.Get("prompt") != "login" {
		t.Errorf("asked with %v", q)
	}
}

// Another site signs somebody in at the provider as its own user and sends them
// along the link that connects: they would be tied to a stranger.
func TestNobodyIsConnectedFromElsewhere(t *testing.T) {
	t.Parallel()
	c, other := withProvider(t)
	other.SignIn(map[string]any{"sub": "stranger"})
	b := c.as("root")
	for _, header := range [][]string{
		nil, {"Referer", "https://evil.example/me/security"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "none"},
		{"Referer", c.url + "/confirm?next=%2Fsign-in%2Foidc%3Ffor%3Dconnect", "Sec-Fetch-Site", "same-origin"},
		{"Referer", c.url + "/sign-in?next=%2Fsign-in%2Foidc%3Ffor%3Dconnect", "Sec-Fetch-Site", "same-origin"},
	} {
		b.do("GET", "/sign-in/oidc?for=connect", nil, header...).wantLocation(t, "/me/security")
	}
	if a := b.do("GET", "/sign-in/oidc?for=connect", nil, "Sec-Fetch-Site", "same-origin"); !strings.Contains(a.location, "/authorize?") {
		t.Errorf("from our own page, by a browser that names none: got %d to %q", a.status, a.location)
	}
	other.SignIn(map[string]any{"sub": "own"})
	b.get(b.atProvider("?for=connect")).wantLocation(t, "/me/security")
	b.get("/me/security").want(t, 200, ">own<", "/me/security/identities/delete")
	b.post("/me/security/identities/delete", "issuer", other.URL, "subject", "own").wantLocation(t, "/me/security")
	b.get("/me/security").want(t, 200, "is disconnected")
	if b := c.browser(); b.get(b.atProvider("")).location == "/stacks" {
		if team := b.get("/team"); team.status != http.StatusForbidden {
			t.Errorf("the account that was disconnected sees the team: %d", team.status)
		}
	}
}

// Passwords are taken while the provider is away.
func TestProviderAwayPasswordsStay(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	p, err := oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1", ClientID: "opsyard", Name: "Example ID", PublicURL: c.url})
	if err != nil {
		t.Fatal(err)
	}
	c.h.OIDC = p
	b := c.browser()
	b.get("/sign-in/oidc?next=%2Fme").wantLocation(t, "/sign-in?next=%2Fme")
	b.get("/sign-in").want(t, 200, "Example ID cannot be reached at present. Sign in with your password")
	b.post("/sign-in", "name", "root", "password", goodPassword).wantLocation(t, "/stacks")
}

// FuzzProviderCallback sends anything to the callback: it never lets in and
// never crashes. STEP and STATE stand for those of somebody who was sent to the
// provider just now.
func FuzzProviderCallback(f *testing.F) {
	f.Add("state=a&code=b&iss=c", "cookie")
	f.Add("error=access_denied&error_description=%3Cb%3E", "")
	f.Add("state=&state=&code=%00", "\x00")
	f.Add("state=STATE&code=b&iss=c", "STEP")
	f.Add("state=STATE&error=access_denied", "STEP")
	f.Add("state=STATE&error=%0d%0a<script>", "STEP")
	f.Add("state=STAT", "STEP")
	c := fuzzConsole(f)
	f.Fuzz(func(t *testing.T, query, cookie string) {
		state := rand.Text()
		step, err := c.engine.BeginOIDC(t.Context(), engine.OIDCStep{State: state, Nonce: "n", Verifier: "v", Next: query, For: engine.OIDCSignIn})
		if err != nil {
			t.Fatal(err)
		}
		query, cookie = strings.ReplaceAll(query, "STATE", state), strings.ReplaceAll(cookie, "STEP", step)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+oidc.CallbackPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = url.QueryEscape(query)
		if q, err := url.ParseQuery(query); err == nil {
			r.URL.RawQuery = q.Encode()
		}
		r.AddCookie(&http.Cookie{Name: "opsyard-provider", Value: cookie})
		c.neverIn(t, r)
	})
}

// FuzzSignInForms sends anything to the forms of signing in.
func FuzzSignInForms(f *testing.F) {
	f.Add("name=root&password=x&next=//evil", "sign-in", "")
	f.Add("Code=123456&next=%2F", "sign-in/code", "step")
	f.Add("challenge=x&answer={}", "sign-in/passkey", "")
	f.Add("name=a&password=a&again=a", "invitation/x", "")
	f.Add("name=a&password=a&again=a", "setup/x", "")
	c := fuzzConsole(f)
	f.Fuzz(func(t *testing.T, form, path, step string) {
		known := map[string]bool{"sign-in": true, "sign-in/code": true, "sign-in/passkey": true, "invitation/x": true, "setup/x": true}
		if !known[path] {
			path = "sign-in"
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/"+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "opsyard-step", Value: step})
		c.neverIn(t, r)
	})
}

// fuzzed is one console for all inputs of a fuzz test.
type fuzzed struct {
	handle http.Handler
	engine *engine.Engine
	now    atomic.Int64 // seconds: each input comes later, so that none has to wait
}

// fuzzConsole is a console with one administrator and a provider that is away.
func fuzzConsole(f *testing.F) *fuzzed {
	f.Helper()
	box, err := store.NewSecretBox([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	quiet, ctx := slog.New(slog.DiscardHandler), context.Background()
	st, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(f.TempDir(), "db"), Secrets: box, Log: quiet})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = st.Close() })
	c := &fuzzed{}
	c.now.Store(time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC).Unix())
	clock := func() time.Time { return time.Unix(c.now.Load(), 0) }
	eng, err := engine.New(ctx, engine.Config{Store: st, Hub: pubsub.NewHub(), Log: quiet, FastPasswords: true, PublicURL: "http://localhost", Now: clock})
	if err != nil {
		f.Fatal(err)
	}
	c.engine = eng
	setup := models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Admin: true})
	if _, err := eng.CreateUser(setup, models.User{Name: "root", Admin: true}, goodPassword); err != nil {
		f.Fatal(err)
	}
	p, err := oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1", ClientID: "opsyard", PublicURL: "http://localhost"})
	if err != nil {
		f.Fatal(err)
	}
	if c.handle, err = New(Config{Engine: eng, Store: st, Hub: pubsub.NewHub(), Log: quiet, OIDC: p, Now: clock}); err != nil {
		f.Fatal(err)
	}
	return c
}

// neverIn fails when the answer opens a session or is a mistake of ours.
func (c *fuzzed) neverIn(t *testing.T, r *http.Request) {
	t.Helper()
	c.now.Add(10)
	w := httptest.NewRecorder()
	c.handle.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("got %d: %.300s", w.Code, w.Body)
	}
	for _, cookie := range w.Result().Cookies() {
		if cookie.Name == "opsyard" && cookie.Value != "" {
			t.Fatal("a session was opened")
		}
	}
	if to := w.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
		t.Fatalf("led away to %q", to)
	}
}
