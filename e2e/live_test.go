package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/models"

	"github.com/chromedp/chromedp"
)

// countInTwo is count, which waits in the middle until it may go on.
var countInTwo = strings.Replace(count, "  sleep 0.04\n", `  [ "$n" != 10 ] || until [ -e "$dir/go-on" ]; do sleep 0.05; done
`, 1)

// Whoever watches a log while the server is killed and comes back sees every
// line once, in order, without touching anything.
func TestLogWatchedOverRestart(t *testing.T) {
	t.Parallel()
	chromium(t)
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Watched", "process")
	c.useCookbooks(stack, "Watched", repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{"e2e/recipes/count.sh": countInTwo}))
	id := c.newInstances(stack, c.newLayer(stack, "Work", nil), 1)[0]
	s.becomes(models.InstanceOnline, 2*time.Minute, id)
	b := openTab(t, s.url, 3*time.Minute)
	b.signIn(userName, password)
	b.do(chromedp.EmulateViewport(1440, 2400)) // all lines are in sight

	d := c.execute(stack, "e2e::count")
	b.open("/deployments/" + string(d))
	b.until("some lines are seen", seen(5), time.Minute)
	s.kill()
	b.until("the page says that the line is broken", `document.querySelector('.log-live').dataset.state === 'reconnecting'`, 20*time.Second)
	if err := os.WriteFile(filepath.Join(s.data, "process", string(id), "go-on"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	b.until("the page says that it is over", `document.querySelector('log-pane .log-h').innerText.includes('successful')`, time.Minute)
	b.until("all lines are seen", seen(50), 20*time.Second)

	command := s.successful(d, time.Minute)[0]
	wrote, err := os.ReadFile(filepath.Join(s.data, "process", string(id), "out-"+string(command.ID)))
	if err != nil {
		t.Fatal(err)
	}
	if got := eval[string](b, `[...document.querySelectorAll('log-pane .ln code')].map(e => e.textContent + '\n').join('')`); got != string(wrote) {
		t.Errorf("the page shows other lines than the recipe wrote: %d and %d\n%s", strings.Count(got, "\n"), strings.Count(string(wrote), "\n"), got)
	}
	if numbers := eval[string](b, `[...document.querySelectorAll('log-pane .ln > a')].map(e => e.textContent).join()`); !strings.HasPrefix(numbers, "1,2,3,") || !strings.HasSuffix(numbers, ",49,50") {
		t.Errorf("the lines are numbered %s", numbers)
	}
}

// seen is a script that tells whether at least n lines are drawn.
func seen(n int) string {
	return fmt.Sprintf(`document.querySelectorAll('log-pane .ln code').length >= %d`, n)
}
