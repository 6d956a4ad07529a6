package handlers

import (
	"regexp"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/views"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A group is made, filled and given a level; its members have it, and lose it
// with the group.
func TestGroupsByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("root")
	b.get("/team/groups").want(t, 200, "No group yet", "New group")
	b.post("/team/groups", "Name", " ").want(t, 422, `id="Name-error"`)
	page := b.post("/team/groups", "Name", "ops").location
	if !strings.HasPrefix(page, "/team/groups/") {
		t.Fatalf("making a group leads to %q", page)
	}
	b.get(page).want(t, 200, "Nobody is in it, and it gives nothing yet.", f.stack.Name)
	b.post("/team/groups", "Name", "ops").want(t, 422, "There is already a group named", `value="ops"`)
	b.post(page+"/members", "Add", "subject nemo").want(t, 422, `Nobody is called &#34;nemo&#34;`, `value="subject nemo"`, `id="Add-error"`)
	b.post(page+"/members", "Add", "subject, nobody").wantLocation(t, page)
	b.get(page).want(t, 200, "subject and nobody are in ops now.", "2 people")
	stack := string(f.stack.ID)
	b.post(page+"/permissions", "row", stack, "was-"+stack, "iam_only false false", "level-"+stack, "deploy", "ssh-"+stack, "on").wantLocation(t, page)
	b.get(page).want(t, 200, "1 permission was changed.", "2 people, deploy on "+f.stack.Name)
	b.get("/team/groups").want(t, 200, "nobody, subject", "deploy on "+f.stack.Name)
	b.get("/team").want(t, 200, "by ops, SSH")
	b.get(f.at("/permissions")).want(t, 200, "by ops", "SSH by ops", "What may subject do")
	c.as("nobody").get(f.at("")).want(t, 200)

	b.post(page+"/members", "remove", string(c.userID("nobody"))).wantLocation(t, page)
	c.as("nobody").get(f.at("")).want(t, 404)
	b.post(page, "profile", "1", "Name", "operations", "OIDCClaim", "opsyard-ops").wantLocation(t, page)
	b.get("/team/groups").want(t, 200, "operations", "opsyard-ops")
	b.post(page, "profile", "1", "Name", strings.Repeat("x", 65)).want(t, 422, `id="Name-error"`, strings.Repeat("x", 65))
	b.post(page+"/delete", "confirm", "ops").wantLocation(t, page)
	b.get(page).want(t, 200, "Nothing was deleted", "operations")
	b.post(page+"/delete", "confirm", "operations").wantLocation(t, "/team/groups")
	c.as("subject").get(f.at("")).want(t, 404)
}

// Of a person's groups only what was ticked differently is written.
func TestGroupsOfAPerson(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	b, page := c.as("root"), views.UserHref(c.subject)
	b.get(page).want(t, 200, "There is no group yet")
	ops, dev := c.newGroup("ops"), c.newGroup("dev")
	b.post(page+"/groups", "group", ops, "group", dev, "in", dev).wantLocation(t, page)
	b.get(page).want(t, 200, "The groups of subject are saved.", "in 1 of 2")
	b.post(page+"/groups", "group", ops, "group", dev, "in", dev, "was", dev).wantLocation(t, page)
	b.get(page).want(t, 200, "Nothing was changed.")
	b.post(page+"/groups", "group", ops, "group", dev, "was", dev).wantLocation(t, page)
	b.get(page).want(t, 200, "in none")
}

// A manager gives groups levels on their stack, but not one that they are in.
func TestGroupsOnAStack(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	id := c.newGroup("ops")
	b, page := c.as("manage"), c.fleet.at("/permissions")
	b.get(page).want(t, 200, "their members have at least this", "0 people")
	b.post(page+"/groups", "row", id, "was-"+id, "iam_only false false", "level-"+id, "show").wantLocation(t, page)
	b.get(page).want(t, 200, "1 permission was changed.")
	c.as("root").post("/team/groups/"+id+"/members", "Add", "manage")
	b.get(page).want(t, 200, "you are in it, set by others")
	b.post(page+"/groups", "row", id, "level-"+id, "manage").wantLocation(t, page)
	b.get(page).want(t, 200, "You cannot set your own permission")
	if strings.Contains(b.get(page).body, "/team/groups/") {
		t.Error("a manager is led to pages that they may not open")
	}
}

// A policy is checked, made, attached, and refuses what it says.
func TestPoliciesByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("root")
	b.get("/team/policies").want(t, 200, "No policy yet")
	b.get("/team/policies/new").want(t, 200, "Allows ", "on every stack.")
	b.get("/team/policies/new?from=no-deletes").want(t, 200, "Refuses ", "opsworks:Delete*")
	broken := strings.Replace(noDeletes, `"Deny",`, "\n\"Deny\"", 1)
	b.post("/team/policies", "policy", "1", "Name", "no-deletes", "Document", broken, "do", "save").want(t, 422, "Line 2: ", `id="Document-error"`, `value="no-deletes"`, "cannot be read as it stands")
	b.post("/team/policies", "policy", "1", "Name", "no-deletes", "Document", noDeletes, "do", "check").want(t, 200, "as typed, not saved", "Refuses DeleteAccessKey")
	page := b.post("/team/policies", "policy", "1", "Name", "no-deletes", "Document", noDeletes, "do", "save").location
	if !strings.HasPrefix(page, "/team/policies/") {
		t.Fatalf("making a policy leads to %q", page)
	}
	b.get(page).want(t, 200, "Attached to nobody, and so does nothing.", "Refuses DeleteAccessKey")
	b.post(page+"/attach", "Person", "nemo").want(t, 422, "Nobody is called", `id="Person-error"`, `value="nemo"`)
	b.post(page+"/attach", "Person", "manage").wantLocation(t, page)
	ops := c.newGroup("ops")
	b.post(page+"/attach", "group", ops).wantLocation(t, page)
	b.get(page).want(t, 200, "Attached to 1 person and 1 group.")
	b.get("/team/policies").want(t, 200, "ops, manage")
	layer := views.LayerHref(f.stack.ID, f.layers[0].ID)
	if got := c.as("manage").post(layer+"/delete", "confirm", f.layers[0].Shortname); got.status != 403 {
		t.Errorf("deleting a layer leads to %s: %s", got.location, c.as("manage").get(got.location).body)
	}

	why := c.as("manage").get("/me/access?show=refused&q=DeleteLayer")
	why.want(t, 200, "DeleteLayer", "The policy no-deletes denies it", "Not all of managing")
	if strings.Contains(why.body, "StartInstance") {
		t.Error("the filter lets StartInstance through")
	}
	b.post("/team/groups/"+ops+"/policies", "detach", path(page)).wantLocation(t, "/team/groups/"+ops)
	b.post(views.UserHref(c.subject)+"/policies", "attach", path(page)).wantLocation(t, views.UserHref(c.subject))
	b.get(views.UserHref(c.subject)).want(t, 200, "Refuses DeleteAccessKey", "Detach")
	b.post(page+"/detach", "user", string(c.userID("manage"))).wantLocation(t, page)
	here := strings.Replace(strings.Replace(noDeletes, `"*"`, `"arn:aws:opsworks:*:*:stack/`+string(f.stack.ID)+`/"`, 1), "Delete*", "StopStack", 1)
	b.post(page, "policy", "1", "Name", "no-stops", "Document", here, "do", "save").wantLocation(t, page)
	b.get(page).want(t, 200, "no-stops", "Refuses StopStack on "+f.stack.Name+".")
	b.post(page+"/delete", "confirm", "no-stops").wantLocation(t, "/team/policies")
}

func TestExplainer(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, show := c.fleet, c.userID("show")
	b := c.as("root")
	b.get(views.UserAccessHref(show)+"?stack="+string(f.stack.ID)).want(t, 200, "What may show do?", "show may see "+f.stack.Name+", but not deploy to or manage it.", "The level show allows it", "It needs the level manage")
	b.get(views.UserAccessHref(show)+"?stack="+string(f.stack.ID)+"&q=nothing-like-it").want(t, 200, "No operation matches")
	b.get(views.UserAccessHref(show)+"?stack=nowhere").want(t, 404)
	c.as("manage").get(views.StackAccessHref(f.stack.ID, show)).want(t, 200, "What may show do here?", "but not deploy to or manage it.")
	c.as("manage").get(views.StackAccessHref(c.other.stack.ID, show)).want(t, 404)
	c.as("show").get("/me/access").want(t, 200, "You may see "+f.stack.Name)
	c.as("show").get("/me/access?stack="+string(c.other.stack.ID)).want(t, 404)
	c.as("nobody").get("/me/access").want(t, 200, "You see no stack yet.")
	b.get("/me/access").want(t, 200, "You may do everything on ")
}

// The link of an invitation is shown once, and makes a user with what was given.
func TestInvitationsByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b, ops := c.fleet, c.as("root"), c.newGroup("ops")
	b.get("/team/invite").want(t, 200, "They choose their own password.", "ops", f.stack.Name)
	b.post("/team/invitations", "Name", "l e o", "GroupId", ops).want(t, 422, `id="Name-error"`, `value="l e o"`, `<option value="`+ops+`" selected>`)
	made := b.post("/team/invitations", "Name", "leo", "GroupId", ops, "StackId", string(f.stack.ID), "Level", "show")
	made.want(t, 200, "Send this link to leo now.")
	link := regexp.MustCompile(`/invitation/[A-Z0-9]+`).FindString(made.body)
	team := b.get("/team")
	team.want(t, 200, "Open invitations", "Group ops and show on "+f.stack.Name, "Revoke")
	if link == "" || strings.Contains(team.body, link) {
		t.Errorf("the link %q is not shown, or shown again", link)
	}
	c.browser().post(link, "password", goodPassword, "again", goodPassword).wantLocation(t, "/stacks")
	b.get("/team/groups/"+ops).want(t, 200, "leo", "1 person")
	b.post("/team/invitations", "Email", "mira@example.org")
	id := regexp.MustCompile(`name="invitation" value="([^"]+)"`).FindStringSubmatch(b.get("/team").body)
	b.post("/team/invitations/revoke", "invitation", id[1]).wantLocation(t, "/team")
	if strings.Contains(b.get("/team").body, "mira@example.org") {
		t.Error("an invitation that was taken back is listed")
	}
}

// A token's text is shown once; what was typed wrong stays.
func TestTokensOfOnesOwn(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("deploy")
	b.get("/me/keys").want(t, 200, "No token")
	b.get("/me/tokens/new").want(t, 200, `value="90"`, f.stack.Name)
	b.post("/me/tokens", "Name", "nightly", "Days", "400", "Level", "show", "Stacks", string(f.stack.ID)).want(t, 422,
		`id="Days-error"`, `value="nightly"`, `value="400"`, `<option value="show" selected>`, "checked")
	b.post("/me/tokens", "Name", "nightly", "Days", "30", "Stacks", string(c.other.stack.ID)).want(t, 404)
	made := b.post("/me/tokens", "Name", "nightly", "Days", "30", "Level", "show", "Stacks", string(f.stack.ID))
	made.want(t, 200, "Copy the token nightly now.", "curl -sS "+c.url, "At most show, on "+f.stack.Name)
	text := regexp.MustCompile(`opsyard_[A-Z0-9]{32}`).FindString(made.body)
	page := b.get("/me/keys")
	page.want(t, 200, "nightly", "in 30 days", "never")
	if text == "" || strings.Contains(page.body, text) {
		t.Errorf("the token %q is not shown, or shown again", text)
	}
	tokens, err := c.store.Tokens.OfUser(t.Context(), c.userID("deploy"))
	if err != nil || len(tokens) != 1 {
		t.Fatalf("got %v, %v", tokens, err)
	}
	id := string(tokens[0].ID)
	c.as("show").post("/me/tokens/delete", "token", id).want(t, 404)
	c.as("root").get(views.UserHref(c.userID("deploy"))).want(t, 200, "nightly", "At most show")
	b.post("/me/tokens/delete", "token", id).wantLocation(t, "/me/keys")
	b.get("/me/keys").want(t, 200, "No token", "is deleted")
}

// path is the last part of an address.
func path(address string) string { return address[strings.LastIndex(address, "/")+1:] }

func (c *realConsole) userID(name string) models.UserID {
	c.t.Helper()
	u, err := c.store.Users.ByName(c.t.Context(), name)
	if err != nil {
		c.t.Fatal(err)
	}
	return u.ID
}

func (c *realConsole) newGroup(name string) string {
	c.t.Helper()
	return path(c.as("root").post("/team/groups", "Name", name).location)
}

// keyboard is a reader without a mouse.
type keyboard struct{ *tab }

// to presses Tab until the focus is where the selector says.
func (k keyboard) to(selector string) {
	k.t.Helper()
	for range 120 {
		if k.eval(`document.activeElement.matches('`+selector+`')`) == true {
			if k.eval(`document.activeElement.checkVisibility() && document.activeElement.matches(':focus-visible')`) != true {
				k.t.Errorf("the focus on %s cannot be seen", selector)
			}
			return
		}
		k.do(chromedp.KeyEvent(kb.Tab))
	}
	k.t.Fatalf("Tab does not lead to %s on %v", selector, k.eval("location.pathname"))
}

// link presses Tab until the link or button of that name, and Enter.
func (k keyboard) link(name, there string) {
	k.t.Helper()
	for range 120 {
		k.do(chromedp.KeyEvent(kb.Tab))
		if k.eval(`document.activeElement.innerText?.trim()`) == name {
			k.enter(there)
			return
		}
	}
	k.t.Fatalf("Tab does not lead to %q on %v", name, k.eval("location.pathname"))
}

// enter presses Enter, which leads to a page with that element.
func (k keyboard) enter(there string) {
	k.t.Helper()
	k.eval(`document.documentElement.setAttribute('data-before', '')`)
	k.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitReady("html:not([data-before])"), chromedp.WaitVisible(there))
}

func (k keyboard) typed(text string) { k.t.Helper(); k.do(chromedp.KeyEvent(text)) }

// The main jobs of a team by keyboard alone: a person is added, put into a group
// with a level, bound by a policy, and the page that says why is read; another
// is invited, a token is made, found in the audit with what it changed, and a
// session elsewhere is ended.
func TestBrowserTeamByKeyboard(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	k := keyboard{openTab(t)}
	k.do(chromedp.Navigate(c.url+"/sign-in"), chromedp.WaitVisible("#name"))
	k.typed("root")
	k.to("#password")
	k.typed(goodPassword)
	k.enter("#stacks-head")

	k.link("Team", "table.levels")
	k.link("Add a person", "#Name")
	k.to("#Name")
	k.typed("leo")
	k.to("#Password")
	k.typed(goodPassword)
	k.enter("#permissions")
	leo := c.userID("leo")

	k.link("Team", "table.levels")
	k.link("Groups\n0", ".empty")
	k.link("New group", "#Name")
	k.to("#Name")
	k.typed("ops")
	k.enter("#members")
	k.to("#Add")
	k.typed("leo")
	k.enter(".flashes")
	k.to(`select[name="level-` + string(c.fleet.stack.ID) + `"]`)
	k.typed("m") // manage
	k.link("Save changes", ".flashes")

	k.link("Team", "table.levels")
	k.link("Policies\n0", ".empty")
	k.link("New policy", "#Document")
	k.link("refuse deletes", "#Document")
	k.to("#Name")
	k.typed("no-deletes")
	k.link("Make policy", "#attached")
	k.to("#group")
	k.to(`button[aria-label="Attach to the group"]`)
	k.enter(".flashes")

	k.link("Team", "table.levels")
	k.link("leo", "#groups")
	k.link("What may leo do?", "table.access")
	said := k.eval(`document.querySelector('#access-state').innerText + ' ' + document.querySelector('table.access').innerText`).(string)
	for _, want := range []string{"leo may see, deploy to and manage " + firstStack(c) + ". Not all of managing: ", "The policy no-deletes of the group ops denies it", "The level manage of the group ops allows it"} {
		if !strings.Contains(said, want) {
			t.Errorf("the explainer does not say %q: %.600s", want, said)
		}
	}
	if got := k.eval("location.pathname"); got != views.UserAccessHref(leo) {
		t.Errorf("got %v", got)
	}
	k.inviteAndMakeToken()
	k.endSession(c)
}

func (k keyboard) inviteAndMakeToken() {
	k.t.Helper()
	k.link("Team", "table.levels")
	k.link("Invite", "#Name")
	k.to("#Name")
	k.typed("mira")
	k.enter(".copy")
	k.link("Done", "#invitations")

	k.link("My settings", "#ssh")
	k.link("Keys and tokens", "#tokens")
	k.link("Make a token", "#Name")
	k.to("#Name")
	k.typed("nightly")
	k.to("#Level")
	k.typed("d") // deploy
	k.link("Make token", "#fresh-token")

	k.link("Audit", "#action")
	k.to("#action")
	k.typed("CreateToken")
	k.enter("tbody tr")
	k.link("CreateToken", "#entry .diff")
	said := k.eval(`[document.querySelectorAll('tbody tr').length, document.querySelector('#entry').innerText].join(' ')`).(string)
	for _, want := range []string{"1 Entry", "root", "nightly", "deploy"} {
		if !strings.Contains(said, want) {
			k.t.Errorf("the entry does not say %q: %.600s", want, said)
		}
	}
}

func (k keyboard) endSession(c *realConsole) {
	k.t.Helper()
	other := c.as("root")
	other.get("/stacks").want(k.t, 200)
	k.link("My settings", "#ssh")
	k.link("Security", "#sessions")
	for range c.sessionsOf("root") - 1 {
		k.to(`button[aria-label^="End the session of"]`)
		k.enter(".flashes")
	}
	other.get("/stacks").wantLocation(k.t, "/sign-in?next=%2Fstacks")
	if n := c.sessionsOf("root"); n != 1 {
		k.t.Errorf("%d sessions are left, want the one that ended the others", n)
	}
}

func (c *realConsole) sessionsOf(name string) int {
	c.t.Helper()
	all, err := c.store.Sessions.OfUser(c.t.Context(), c.userID(name))
	c.fleet.must(err)
	return len(all)
}

func firstStack(c *realConsole) string { return c.fleet.stack.Name }
