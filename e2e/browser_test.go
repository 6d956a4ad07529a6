package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in a real browser. What its console complains of fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

func openTab(t *testing.T, address string, within time.Duration) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(chromium(t)),
		chromedp.WindowSize(1440, 900), chromedp.Flag("enable-precise-memory-info", true))
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			// A server that is killed by the test is not the page's fault.
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				t.Errorf("the browser complains: %s (%s)", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &tab{t, ctx, address}
}

func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes longer than -short allows")
	}
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
		b.t.Fatalf("%v at %s, which says: %.600s", err, b.ask("location.href"), b.ask("document.body.innerText"))
	}
}

// open goes to a page of the console.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url+path), chromedp.WaitReady("body"))
}

// eval runs a script that must not fail.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// ask is eval for messages: whatever happens, it says something.
func (b *tab) ask(script string) string {
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// until waits until a script is true.
func (b *tab) until(what, script string, within time.Duration) {
	b.t.Helper()
	deadline := time.Now().Add(within)
	for {
		v, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+script+")"))
		if err == nil && v {
			return
		}
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			b.t.Fatalf("waited %s until %s at %s: %v; the page says: %.800s", within, what, b.ask("location.href"), err, b.ask("document.body.innerText"))
		}
		time.Sleep(25 * time.Millisecond)
	}
}

func (b *tab) signIn(name, password string) {
	b.t.Helper()
	b.open("/sign-in")
	b.do(chromedp.SendKeys("#name", name), chromedp.SendKeys("#password", password),
		chromedp.Click("main button[type=submit]"), chromedp.WaitVisible("#stacks-head"))
}

// clickText clicks the first visible button or link of this name.
func (b *tab) clickText(label string) {
	b.t.Helper()
	const script = `(() => { const el = [...document.querySelectorAll('a,button')].find(e => e.checkVisibility() && e.innerText.trim().split('\n')[0] === %q);
		if (!el) return false; el.scrollIntoView({block: 'center'}); const r = el.getBoundingClientRect();
		window.e2e = [r.x + r.width / 2, r.y + r.height / 2]; return el.contains(document.elementFromPoint(...window.e2e)); })()`
	b.until("there is a button "+label, fmt.Sprintf(script, label), 20*time.Second)
	at := eval[[]float64](b, "window.e2e")
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// pathOf is the path of an address.
func pathOf(address, base string) string { return strings.TrimPrefix(address, base) }
