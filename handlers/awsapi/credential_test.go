package awsapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws/credentials"
	signer "github.com/aws/aws-sdk-go/aws/signer/v4"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store/storetest"
)

// gate is the API of an engine without machines and loops, at a time that the
// test moves: for tests of who is let in.
type gate struct {
	tb    testing.TB
	api   *API
	now   atomic.Int64 // seconds
	key   *models.AccessKey
	token string
}

func newGate(tb testing.TB) *gate {
	tb.Helper()
	g := &gate{tb: tb}
	g.now.Store(time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC).Unix())
	ctx := models.WithActor(context.Background(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	quiet := slog.New(slog.DiscardHandler)
	st := storetest.Open(tb)
	eng := must(engine.New(ctx, engine.Config{Store: st, Hub: pubsub.NewHub(), Log: quiet, FastPasswords: true, Now: g.clock}))(tb)
	g.api = New(Config{Engine: eng, Store: st, Log: quiet, Now: g.clock})
	ana := must(eng.CreateUser(ctx, models.User{Name: "ana", Admin: true}, ""))(tb)
	g.key = must(eng.CreateAccessKey(ctx, models.AccessKey{UserID: ana.ID}))(tb)
	_, token, err := eng.CreateToken(ctx, models.Token{UserID: ana.ID, Name: "script", ExpiresAt: g.clock().Add(365 * 24 * time.Hour)})
	check(tb, err)
	g.token = token
	return g
}

func (g *gate) clock() time.Time { return time.Unix(g.now.Load(), 0) }

func (g *gate) request() *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", stacksTarget+".DescribeStacks")
	return r
}

// ask sends a request from an address and gives its status and answer.
func (g *gate) ask(r *http.Request, addr string) (int, string) {
	r.RemoteAddr = addr + ":1000"
	w := httptest.NewRecorder()
	g.api.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// signed asks with a key and a secret.
func (g *gate) signed(id, secret, addr string) (int, string) {
	g.tb.Helper()
	r := g.request()
	_, err := signer.NewSigner(credentials.NewStaticCredentials(id, secret, "")).Sign(r, strings.NewReader("{}"), "opsworks", "local", g.clock())
	check(g.tb, err)
	return g.ask(r, addr)
}

// shown asks with a token.
func (g *gate) shown(token, addr string) (int, string) {
	r := g.request()
	r.Header.Set("Authorization", "Bearer "+token)
	return g.ask(r, addr)
}

// Wrong keys and tokens are slowed, by address and by key. Nobody keeps the
// owner out by it: what is good is good from everywhere, also in the middle.
func TestBadCredentialsAreSlowed(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	good := func() {
		t.Helper()
		for _, addr := range []string{"198.51.100.1", "203.0.113.9"} {
			if status, answer := g.signed(g.key.ID, g.key.Secret, addr); status != http.StatusOK {
				t.Fatalf("the owner at %s is kept out: %s", addr, answer)
			}
			if status, answer := g.shown(g.token, addr); status != http.StatusOK {
				t.Fatalf("the owner of the token at %s is kept out: %s", addr, answer)
			}
		}
	}
	wrong := func(what string, n int, try func(n int) (int, string), reason string) {
		t.Helper()
		told, waits := 0, 0
		for k := range n {
			switch status, answer := try(k); {
			case status != http.StatusBadRequest:
				t.Fatalf("%s: got %d %s", what, status, answer)
			case strings.Contains(answer, `"ThrottlingException"`):
				waits++
			case strings.Contains(answer, reason):
				told++
			default:
				t.Fatalf("%s: got %s", what, answer)
			}
		}
		if told != 10 || waits != n-10 {
			t.Errorf("%s: %d were told what is wrong, and %d to wait", what, told, waits)
		}
		good()
	}
	wrong("many keys of one address", 100, func(n int) (int, string) {
		return g.signed(fmt.Sprintf("AKIAGUESS%d", n), "x", "198.51.100.1")
	}, "UnrecognizedClientException")
	wrong("one key from many addresses", 100, func(n int) (int, string) {
		return g.signed(g.key.ID, "x", fmt.Sprintf("192.0.2.%d", n))
	}, "InvalidSignatureException")
	wrong("tokens of one address", 100, func(n int) (int, string) {
		return g.shown(fmt.Sprintf("%s%032d", models.TokenPrefix, n), "198.51.100.3")
	}, "UnrecognizedClientException")
	wrong("no signature at all", 100, func(int) (int, string) {
		r := g.request()
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 what")
		return g.ask(r, "198.51.100.4")
	}, "IncompleteSignatureException")

	g.now.Add(7) // one more try
	for n, want := range []string{"InvalidSignatureException", "ThrottlingException"} {
		if _, answer := g.signed(g.key.ID, "x", "198.51.100.5"); !strings.Contains(answer, want) {
			t.Errorf("try %d after a while: got %s, want %s", n, answer, want)
		}
	}
	g.now.Add(120)
	wrong("a while later", 20, func(int) (int, string) { return g.signed(g.key.ID, "x", "198.51.100.1") }, "InvalidSignatureException")
}

// FuzzTokens shows anything as who asks: only the token that was given out lets
// in, and nothing is a mistake of ours. TOKEN and KEY stand for the real ones.
func FuzzTokens(f *testing.F) {
	for _, header := range []string{
		"Bearer TOKEN", "bearer  TOKEN ", "Bearer TOKENx", "Bearer", "Bearer \x00", "Basic TOKEN", "TOKEN",
		"AWS4-HMAC-SHA256 Credential=KEY/20260304/local/opsworks/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=" + strings.Repeat("0f", 32),
		"AWS4-HMAC-SHA256 Credential=KEY/20260304/////aws4_request,SignedHeaders=;;,Signature=", "AWS4-HMAC-SHA256 =,=,=",
	} {
		f.Add(header, "20260304T120000Z")
	}
	g := newGate(f)
	f.Fuzz(func(t *testing.T, header, date string) {
		g.now.Add(10) // nobody has to wait
		r := g.request()
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("Authorization", strings.NewReplacer("TOKEN", g.token, "KEY", g.key.ID).Replace(header))
		status, answer := g.ask(r, "198.51.100.1")
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		ours := strings.EqualFold(scheme, "bearer") && strings.TrimSpace(text) == g.token
		if ours != (status == http.StatusOK) || status >= http.StatusInternalServerError {
			t.Errorf("%q gets %d %s", header, status, answer)
		}
	})
}
