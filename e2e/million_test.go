package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/models"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
)

const (
	million = 1_000_000
	cuts    = 20
)

// million lines that hardly compress, on the log and in a file.
const manyLines = `
awk 'BEGIN { srand(7); for (n = 1; n <= 1000000; n++) printf "%07d %08x%08x%08x\n", n, rand() * 4294967295, rand() * 4294967295, rand() * 4294967295 }' |
  tee "$OPSYARD_INSTANCE_DIR/wrote"
`

// A million lines of one command pass a connection that is cut 20 times. What
// is stored is what was written, and a browser shows it at once.
func TestMillionLines(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a million lines take longer than -short allows")
	}
	s := newServer(t, "serve", "--provider", "process")
	line := newCutter(t, strings.TrimPrefix(s.url, "http://"), 1<<20, cuts)
	throughProxy(t, s, line.address)
	s.start()
	c := setUp(s)
	stack := c.newStack("Million", "process")
	c.useCookbooks(stack, "Million", repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{"e2e/recipes/many.sh": manyLines}))
	ids := c.newInstances(stack, c.newLayer(stack, "Work", nil), 1)
	s.becomes(models.InstanceOnline, 2*time.Minute, ids...)

	line.begin()
	began := time.Now()
	d := c.execute(stack, "e2e::many")
	command := s.successful(d, 8*time.Minute)[0]
	wait(t, "the log is complete", 4*time.Minute, func() bool { return c.complete(command.ID) })
	t.Logf("a million lines were stored after %s, with %d cuts", time.Since(began).Round(100*time.Millisecond), line.made())
	if line.made() != cuts {
		t.Errorf("the connection was cut %d times, want %d", line.made(), cuts)
	}
	compareMillion(t, s, c, command)
	readMillion(t, s, command)
}

// compareMillion compares the stored text with what the recipe wrote.
func compareMillion(t *testing.T, s *server, c *console, command models.Command) {
	t.Helper()
	f, err := os.Open(filepath.Join(s.data, "process", string(command.InstanceID), "wrote"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source := sha256.New()
	if _, err := io.Copy(source, f); err != nil {
		t.Fatal(err)
	}
	sum := ""
	wait(t, "the log is packed", time.Minute, func() bool {
		response, err := c.http.Head(c.url + "/commands/" + string(command.ID) + "/log")
		if err == nil {
			response.Body.Close()
			sum = strings.TrimPrefix(response.Header.Get("Opsyard-Log-Sha256"), "sha256:")
		}
		return sum != ""
	})
	response, err := c.http.Get(c.url + "/commands/" + string(command.ID) + "/log?download")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stored := sha256.New()
	n, err := io.Copy(stored, response.Body)
	if err != nil {
		t.Fatal(err)
	}
	want, got := hex.EncodeToString(source.Sum(nil)), hex.EncodeToString(stored.Sum(nil))
	if got != want || sum != want {
		t.Errorf("the stored text (%d bytes) has SHA-256 %s and says %s, the source has %s", n, got, sum, want)
	}
	t.Logf("SHA-256 of %d bytes: %s", n, got)
}

// readMillion opens the log in a browser and looks at its beginning, middle
// and end. On a busy machine the figures are worse than what we promise.
func readMillion(t *testing.T, s *server, command models.Command) {
	b := openTab(t, s.url, 3*time.Minute)
	b.signIn(userName, password)
	page := "/deployments/" + string(command.DeploymentID) + "?command=" + string(command.ID) + "#L1"
	b.open(page) // once before, so that scripts and styles are there
	b.until("the first screen is here", shows(1), 30*time.Second)
	b.open("/stacks")
	began := time.Now()
	b.open(page)
	b.until("the first screen is here", shows(1), 30*time.Second)
	first := time.Since(began)
	for _, n := range []int{million / 2, million, 250_000} {
		b.ask(fmt.Sprintf("location.hash = '#L%d'", n))
		b.until(fmt.Sprint("line ", n, " is shown"), shows(n), 20*time.Second)
	}
	b.ask(`(() => { const v = document.querySelector('.log-v'); v.scrollTop = v.scrollHeight; })()`)
	b.until("the end is shown after scrolling", shows(million), 20*time.Second)
	rows := eval[int](b, `document.querySelectorAll('log-pane .ln').length`)
	if rows > 300 {
		t.Errorf("%d rows are in the page", rows)
	}
	heap, process := b.memory()
	if heap > 150<<20 || process > 150<<20 {
		t.Errorf("the tab takes %d MB (its scripts %d MB), want at most 150", process>>20, heap>>20)
	}
	t.Logf("first screen after %s; %d rows in the page; scripts use %.1f MB, the tab's own memory is %d MB", first.Round(time.Millisecond), rows, float64(heap)/(1<<20), process>>20)
}

// shows is a script that tells whether a line of the million is on the screen,
// with its own text.
func shows(n int) string {
	return fmt.Sprintf(`(() => { const el = document.getElementById('L%d'); if (!el) return false; const at = el.getBoundingClientRect(), box = document.querySelector('.log-v').getBoundingClientRect();
		return at.bottom > box.top && at.top < box.bottom && el.querySelector('code').textContent.startsWith('%07d '); })()`, n, n)
}

// memory is what the page's scripts use, and what its process has for itself:
// the footprint that Chromium's task manager shows.
func (b *tab) memory() (heap, process int64) {
	b.t.Helper()
	usage, err := chromedp.Call(b.ctx, runtime.GetHeapUsage, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	all, err := chromedp.CallBrowser(b.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range all.ProcessInfo {
		if p.Type == "renderer" {
			process = max(process, privateMemory(b.t, p.ID))
		}
	}
	return int64(usage.UsedSize), process
}

// privateMemory is what a process does not share with others, in bytes.
func privateMemory(t *testing.T, pid int64) (sum int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Logf("memory of the tab: %v", err)
	}
	for line := range strings.Lines(string(b)) {
		var kB int64
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "Private_") {
			fmt.Sscan(f[1], &kB)
			sum += kB << 10
		}
	}
	return sum
}

// cutter is a line between agent and server that breaks: each time so many
// bytes have gone up, until it has broken so often.
type cutter struct {
	address string
	to      string
	every   int64
	clients sync.WaitGroup

	mu     sync.Mutex
	left   int
	done   int
	passed int64
	on     bool
	open   map[net.Conn]bool
}

func newCutter(t *testing.T, to string, every int64, times int) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{address: l.Addr().String(), to: to, every: every, left: times, open: map[net.Conn]bool{}}
	c.clients.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.clients.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		c.breakAll()
		c.mu.Unlock()
		c.clients.Wait()
	})
	return c
}

func (c *cutter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.passed = true, 0
}

func (c *cutter) made() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

func (c *cutter) serve(down net.Conn) {
	defer down.Close()
	up, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer up.Close()
	c.mu.Lock()
	c.open[down], c.open[up] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(down, up); down.Close() })
	both.Go(func() { io.Copy(counted{up, c}, struct{ io.Reader }{down}); up.Close() })
	both.Wait()
	c.mu.Lock()
	delete(c.open, down)
	delete(c.open, up)
	c.mu.Unlock()
}

// counted cuts when enough has passed, in the middle of whatever is under way.
type counted struct {
	conn net.Conn
	c    *cutter
}

func (w counted) Write(b []byte) (int, error) {
	n, err := w.conn.Write(b)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.passed += int64(n)
	if w.c.on && w.c.left > 0 && w.c.passed >= w.c.every {
		w.c.passed = 0
		w.c.left--
		w.c.done++
		w.c.breakAll()
	}
	return n, err
}

func (c *cutter) breakAll() {
	for conn := range c.open {
		conn.Close()
	}
}

// throughProxy gives the server a bin directory in which the agent is led to
// another address before it starts.
func throughProxy(t *testing.T, s *server, proxy string) {
	t.Helper()
	dir := filepath.Join(s.dir, "bin")
	agent := filepath.Join(filepath.Dir(s.program), "opsyard-agent")
	script := "#!/bin/sh\nfor file; do case $file in */agent.json) sed -i 's#" + strings.TrimPrefix(s.url, "http://") + "#" + proxy + "#' \"$file\" ;; esac; done\nexec " + agent + " \"$@\"\n"
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "opsyard-agent"), []byte(script), 0o755)
	}
	if err == nil {
		err = copyFile(s.program, filepath.Join(dir, "opsyard"))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.program = filepath.Join(dir, "opsyard")
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}
