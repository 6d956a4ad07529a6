package handlers

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator gives the browser a device that makes passkeys and says at once
// that its owner is there.
func (b *tab) authenticator() {
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
}

// shot keeps a picture where OPSYARD_SHOTS says.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("OPSYARD_SHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// A passkey in a real browser: registered, used to sign in without name and
// password, asked for after the password, and taken to confirm.
func TestBrowserPasskey(t *testing.T) {
	t.Parallel()
	c := setup(t)
	server := httptest.NewUnstartedServer(nil)
	address := strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	quiet := slog.New(slog.DiscardHandler)
	eng, err := engine.New(t.Context(), engine.Config{Store: c.store, Hub: c.hub, Log: quiet, FastPasswords: true, PublicURL: address})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Engine: eng, Store: c.store, Hub: c.hub, Log: quiet, PublicURL: address})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = h
	server.Start()
	t.Cleanup(func() { server.Close(); h.Stop() })
	cli := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Admin: true})
	mira, err := eng.CreateUser(cli, models.User{Name: "mira", Admin: true}, goodPassword)
	if err != nil {
		t.Fatal(err)
	}

	b := openTab(t)
	b.authenticator()
	submit := "main form[action='/sign-in'] button"
	enter := func() {
		b.do(chromedp.Navigate(address+"/sign-in"), chromedp.SendKeys("#name", "mira"), chromedp.SendKeys("#password", goodPassword), chromedp.Click(submit))
	}
	enter()
	b.do(chromedp.WaitVisible("#stacks-head"), chromedp.Navigate(address+"/me/security"), chromedp.WaitVisible("#Name"))
	b.shot("security")
	b.do(chromedp.SendKeys("#Name", "laptop"), chromedp.Click("form[data-create] button"), chromedp.WaitVisible(".fresh"))
	b.shot("security-codes")
	if text := b.eval(`document.querySelector('main').innerText`).(string); !strings.Contains(text, "laptop") || !strings.Contains(text, "Write this down now.") {
		t.Fatalf("the passkey is not on the page: %s", text)
	}

	signOut := `document.querySelector('form[action="/sign-out"]').requestSubmit()`
	b.eval(signOut)
	b.do(chromedp.WaitVisible("form[data-passkey]"))
	b.shot("sign-in")
	b.do(chromedp.Click("form[data-passkey] button"), chromedp.WaitVisible("#stacks-head"))
	sessions, err := c.store.Sessions.OfUser(t.Context(), mira.ID)
	if err != nil || len(sessions) != 1 || sessions[0].Method != models.SignInPasskey {
		t.Fatalf("got %+v, %v", sessions, err)
	}

	b.eval(signOut)
	b.do(chromedp.WaitVisible("form[data-passkey]"))
	enter()
	b.do(chromedp.WaitVisible("#Code"))
	b.shot("second-factor")
	if sessions, err := c.store.Sessions.OfUser(t.Context(), mira.ID); err != nil || len(sessions) != 0 {
		t.Fatalf("a session before the second factor: %+v, %v", sessions, err)
	}
	b.do(chromedp.Click("form[data-passkey] button"), chromedp.WaitVisible("#stacks-head"))

	sessions, err = c.store.Sessions.OfUser(t.Context(), mira.ID)
	if err == nil {
		err = c.store.Sessions.Confirm(t.Context(), sessions[0].Hash, time.Now().Add(-time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(address+"/me/security"), chromedp.WaitVisible("#app"))
	b.eval(`document.querySelector('form[action="/me/security/app"]').requestSubmit()`)
	b.do(chromedp.WaitVisible("form[data-passkey]"))
	b.shot("confirm")
	b.do(chromedp.Click("form[data-passkey] button"), chromedp.WaitVisible(".qr"))
	b.shot("authenticator")
	b.do(chromedp.Navigate(address+"/welcome"), chromedp.WaitVisible(".signin"))
	b.shot("welcome")
	b.do(chromedp.EmulateViewport(390, 900), chromedp.Navigate(address+"/me/security"), chromedp.WaitVisible("#app"))
	b.shot("security-390")
	if over := b.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over != float64(0) {
		t.Errorf("the page is %v px too wide", over)
	}
}
