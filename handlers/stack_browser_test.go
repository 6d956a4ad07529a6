package handlers

import (
	"fmt"
	"testing"

	"opsyard/models"
	"opsyard/views"

	"github.com/chromedp/chromedp"
)

// Every page inside a stack fits a phone, runs its scripts without a complaint,
// names every control, and is not refused anything by the content policy.
func TestBrowserPagesInsideAStack(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	b := openTab(t)
	b.signIn(c.url)
	for _, width := range []int64{1440, 390} {
		if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 800)); err != nil {
			t.Fatal(err)
		}
		for _, path := range f.pages() {
			b.do(chromedp.Navigate(c.url+path), chromedp.WaitReady("main h1"))
			if got := b.eval(`document.documentElement.scrollWidth - innerWidth`); fmt.Sprint(got) != "0" {
				t.Errorf("%s is %v px too wide at %d", path, got, width)
			}
			if got := b.eval(unnamed); got != "" {
				t.Errorf("%s has controls without a name: %v", path, got)
			}
		}
	}
}

// unnamed lists controls that nothing names for those who cannot see them, and
// labels or descriptions that lead nowhere.
const unnamed = `[...document.querySelectorAll('main :is(a, button, summary, input:not([type=hidden]), select, textarea)')]
	.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length) ||
		(e.getAttribute('aria-describedby') && !document.getElementById(e.getAttribute('aria-describedby'))))
	.map(e => e.outerHTML.slice(0, 120)).join('\n')`

// An instance is stopped from its page: the question names what keeps working,
// and the page follows without a reload.
func TestBrowserStopsAnInstance(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	php := f.host("php-3")
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+views.InstanceHref(php.ID)), chromedp.WaitVisible(`.live[data-state="live"]`))
	b.do(chromedp.Click(`#instance-head button[commandfor="stop-instance"]`), chromedp.WaitVisible("#stop-instance"))
	if got := b.eval(`document.querySelector('#stop-instance li').textContent`); got != "php-app: 9 of 12 instances stay online and keep working." {
		t.Errorf("the question says %q", got)
	}
	b.do(chromedp.Click(`#stop-instance button[type=submit]`), chromedp.WaitVisible(`#instance-head .st.s-off`))
	b.eval(`window.same = true`)
	if err := c.engine.move(t.Context(), php.ID, func(*models.Instance) error { return nil }, models.InstanceConnectionLost); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.WaitVisible(`#instance-head .st.s-lost`))
	if b.eval(`window.same`) != true {
		t.Error("the page was loaded again")
	}
}

// The recipe editor's script does what its buttons do without it.
func TestBrowserEditsRecipes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	page := views.LayerHref(f.stack.ID, f.layers[3].ID)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+page+"?edit=1"), chromedp.WaitVisible(`[data-event="setup"] .edit-list`))
	b.eval(`window.same = true`)
	b.do(
		chromedp.Click(`button[value="up setup 1"]`),
		chromedp.SendKeys("#add-configure", "shop::ring\r"),
		chromedp.SendKeys("#add-configure", "shop::hosts"), chromedp.Click(`button[value="add configure"]`),
		chromedp.Click(`button[value="remove shutdown 0"]`),
	)
	if got := b.eval(`[same, document.activeElement.id].join()`); got != "true,add-shutdown" {
		t.Errorf("after editing: got %v, want no reload and the focus in the emptied list", got)
	}
	b.do(chromedp.Click(`.actions button[value="save"]`), chromedp.WaitVisible(".flashes"))
	l, err := c.store.Layers.Get(t.Context(), f.layers[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	r := l.CustomRecipes
	if got, want := fmt.Sprint(r.Setup, r.Configure, r.Deploy, r.Shutdown), "[shop::queue shop::base] [shop::ring shop::hosts] [shop::migrate_once shop::warm_cache] []"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The run page shows the fields of the chosen command and names how many
// instances the button reaches.
func TestBrowserNamesWhatARunReaches(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+f.at("/run")), chromedp.WaitVisible("#Recipes"))
	said := func() any { return b.eval(`document.querySelector('[data-size]').textContent`) }
	if got := said(); got != "Run on 34 instances" {
		t.Errorf("got %v", got)
	}
	b.do(chromedp.Click(`input[value="deploy"]`), chromedp.WaitVisible("#AppId"), chromedp.WaitNotVisible("#Recipes"))
	b.do(chromedp.Click(fmt.Sprintf(`input[value="%s"]`, f.layers[0].ID)), chromedp.Click("#DryRun"))
	if got := said(); got != "Try on 2 instances" {
		t.Errorf("got %v", got)
	}
}
