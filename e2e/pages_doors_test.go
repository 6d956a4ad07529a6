package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// firstRun makes the first administrator in the browser, up to a second way in.
func (b *tab) firstRun(s *server) {
	b.t.Helper()
	b.do(chromedp.Navigate(s.said(`setup +(\S+)`, 10*time.Second)), chromedp.WaitVisible("#again"))
	b.look("setup")
	b.fill("#name", userName, "#password", password, "#again", "another")
	b.submits("Create administrator", `document.querySelector('[role=alert]')`)
	b.look("setup-refused")
	b.fill("#password", password, "#again", password)
	b.submits("Create administrator", `location.pathname === '/welcome'`)
	b.look("welcome-first")
	b.submits("Make a recovery code", `document.querySelector('.copy')`)
	b.look("welcome-code")
	b.fill("#Name", "mo")
	b.submits("Make an invitation", `document.querySelector('.copy code').innerText.includes('/invitation/')`)
	b.look("welcome-invited")
	b.submits("Go to the stacks", `location.pathname === '/stacks'`)
	b.look("stacks-empty")
	b.signOut()
}

// doors are the pages that no address leads to: what stands between people and
// what they want to do.
type doors struct {
	b *tab
	s *server
	c *console
	p sample
}

func (d doors) all() {
	d.b.t.Helper()
	d.confirming()
	d.deleting()
	d.b.signOut()
	d.b.look("signed-out")
	codes := d.newcomer()
	d.secondFactor(codes)
	d.b.signOut()
	d.provider()
	d.throttled()
	d.broken()
}

// confirming asks who somebody is, some time after the sign-in.
func (d doors) confirming() {
	d.b.t.Helper()
	d.s.write("UPDATE sessions SET confirmed_at = ?", time.Now().UTC().Add(-time.Hour))
	d.b.open("/me/keys/new")
	d.b.submits("Make access key", `document.querySelector('[name="Confirm-Password"]')`)
	d.b.look("confirm-asked")
	d.b.fill(`[name="Confirm-Password"]`, "wrong")
	d.b.submits("Confirm and go on", `document.querySelector('.err')`)
	d.b.look("confirm-wrong")
	if back := d.b.ask(`[...document.querySelectorAll('main a')].find(a => a.innerText === 'Cancel').pathname`); back != "/me/keys/new" {
		d.b.t.Errorf("Cancel leads to %s, not to where the button was", back)
	}
	d.b.fill(`[name="Confirm-Password"]`, password)
	d.b.submits("Confirm and go on", `document.querySelector('.fresh')`)
	d.b.look("me-keys-fresh")
}

// deleting opens a question, and leaves it.
func (d doors) deleting() {
	d.b.t.Helper()
	d.b.open("/team/users/" + d.p.person)
	d.b.clickText("Delete ben…")
	d.b.until("the question is open", `document.querySelector('#delete-person').open`, 5*time.Second)
	d.b.look("team-person-delete")
}

// newcomer follows an invitation, sees what nobody has been given, and sets up
// an authenticator app, whose recovery codes it returns.
func (d doors) newcomer() []string {
	d.b.t.Helper()
	_, page := d.c.send("/team/invitations", url.Values{"Name": {"noa"}, "Confirm-Password": {password}})
	link := regexp.MustCompile(`/invitation/[\w-]+`).FindString(page)
	d.b.open(link)
	d.b.look("invitation")
	d.b.fill("#password", password, "#again", "another")
	d.b.submits("Accept", `document.querySelector('[role=alert]')`)
	d.b.look("invitation-refused")
	d.b.fill("#password", password, "#again", password)
	d.b.submits("Accept", `location.pathname === '/stacks'`)
	d.b.look("stacks-none")
	d.b.inspect("forbidden", "/team")
	d.b.inspect("me-access-none", "/me/access")
	d.b.open("/me/security")
	d.b.submits("Set up an app", `document.querySelector('.qr')`)
	d.b.look("authenticator")
	secret := strings.ReplaceAll(d.b.ask(`document.querySelector('.copy code').innerText`), " ", "")
	d.b.fill("#Code", "000000")
	d.b.submits("Ask for it from now on", `document.querySelector('.err, [role=alert]')`)
	d.b.look("authenticator-wrong")
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		d.b.t.Fatal(err)
	}
	d.b.fill("#Code", code)
	d.b.submits("Ask for it from now on", `document.querySelector('.fresh')`)
	d.b.look("me-security-codes")
	codes := strings.Fields(d.b.ask(`document.querySelector('.fresh code').innerText`))
	d.b.signOut()
	d.b.open(link)
	d.b.look("invitation-used")
	return codes
}

// secondFactor signs in with a wrong and the right password, a wrong and the
// right code.
func (d doors) secondFactor(codes []string) {
	d.b.t.Helper()
	d.b.open("/sign-in")
	d.b.fill("#name", "noa", "#password", "wrong")
	d.b.submits("Sign in", `document.querySelector('[role=alert]')`)
	d.b.look("sign-in-wrong")
	d.b.fill("#password", password)
	d.b.submits("Sign in", `document.querySelector('#Code')`)
	d.b.look("second-factor")
	d.b.fill("#Code", "000000")
	d.b.submits("Sign in", `document.querySelector('[role=alert]')`)
	d.b.look("second-factor-wrong")
	d.b.fill("#Code", codes[0])
	d.b.submits("Sign in", `location.pathname === '/stacks'`)
	d.b.look("stacks-noticed") // the notice of the wrong tries
}

// provider comes back from a provider that signs nobody in.
func (d doors) provider() {
	d.b.t.Helper()
	d.b.submits("Sign in with Example ID", `document.querySelector('[role=alert]')`)
	d.b.look("sign-in-provider-refused")
}

// throttled has tried too often.
func (d doors) throttled() {
	d.b.t.Helper()
	stranger := visit(d.b.t, d.c.url)
	for n := 0; ; n++ {
		if status, body := stranger.send("/sign-in", url.Values{"name": {"nobody"}, "password": {"wrong"}}); status == http.StatusTooManyRequests {
			break
		} else if n > 20 {
			d.b.t.Fatalf("after %d tries the answer is still %d: %.300s", n, status, text(body))
		}
	}
	d.b.fill("#name", "nobody", "#password", "wrong")
	d.b.submits("Sign in", `document.querySelector('main').innerText.includes('Too many')`)
	d.b.look("sign-in-throttled")
}

// broken is the page of a server that cannot read its database.
func (d doors) broken() {
	d.b.t.Helper()
	d.b.fill("#name", userName, "#password", password)
	d.b.submits("Sign in", `location.pathname === '/stacks'`)
	d.s.write("ALTER TABLE notification_channels RENAME TO lost")
	d.b.inspect("internal-error", "/settings/notifications")
	d.s.write("ALTER TABLE lost RENAME TO notification_channels")
	if said := d.b.ask(`document.querySelector('main').innerText`); !strings.Contains(said, "Request") {
		d.b.t.Errorf("the page of a failure is\n%s", said)
	}
}

// fill types into fields, in place of what stands there.
func (b *tab) fill(fieldsAndTexts ...string) {
	b.t.Helper()
	for n := 0; n+1 < len(fieldsAndTexts); n += 2 {
		b.ask(fmt.Sprintf(`document.querySelector(%q).value = ''`, fieldsAndTexts[n]))
		b.do(chromedp.SendKeys(fieldsAndTexts[n], fieldsAndTexts[n+1]))
	}
}

// submits clicks what leads to another page, of which a script is true.
func (b *tab) submits(label, script string) {
	b.t.Helper()
	b.ask(`window.before = true`)
	b.clickText(label)
	b.until(label+" has led on", `!window.before && document.readyState === 'complete' && (`+script+`)`, 15*time.Second)
}

func (b *tab) signOut() {
	b.t.Helper()
	b.ask(`document.querySelector('form[action="/sign-out"]').requestSubmit()`)
	b.until("the sign-in page is here", `location.pathname === '/sign-in' && document.readyState === 'complete'`, 10*time.Second)
}
