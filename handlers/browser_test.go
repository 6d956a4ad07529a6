package handlers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/models"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in a real browser. What its console complains of fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T) *tab {
	t.Helper()
	path := chromium(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path), chromedp.WindowSize(1280, 800))
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceViolation {
				t.Errorf("the browser refused something: %s", e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &tab{t, ctx}
}

func chromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium on this machine")
	return ""
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) eval(script string) any {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

func (b *tab) signIn(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/sign-in"), chromedp.SendKeys("#name", "ana"), chromedp.SendKeys("#password", goodPassword),
		chromedp.Click("main button[type=submit]"), chromedp.WaitVisible("#stacks-head"))
}

func row(s *models.Stack) string { return "#stack-" + string(s.ID) }

// A live page keeps what its reader is doing, and is true again after the
// server was away.
func TestBrowserLivePage(t *testing.T) {
	t.Parallel()
	c := setup(t)
	var handler atomic.Pointer[Handlers]
	handler.Store(c.h)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	first, other := c.stack("shop one"), c.stack("other")

	b := openTab(t)
	b.signIn(server.URL)
	b.do(chromedp.WaitVisible(`.live[data-state="live"]`), chromedp.WaitVisible(row(other)))
	b.eval(`document.querySelector('[name=filter]').focus()`)
	b.do(chromedp.SendKeys("[name=filter]", "shop"), chromedp.WaitNotPresent(row(other)))
	b.eval(`document.querySelector('details.menu').open = true; window.kept = document.querySelector('` + row(first) + `')`)
	second := c.stack("shop two")
	b.do(chromedp.WaitVisible(row(second)))
	script := `[document.activeElement.value, document.querySelector('details.menu').open, kept.isConnected, location.search, !!document.querySelector('` + row(other) + `')].join(' ')`
	if got, want := b.eval(script), "shop true true ?filter=shop false"; got != want {
		t.Errorf("after an update: got %v, want %v: what was typed, the open menu, the same row, the filter", got, want)
	}

	c.h.Stop() // the server goes, and comes back as another
	third := c.stack("shop three")
	again, err := New(c.h.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Stop)
	handler.Store(again)
	b.do(chromedp.WaitVisible(row(third)), chromedp.WaitVisible(`.live[data-state="live"]`))

	if err := c.store.Stacks.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	c.stack("shop four") // tells the page
	b.do(chromedp.WaitNotPresent(row(first)))
}

// A page whose session ends leads to the sign-in page by itself.
func TestBrowserSignedOutElsewhere(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.stack("shop")
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.WaitVisible(`.live[data-state="live"]`))
	c.engine.mu.Lock()
	clear(c.engine.sessions)
	c.engine.mu.Unlock()
	b.do(chromedp.WaitVisible("#password"))
}

func TestBrowserTypedConfirmation(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+"/gallery"), chromedp.Click(`button[command="show-modal"]`), chromedp.WaitVisible("#stop-12"))
	b.do(chromedp.SendKeys("#stop-12 [name=confirm]", "worke"))
	if got := b.eval(`document.querySelector('#stop-12 [data-guarded]').disabled`); got != true {
		t.Errorf("half a name opens the button: disabled is %v", got)
	}
	b.do(chromedp.SendKeys("#stop-12 [name=confirm]", "r"))
	if got := b.eval(`document.querySelector('#stop-12 [data-guarded]').disabled`); got != false {
		t.Errorf("the whole name does not open the button: disabled is %v", got)
	}
	b.do(chromedp.Click(`#stop-12 button[command="close"]`), chromedp.WaitNotVisible("#stop-12"))
}
