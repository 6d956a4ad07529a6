package oidc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/models"
	"opsyard/web/oidc/oidctest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

const nonce, verifier = "a nonce of this sign-in", "a verifier with enough characters to be one, 43"

// trip sends a browser to the provider and takes back the code.
func trip(t *testing.T, p *Provider, fresh bool) url.Values {
	t.Helper()
	address, err := p.Address("the state", nonce, verifier, fresh)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	back, err := r.Location()
	if err != nil {
		t.Fatalf("%s: %v", r.Status, err)
	}
	if !strings.HasPrefix(back.String(), "https://ops.example"+CallbackPath+"?") || back.Query().Get("state") != "the state" {
		t.Fatalf("the browser is sent to %s", back)
	}
	return back.Query()
}

func setup(t *testing.T) (*Provider, *oidctest.Provider) {
	t.Helper()
	other := oidctest.New(t, "opsyard", "s3cret")
	other.SignIn(map[string]any{"sub": "248289761001", "preferred_username": "mira", "email": "mira@example.org", "groups": []string{"ops", "dev"}})
	p, err := New(Config{Issuer: other.URL, ClientID: "opsyard", ClientSecret: "s3cret", GroupClaim: "groups", PublicURL: "https://ops.example/"})
	if err != nil {
		t.Fatal(err)
	}
	return p, other
}

func finish(t *testing.T, p *Provider) (models.Claims, error) {
	t.Helper()
	q := trip(t, p, false)
	return p.Finish(t.Context(), q.Get("code"), q.Get("iss"), nonce, verifier)
}

func TestRoundTrip(t *testing.T) {
	p, other := setup(t)
	c, err := finish(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != other.URL || c.Subject != "248289761001" || c.Name != "mira" || c.Email != "mira@example.org" ||
		strings.Join(c.Groups, " ") != "ops dev" || !c.HasGroups || time.Since(c.AuthenticatedAt) > time.Minute {
		t.Errorf("got %+v", c)
	}
	if q := other.Asked(); q.Get("code_challenge_method") != "S256" || q.Get("nonce") != nonce || q.Get("prompt") != "" || q.Get("max_age") != "604800" || strings.Contains(q.Encode(), verifier) {
		t.Errorf("asked with %v", q)
	}
	trip(t, p, true)
	if q := other.Asked(); q.Get("prompt") != "login" || q.Get("max_age") != "0" {
		t.Errorf("a fresh sign-in was asked for with %v", q)
	}
	other.SignIn(nil)
	if q := trip(t, p, false); q.Get("error") != "access_denied" {
		t.Errorf("got %v", q)
	}
}

// A provider that names groups only in userinfo is asked there.
func TestGroupsOfUserInfo(t *testing.T) {
	p, other := setup(t)
	other.SignIn(map[string]any{"sub": "1"})
	other.Info(map[string]any{"groups": "ops"})
	c, err := finish(t, p)
	if err != nil || len(c.Groups) != 1 || c.Groups[0] != "ops" {
		t.Errorf("got %+v, %v", c, err)
	}
	other.Info(map[string]any{"groups": []string{"admin"}, "sub": "somebody else"})
	if c, err = finish(t, p); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("what was said of somebody else counts: %+v, %v", c, err)
	}
}

// Providers leave the claim out for who is in no group. Where it was agreed on,
// that means none; what cannot be known lets nobody in.
func TestGroupsThatAreNotSaid(t *testing.T) {
	p, other := setup(t)
	guessing, err := New(Config{Issuer: other.URL, ClientID: "opsyard", ClientSecret: "s3cret", PublicURL: "https://ops.example/"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims, info map[string]any
		mute         bool
		// What comes of it where the claim was agreed on, and where it is guessed;
		// "" is a sign-in that leaves groups alone.
		want, guessed string
	}{
		"None":              {want: "none"},
		"NoneOfNull":        {claims: map[string]any{"groups": nil}, want: "none"},
		"NoAnswer":          {mute: true, want: "did not say which groups"},
		"OfSomebodyElse":    {info: map[string]any{"sub": "2", "groups": []string{"admin"}}, want: "did not say which groups"},
		"InTheToken":        {claims: map[string]any{"groups": []string{"ops"}}, mute: true, want: "ops", guessed: "ops"},
		"InUserInfo":        {claims: overage(other.URL), info: map[string]any{"groups": []string{"ops"}}, want: "ops", guessed: "ops"},
		"TooMany":           {claims: overage(other.URL), want: "more groups than"},
		"TooManyAtUserInfo": {info: overage(other.URL), want: "more groups than"},
		"TooManyForALink":   {claims: map[string]any{"hasgroups": true}, want: "more groups than"},
		"TooManyInText":     {claims: map[string]any{"hasgroups": "true"}, mute: true, want: "more groups than"},
		"NoGroupsAreThere":  {claims: map[string]any{"hasgroups": false}, want: "none"},
	} {
		other.SignIn(with(map[string]any{"sub": "1"}, c.claims))
		other.Info(c.info)
		other.Mute(c.mute)
		for from, want := range map[*Provider]string{p: c.want, guessing: c.guessed} {
			if got := told(finish(t, from)); got != want && (want == "" || !strings.Contains(got, want)) {
				t.Errorf("%s, agreed %t: got %q, want %q", name, from == p, got, want)
			}
		}
	}
}

// told is what a sign-in says of groups: a sentence, their names or "none"; ""
// for nothing.
func told(c models.Claims, err error) string {
	switch {
	case models.CodeOf(err) == models.CodeForbidden && err != nil:
		return models.Sentence(err)
	case err != nil:
		return "no sentence: " + err.Error()
	case c.HasGroups:
		return cmp.Or(strings.Join(c.Groups, " "), "none")
	}
	return strings.Join(c.Groups, " ")
}

// overage is how Entra says that somebody is in too many groups.
func overage(at string) map[string]any {
	return map[string]any{
		"_claim_names":   map[string]string{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": at + "/users/1/getMemberObjects"}},
	}
}

func with(claims, more map[string]any) map[string]any {
	maps.Copy(claims, more)
	return claims
}

func TestHostileAnswers(t *testing.T) {
	thief, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) func(*oidctest.Answer) {
		return func(a *oidctest.Answer) { a.Claims[name] = value }
	}
	p, other := setup(t)
	for name, lie := range map[string]func(*oidctest.Answer){
		"other nonce":          set("nonce", "of another sign-in"),
		"no nonce":             set("nonce", ""),
		"other audience":       set("aud", "another client"),
		"shared, other party":  func(a *oidctest.Answer) { a.Claims["aud"], a.Claims["azp"] = []string{"opsyard", "other"}, "other" },
		"other issuer":         set("iss", "https://evil.example"),
		"expired":              set("exp", time.Now().Add(-time.Hour).Unix()),
		"not signed":           func(a *oidctest.Answer) { a.Algorithm = "none" },
		"signed by a thief":    func(a *oidctest.Answer) { a.Key = thief },
		"other algorithm":      func(a *oidctest.Answer) { a.Algorithm = "HS256" },
		"no token":             func(a *oidctest.Answer) { a.Raw = "." },
		"access token swapped": set("at_hash", "bm90IHRoaXMgb25lLi4uLi4"),
	} {
		other.Lie(lie)
		if c, err := finish(t, p); models.CodeOf(err) != models.CodeForbidden {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	other.Lie(nil)
	q := trip(t, p, false)
	if _, err := p.Finish(t.Context(), q.Get("code"), "https://evil.example", nonce, verifier); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("the answer of another issuer: %v", err)
	}
	if _, err := p.Finish(t.Context(), q.Get("code"), other.URL, nonce, verifier+"x"); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("without the verifier: %v", err)
	}
	q = trip(t, p, false)
	for n, want := range []models.Code{models.CodeInternal, models.CodeForbidden} { // a code is good once
		if _, err := p.Finish(t.Context(), q.Get("code"), other.URL, nonce, verifier); models.CodeOf(err) != want {
			t.Errorf("use %d of a code: %v", n+1, err)
		}
	}
	if _, err := p.Finish(t.Context(), "guessed", other.URL, "", verifier); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("a guessed code: %v", err)
	}
}

// A provider that says of itself that it is another one is not believed, not
// even where it differs by a slash.
func TestAnotherIssuersMetadata(t *testing.T) {
	other := oidctest.New(t, "opsyard", "")
	for _, says := range []string{"https://id.example", other.URL + "/", ""} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": "%[2]s/authorize", "token_endpoint": "%[2]s/token", "jwks_uri": "%[2]s/keys"}`, says, other.URL)
		}))
		defer front.Close()
		p, err := New(Config{Issuer: front.URL, ClientID: "opsyard", PublicURL: "https://ops.example"})
		if err != nil {
			t.Fatal(err)
		}
		if address, err := p.Address("s", nonce, verifier, false); err == nil {
			t.Errorf("as %q it may send people to %s", says, address)
		}
	}
}

// The provider may be away: people are told, and it is asked again later.
func TestProviderAway(t *testing.T) {
	there := oidctest.New(t, "opsyard", "")
	there.SignIn(map[string]any{"sub": "1"})
	away := true
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "out of order", http.StatusBadGateway) }))
	defer front.Close()
	p, err := New(Config{Issuer: there.URL, ClientID: "opsyard", PublicURL: "https://ops.example", Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if away {
			r = r.Clone(context.Background())
			r.URL.Host = strings.TrimPrefix(front.URL, "http://")
		}
		return http.DefaultTransport.RoundTrip(r)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Address("s", nonce, verifier, false); models.CodeOf(err) != models.CodeInvalid || !strings.Contains(err.Error(), "cannot be reached at present") {
		t.Errorf("got %v", err)
	}
	away = false
	q := trip(t, p, false)
	away = true
	if _, err := p.Finish(t.Context(), q.Get("code"), "", nonce, verifier); models.CodeOf(err) != models.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSettings(t *testing.T) {
	for _, c := range []Config{
		{Issuer: "", ClientID: "x"}, {Issuer: "http://id.example", ClientID: "x"}, {Issuer: "https://id.example"}, {Issuer: "https://id.example?x=1", ClientID: "x"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	p, err := New(Config{Issuer: "http://127.0.0.1:5556/dex", ClientID: "x"})
	if err != nil || p.Name() != "127.0.0.1" {
		t.Errorf("got %v, %v", p, err)
	}
}
