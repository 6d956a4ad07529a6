package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"opsyard/models"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	c := setup(t)
	t.Run("OK leads back", func(t *testing.T) {
		b := c.browser()
		b.get("/stacks?show=running").wantLocation(t, "/sign-in?next=%2Fstacks%3Fshow%3Drunning")
		b.get("/sign-in?next=%2Fstacks%3Fshow%3Drunning").want(t, 200, `name="next" value="/stacks?show=running"`)
		b.post("/sign-in", "name", "ana", "password", goodPassword, "next", "/stacks?show=running").wantLocation(t, "/stacks?show=running")
		b.get("/sign-in").wantLocation(t, "/stacks")
		b.get("/").wantLocation(t, "/stacks")
	})
	t.Run("ErrNextElsewhere", func(t *testing.T) {
		c.browser().post("/sign-in", "name", "ana", "password", goodPassword, "next", "//evil.example").wantLocation(t, "/stacks")
	})
	t.Run("ErrPassword keeps the name", func(t *testing.T) {
		c.browser().post("/sign-in", "name", "ana", "password", "wrong").want(t, 401, "Name or password is not right.", `value="ana"`)
	})
	t.Run("ErrThrottled", func(t *testing.T) {
		c.browser().post("/sign-in", "name", "hasty", "password", "x").want(t, 429, "Too many tries. Wait 1 min.")
	})
	t.Run("SignOut", func(t *testing.T) {
		b := c.as("ana")
		b.post("/sign-out").wantLocation(t, "/sign-in")
		b.get("/sign-in").want(t, 200, "You are signed out.")
		b.get("/stacks").wantLocation(t, "/sign-in?next=%2Fstacks")
	})
	t.Run("ErrScripts get a status, not a page", func(t *testing.T) {
		c.browser().do("GET", "/me/session", nil, "Accept", "application/json").want(t, 401)
		if got := c.browser().do("POST", "/stacks", url.Values{}, "HX-Request", "true"); got.header.Get("HX-Redirect") != "/sign-in" {
			t.Errorf("got HX-Redirect %q", got.header.Get("HX-Redirect"))
		}
	})
}

func TestFirstRun(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.browser()
	b.get("/setup/once").wantLocation(t, "/sign-in") // ana exists
	c.engine.setup = "once"
	b.get("/sign-in").want(t, 200, "There is no user yet.")
	b.get("/setup/once").want(t, 200, "Create administrator")
	b.post("/setup/once", "name", "mira", "password", goodPassword, "again", "other").want(t, 422, "The two passwords differ.", `value="mira"`)
	b.post("/setup/once", "name", "mira", "password", "short", "again", "short").want(t, 422, "use at least 12 characters")
	b.post("/setup/stolen", "name", "mira", "password", goodPassword, "again", goodPassword).want(t, 404, "Unable to find set-up address")
	b.post("/setup/once", "name", "mira", "password", goodPassword, "again", goodPassword).wantLocation(t, "/welcome")
	b.get("/welcome").want(t, 200, "You are the administrator mira.", "A second way in", "Make a recovery code")
	b.get("/stacks").want(t, 200, "There is no stack yet.")
}

func TestMe(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.as("ana")
	b.get("/me").want(t, 200, "You administer this installation.", "Public key")
	b.get("/me/security").want(t, 200, "Change password")
	b.get("/me/access").want(t, 200, "You see no stack yet.")
	b.post("/me/password", "Current", "wrong", "Password", goodPassword).want(t, 422, "Current password: is not right.", `aria-describedby="Current-error"`)
	b.post("/me/password", "Current", goodPassword, "Password", "short").want(t, 422, "use at least 12 characters")
	b.post("/me/password", "Current", goodPassword, "Password", goodPassword).wantLocation(t, "/me/security")
	if page := b.get("/me/security").body; strings.Contains(page, goodPassword) || strings.Contains(page, "wrong") {
		t.Error("the page shows a password")
	}
	leo, shop := c.user("leo", false), c.stack("shop")
	c.permit(leo, shop, models.LevelDeploy)
	c.as("leo").get("/me/access").want(t, 200, "You may see and deploy to shop, but not manage it.")
}

func TestTheme(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.browser()
	b.post("/theme", "theme", "dark", "back", "/sign-in").wantLocation(t, "/sign-in")
	b.get("/sign-in").want(t, 200, `data-theme="dark"`)
	b.post("/theme", "theme", "neon", "back", "https://evil.example").wantLocation(t, "/")
	if strings.Contains(b.get("/sign-in").body, "data-theme") {
		t.Error("an unknown theme was kept")
	}
	c.as("ana").post("/theme", "theme", "light")
	c.as("ana").get("/me").want(t, 200, `data-theme="light"`) // in another browser
}

func TestTeam(t *testing.T) {
	t.Parallel()
	c := setup(t)
	shop := c.stack("shop")
	ana := c.as("ana")
	made := ana.post("/team/users", "Name", "leo", "Password", goodPassword)
	leo, err := c.store.Users.ByName(t.Context(), "leo")
	if err != nil {
		t.Fatal(err)
	}
	page := "/team/users/" + string(leo.ID)
	made.wantLocation(t, page)
	ana.get("/team").want(t, 200, "2 people, 1 administrator.", "leo", "iam_only")
	ana.post("/team/users", "Name", "l e o", "Password", goodPassword).want(t, 422, "Name: use 1 to 64", `value="l e o"`)
	ana.get("/team?q=nobody").want(t, 200, "Nobody matches")
	c.permit(leo, shop, models.LevelShow)
	ana.get(page).want(t, 200, "Has a level on 1 of 1 stack.", `value="show false false"`)
	row := func(level, ssh string) []string {
		return []string{"row", string(shop.ID), "was-" + string(shop.ID), "show false false", "level-" + string(shop.ID), level, "ssh-" + string(shop.ID), ssh}
	}
	ana.post(page+"/permissions", row("show", "")...).wantLocation(t, page)
	ana.get(page).want(t, 200, "Nothing was changed.")
	ana.post(page+"/permissions", row("manage", "on")...).wantLocation(t, page)
	ana.get(page).want(t, 200, "1 permission was changed.")
	if p, err := c.store.Permissions.Get(t.Context(), shop.ID, leo.ID); err != nil || p.Level != models.LevelManage || !p.AllowSSH || p.AllowSudo {
		t.Errorf("got %+v, %v; want manage with ssh", p, err)
	}
	ana.get("/team").want(t, 200, "manage", "SSH")
	b := c.as("leo")
	b.get("/team").want(t, 403, "Only an administrator may see the team.")
	b.post("/team/users", "Name", "eve", "Password", goodPassword).want(t, 403)
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.as("ana")
	b.get("/nowhere").want(t, 404, "There is nothing at this address.")
	b.do("POST", "/stacks", url.Values{"Name": {"x"}}, "Sec-Fetch-Site", "cross-site").want(t, 403, "This request came from another site")
	b.do("POST", "/stacks", url.Values{"Name": {strings.Repeat("x", maxForm+1)}}).want(t, 413, "The form is too large")
	b.do("GET", "/stacks?filter=%zz", nil).want(t, 422, "The form could not be read.")
	if csp := b.get("/stacks").header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("got policy %q", csp)
	}
	c.engine.fails = errors.New("secret detail of the database")
	got := b.get("/stacks")
	got.want(t, http.StatusInternalServerError, "Internal error", got.header.Get("X-Request-Id"))
	if strings.Contains(got.body, "secret detail") {
		t.Error("the page shows inner detail")
	}
}
