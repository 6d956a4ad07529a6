package handlers

import (
	"slices"
	"testing"

	"opsyard/models"
	"opsyard/views"

	"github.com/chromedp/chromedp"
)

// Rows are added and removed without losing what was typed or the place on the
// page, and what is saved is what stands there.
func TestBrowserEditsVolumes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	id := f.layers[5].ID
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+views.LayerHref(f.stack.ID, id)+"?tab=volumes"), chromedp.WaitVisible("#MountPoint-0"))
	b.eval(`window.same = true`)
	b.do(
		chromedp.SetValue("#Size-0", "25"),
		chromedp.Click(`button[value="add"]`), chromedp.WaitVisible("#MountPoint-1"),
	)
	if got := b.eval(`[same, document.activeElement.id, document.querySelector('#Size-0').value].join()`); got != "true,MountPoint-1,25" {
		t.Errorf("after adding a row: got %v, want no reload, the focus in the new row, and what was typed", got)
	}
	b.do(
		chromedp.SendKeys("#MountPoint-1", "/vol/second"), chromedp.SendKeys("#Size-1", "40"),
		chromedp.Click(`button[value="add"]`), chromedp.WaitVisible("#MountPoint-2"),
		chromedp.Click(`button[value="remove 0"]`), chromedp.WaitNotPresent("#MountPoint-2"),
		chromedp.Click(`button[value="remove 1"]`), chromedp.WaitNotPresent("#MountPoint-1"),
		chromedp.Click(`.actions button[value="save"]`), chromedp.WaitVisible(".flashes"),
	)
	l, err := c.store.Layers.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.VolumeConfigurations; len(got) != 1 || got[0].MountPoint != "/vol/second" || got[0].Size != 40 {
		t.Errorf("got %+v", got)
	}
}

// More lines of the environment come without the server, which repeats no
// secret, and count on.
func TestBrowserAddsVariables(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+f.at("/apps/new")), chromedp.WaitVisible(".env-row"))
	b.eval(`window.same = true`)
	b.do(
		chromedp.SendKeys("#Name", "worker"), chromedp.SendKeys("#SourceUrl", "https://git.example/worker.git"),
		chromedp.SendKeys(".env-row:last-child [name=EnvKey]", "FIRST"), chromedp.SendKeys(".env-row:last-child [name=EnvValue]", "1"),
		chromedp.Click(".env-row:last-child [name=EnvSecure]"),
		chromedp.Click(`button[value="more"]`), chromedp.WaitVisible(".env-row:nth-child(4)"),
	)
	if got := b.eval(`[same, document.activeElement.getAttribute('aria-label'), document.querySelectorAll('.env-row:last-child :checked').length].join()`); got != "true,Name of variable 4,0" {
		t.Errorf("after adding a row: got %v, want no reload, the focus in an empty fourth row", got)
	}
	b.do(
		chromedp.SendKeys(".env-row:last-child [name=EnvKey]", "SECOND"), chromedp.SendKeys(".env-row:last-child [name=EnvValue]", "hush"),
		chromedp.Click(".env-row:last-child [name=EnvSecure]"), chromedp.Click(`.actions button[value="save"]`), chromedp.WaitVisible(".flashes"),
	)
	apps, err := c.store.Apps.InStack(t.Context(), f.stack.ID)
	if err != nil {
		t.Fatal(err)
	}
	made := apps[slices.IndexFunc(apps, func(a models.App) bool { return a.Name == "worker" })]
	if got := made.Environment; len(got) != 2 || got[1] != (models.EnvironmentVariable{Key: "SECOND", Value: "hush", Secure: true}) || !got[0].Secure {
		t.Errorf("got %+v", got)
	}
}

// The groups of the stack form fold, a colour is kept, and a
// phone shows the tab that it is on.
func TestBrowserStackSettings(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+f.at("/settings")), chromedp.WaitReady("#advanced-set:not([open])"),
		chromedp.Click("#advanced-set summary"), chromedp.WaitVisible("#advanced-set[open] #AgentVersion"))
	b.eval(`document.querySelectorAll('input[name="Color"]')[1].checked = true`)
	b.do(chromedp.Click(`.set-end button[type=submit]`), chromedp.WaitVisible(".flashes"))
	s, err := c.store.Stacks.Get(t.Context(), f.stack.ID)
	if err != nil {
		t.Fatal(err)
	}
	if views.Paint(s.Attributes) != "rgb(45, 114, 184)" || s.ConfigurationManager != (models.ConfigurationManager{Name: "Shell"}) {
		t.Errorf("got %v %v", s.Attributes, s.ConfigurationManager)
	}
	b.do(chromedp.EmulateViewport(390, 800), chromedp.Navigate(c.url+views.LayerHref(f.stack.ID, f.layers[0].ID)+"?tab=tags"), chromedp.WaitReady("main h1"))
	if got := b.eval(`(() => { const r = document.querySelector('.tabs [aria-current]').getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth; })()`); got != true {
		t.Error("the current tab is out of sight on a phone")
	}
}
