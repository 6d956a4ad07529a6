package handlers

import (
	"html"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"opsyard/models"
)

// toCopy finds what a page shows for copying.
func toCopy(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile(`<code tabindex="0">([^<]+)</code>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("nothing to copy in %s", page)
	}
	return html.UnescapeString(m[1])
}

// The whole way of a second factor: set up by the code on the page, asked for
// at the next sign-in, and a recovery code in its place.
func TestSignInWithSecondFactor(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	b := c.as("show")
	b.get("/me/security").want(t, 200, "Your password alone lets you in.", "Set up an app")
	b.post("/me/security/app").wantLocation(t, "/me/security/app")
	page := b.get("/me/security/app").want(t, 200, `<svg class="qr"`, "Ask for it from now on")
	secret := strings.ReplaceAll(toCopy(t, page.body), " ", "")
	b.post("/me/security/app/enable", "Code", "000000").want(t, 422, "not the code")
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	done := b.post("/me/security/app/enable", "Code", code).want(t, 200, "asked for at each sign-in", "never shown again")
	codes := strings.Fields(toCopy(t, done.body))
	if len(codes) != models.RecoveryCodes {
		t.Errorf("the page shows %d codes", len(codes))
	}
	if again := b.get("/me/security").body; strings.Contains(again, codes[0]) || strings.Contains(again, secret) {
		t.Error("secrets are shown again")
	}

	b = c.browser()
	b.post("/sign-in", "name", "show", "password", goodPassword, "next", "/me").wantLocation(t, "/sign-in/code?next=%2Fme")
	b.get("/me").wantLocation(t, "/sign-in?next=%2Fme") // no session yet
	b.get("/sign-in/code?next=%2Fme").want(t, 200, "Your password is right.")
	b.post("/sign-in/code", "Code", code, "next", "/me").want(t, 401, "used already")
	b.post("/sign-in/code", "Code", codes[1], "next", "/me").wantLocation(t, "/me")
	b.get("/me/security").want(t, 200, "You sign in with two factors.", "9 codes left", "one wrong try")
	if strings.Contains(b.get("/me/security").body, "one wrong try") {
		t.Error("the wrong try is told twice")
	}
	c.browser().get("/sign-in/code").wantLocation(t, "/sign-in")
}

// A deed that needs a proof gets it in between: the form is carried on, but not
// one that holds a secret.
// Signing in again in the same browser leaves no session behind.
func TestSigningInEndsTheOldSession(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	b := c.as("show")
	at, err := url.Parse(c.url)
	c.fleet.must(err)
	old := b.client.Jar.Cookies(at)
	b.post("/sign-in", "name", "deploy", "password", goodPassword).wantLocation(t, "/stacks")
	b.get("/me").want(t, 200, "deploy")
	if made := b.client.Jar.Cookies(at); made[0].Value == old[0].Value {
		t.Error("the session is the old one")
	}
	thief := c.browser()
	thief.client.Jar.SetCookies(at, old)
	thief.get("/me").wantLocation(t, "/sign-in?next=%2Fme")
}

func TestConfirmInBetween(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	b := c.as("root")
	root, err := c.store.Users.ByName(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := c.store.Sessions.OfUser(t.Context(), root.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		if err := c.store.Sessions.Confirm(t.Context(), s.Hash, time.Now().Add(-models.ConfirmFor-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/me/security/app").wantLocation(t, "/confirm?next=%2Fme%2Fsecurity%2Fapp")
	b.get("/confirm?next=%2Fme").want(t, 200, "Confirm that it is you", `name="next" value="/me"`, `href="/stacks">Cancel`) // not to where it is asked again
	b.do("POST", "/me/security/passkeys/ask", nil, "Accept", "application/json").want(t, 422)                               // no passkeys at this address
	b.post("/team/users/"+string(c.subject)+"/password", "password", "a secret of the form").want(t, 403, "fill it in again", `action="/confirm"`)
	held := b.post("/me/security/codes", "for", "account").want(t, 403, "Confirm that it is you", `action="/me/security/codes"`, `name="for" value="account"`)
	if strings.Contains(held.body, "a secret of the form") {
		t.Error("the page carries a secret")
	}
	b.post("/me/security/codes", "for", "account", "Confirm-Password", "wrong", "Confirm-Back", "/me/security").want(t, 422, "The password is wrong.", `name="for" value="account"`, `href="/me/security">Cancel`)
	b.post("/me/security/codes", "for", "account", "Confirm-Password", goodPassword).want(t, 200, "in place of your password")
	b.post("/me/security/codes", "for", "account").want(t, 200, "in place of your password") // asked only once in a while
}

func TestInvitationPages(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	root := c.as("root")
	root.get("/welcome").want(t, 200, "A second administrator")
	page := root.post("/welcome/invite", "Name", "mira").want(t, 200, "Send them this link.")
	link := toCopy(t, page.body)
	path := link[strings.Index(link, "/invitation/"):]
	b := c.browser()
	b.get(path).want(t, 200, "You will be an administrator", `value="mira"`)
	b.post(path, "name", "mira", "password", goodPassword, "again", "other").want(t, 422, "The two passwords differ.")
	b.post(path, "name", "mira", "password", goodPassword, "again", goodPassword).wantLocation(t, "/stacks")
	b.get("/team").want(t, 200, "mira")
	b.get(path).want(t, 403, "not valid any more")
	code := toCopy(t, root.post("/welcome/code").want(t, 200, "Write it down now.").body)
	b = c.browser()
	b.post("/sign-in", "name", "root", "password", code).wantLocation(t, "/stacks")
	if strings.Contains(b.get("/me/security").body, "Current password") {
		t.Error("the forgotten password is asked for")
	}
}
