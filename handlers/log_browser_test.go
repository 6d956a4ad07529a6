package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/models"
	"opsyard/models/store"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// logConsole is a console with logs, that can go away and come back.
type logConsole struct {
	*console
	dir    string
	logs   *logstream.Logs
	h      *Handlers
	server *http.Server
	addr   string
}

func setupLogs(t *testing.T) *logConsole {
	t.Helper()
	c := &logConsole{console: setup(t), dir: t.TempDir(), addr: fmt.Sprint("127.0.0.1:", agenttest.FreePort(t))}
	c.up()
	t.Cleanup(c.down)
	return c
}

// up starts logs and console as a new process would.
func (c *logConsole) up() {
	c.t.Helper()
	blobs, err := blob.OpenDir(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	c.logs = logstream.New(logstream.Config{Store: c.store.Logs, Blobs: blobs, Log: slog.New(slog.DiscardHandler)})
	if err := c.logs.Start(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	config := c.console.h.Config
	config.Logs = c.logs
	if c.h, err = New(config); err != nil {
		c.t.Fatal(err)
	}
	listener := agenttest.ListenAgain(c.t, c.addr)
	c.url = "http://" + c.addr
	c.server = &http.Server{Handler: c.h}
	served := make(chan struct{})
	go func() { // test server: ends with Close
		defer close(served)
		_ = c.server.Serve(listener)
	}()
	c.server.RegisterOnShutdown(func() { <-served })
}

func (c *logConsole) down() {
	c.h.Stop()
	_ = c.server.Close()
	c.logs.Stop()
}

// command makes a command that runs on an instance.
func (c *logConsole) command(host string) *models.Command {
	c.t.Helper()
	stack := c.stack("stack-of-" + host)
	d := &models.Deployment{
		ID: models.NewID[models.DeploymentID](), StackID: stack.ID, Status: models.DeploymentRunning, CreatedAt: time.Now(),
		Command: models.DeploymentCommand{Name: models.CommandExecuteRecipes},
	}
	if err := c.store.Deployments.Create(c.t.Context(), d); err != nil {
		c.t.Fatal(err)
	}
	cmd := models.Command{
		ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: stack.ID, InstanceID: models.NewID[models.InstanceID](), Hostname: host,
		Type: models.CommandExecuteRecipes, Status: models.CommandPending, TimeoutSeconds: 60, CreatedAt: time.Now(),
	}
	if err := c.store.Commands.Create(c.t.Context(), []models.Command{cmd}); err != nil {
		c.t.Fatal(err)
	}
	c.move(&cmd, models.CommandSent, nil)
	c.move(&cmd, models.CommandRunning, nil)
	return &cmd
}

func (c *logConsole) move(cmd *models.Command, to models.CommandStatus, lastSeq *int64) {
	c.t.Helper()
	err := c.store.Commands.Move(c.t.Context(), cmd.ID, []models.CommandStatus{cmd.Status}, to, store.CommandChange{At: time.Now(), LogLastSeq: lastSeq})
	if err != nil {
		c.t.Fatal(err)
	}
	cmd.Status = to
}

// host writes a command's log as an agent does.
type host struct {
	c     *logConsole
	cmd   *models.Command
	seq   int64
	bytes int64
	steps []protocol.Step
}

func (h *host) print(text string) {
	h.c.t.Helper()
	h.seq++
	stored, err := h.c.logs.Append(context.Background(), h.cmd.ID, protocol.LogChunk{Seq: h.seq, Offset: h.bytes, At: time.Now(), Data: []byte(text), Steps: h.steps})
	if err != nil || stored < h.seq {
		h.c.t.Fatalf("append: %d, %v", stored, err)
	}
	h.bytes += int64(len(text))
	h.steps = nil
}

func (h *host) step(index, parent int, kind, name, result string) {
	h.steps = append(h.steps, protocol.Step{Index: index, Parent: parent, Kind: kind, Name: name, Offset: h.bytes, At: time.Now(), Result: result})
}

func (h *host) end(status models.CommandStatus) {
	h.c.t.Helper()
	h.print("") // the last steps
	h.c.move(h.cmd, status, &h.seq)
	if err := h.c.logs.Finish(context.Background(), h.cmd.ID, h.seq); err != nil {
		h.c.t.Fatal(err)
	}
}

// wait waits until a script is true.
func (b *tab) wait(script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[any](script, chromedp.WithPollingTimeout(time.Minute), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		b.t.Fatalf("waited for %s: %v; the log shows:\n%v", script, err, b.eval(`(() => { const p = document.querySelector('log-pane'), s = p.search; return JSON.stringify({ lines: `+shownLines+`.slice(0, 5), top: p.view.topLine, total: p.rows.total, state: p.liveState, search: [p.field.value, s.text, s.hits.length, s.current, p.count.textContent], note: p.message.textContent }, null, 1) })()`))
	}
}

func (b *tab) number(script string) int {
	b.t.Helper()
	n, ok := b.eval(script).(float64)
	if !ok {
		b.t.Fatalf("%s is no number", script)
	}
	return int(n)
}

// shownLines is what the rows in sight say.
const shownLines = `[...document.querySelectorAll('.ln')].filter(l => { const b = document.querySelector('.log-v').getBoundingClientRect(), r = l.getBoundingClientRect(); return r.bottom > b.top + 2 && r.top < b.bottom - 2 }).map(l => l.querySelector('code').textContent)`

const box = `document.querySelector('.log-v')`

func (b *tab) wheel(dy float64) {
	b.t.Helper()
	b.eval(box + `.scrollIntoView({ block: 'center' })`)
	at := b.eval(`(() => { const r = ` + box + `.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`).([]any)
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseWheel, at[0].(float64), at[1].(float64), func(p *input.DispatchMouseEventParams) {
		p.DeltaX, p.DeltaY = 1e-9, dy // zero would be left out, which the browser refuses
	}))
}

// wheelUntil turns the wheel again if a busy browser swallowed the turn, as a
// person would.
func (b *tab) wheelUntil(dy float64, script string) {
	b.t.Helper()
	for range 8 {
		b.wheel(dy)
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if b.eval(script) == true {
				return
			}
		}
	}
	b.t.Fatalf("the wheel never made it so that %s", script)
}

func (b *tab) screenshot(name string) {
	dir := os.Getenv("OPSYARD_SCREENSHOTS")
	if dir == "" {
		return
	}
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// A million lines open at once, scroll everywhere, are searched, and stay
// small in the tab.
func TestBrowserMillionLines(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not in -short")
	}
	c := setupLogs(t)
	cmd := c.command("big-1")
	w := &host{c: c, cmd: cmd}
	w.step(0, -1, "recipe", "noise::default", "")
	var text strings.Builder
	for n := 1; n <= 1_000_000; n++ {
		fmt.Fprintf(&text, "\x1b[3%dmline %d\x1b[0m of a million, with as much text as lines of logs have on average\n", n%8, n)
		if text.Len() >= 8*protocol.ChunkSize || n == 1_000_000 {
			w.print(text.String())
			text.Reset()
		}
	}
	w.step(0, -1, "recipe", "noise::default", "failed") // failed steps are open
	w.end(models.CommandFailed)

	b := openTab(t)
	b.signIn(c.url)
	before := b.number(`performance.memory.usedJSHeapSize`)
	begin := time.Now()
	b.do(chromedp.Navigate(c.url + "/commands/" + string(cmd.ID)))
	b.wait(shownLines + `.some(l => l.startsWith('line 1 of'))`)
	t.Logf("first screen: %s with the page's load; the browser says %v ms from navigation", time.Since(begin), b.eval(`Math.round(performance.now())`))

	// wheel, thumb and keys
	b.wheelUntil(180, `document.querySelector('log-pane').view.topLine > 5`)
	b.wait(`(() => { const next = document.querySelector('log-pane').view.topLine + 2; return ` + shownLines + `.some(l => l.startsWith('line ' + next + ' of')) })()`)
	for _, part := range []float64{0.25, 0.5, 0.9, 0.1} {
		b.eval(fmt.Sprintf(`%s.scrollTop = (%[1]s.scrollHeight - %[1]s.clientHeight) * %v`, box, part))
		b.wait(fmt.Sprintf(`(() => { const l = %s; const n = Number(/^line (\d+)/.exec(l[1])?.[1]); return l.every(x => x) && n > %d && n < %d })()`, shownLines, int(part*1e6)-150_000, int(part*1e6)+150_000))
		if rows := b.number(`document.querySelectorAll('.ln').length`); rows > 200 {
			t.Errorf("got %d rows in the page", rows)
		}
	}
	// small steps in the compressed middle move by as much as they say
	first := b.number(`document.querySelector('log-pane').view.topLine`)
	b.wheelUntil(90, fmt.Sprintf(`(n => n > 0 && n %% 5 === 0)(document.querySelector('log-pane').view.topLine - %d)`, first))
	b.eval(box + `.focus()`)
	b.do(chromedp.KeyEvent(kb.End))
	b.wait(shownLines + `.some(l => l.startsWith('line 1000000 of'))`)
	b.do(chromedp.KeyEvent(kb.Home))
	b.wait(shownLines + `.some(l => l.startsWith('line 1 of'))`)

	// a link to lines in the middle
	b.eval(`location.hash = '#L500000-500002'`)
	b.wait(shownLines + `.some(l => l.startsWith('line 500000 of')) && document.querySelectorAll('.ln.sel').length === 3`)

	// search
	begin = time.Now()
	b.do(chromedp.KeyEvent("/"))
	b.eval(`document.activeElement.value = ''`) // a synthetic key types even when it was handled
	b.do(chromedp.KeyEvent("LINE 777777 OF"), chromedp.KeyEvent(kb.Enter))
	b.wait(shownLines + `.some(l => l.startsWith('line 777777 of')) && [...document.querySelectorAll('.ln.now mark')].map(m => m.textContent).join('') === 'line 777777 of'`)
	t.Logf("a search for one line of a million: %s", time.Since(begin))
	b.wait(`document.querySelector('.hits').textContent === '1 of 1'`)

	// everywhere, to fill the cache
	b.eval(`(async () => { const v = ` + box + `; for (let n = 0; n < 150; n++) { v.scrollTop = v.scrollHeight * (n * 7 % 150) / 150; await new Promise(r => setTimeout(r, 60)); } window.toured = true })()`)
	b.wait(`window.toured`)
	held := b.number(`document.querySelector('log-pane').lines.size`)
	b.eval(`window.gc?.()`)
	heap := b.number(`performance.memory.usedJSHeapSize`)
	t.Logf("heap %d MB before, %d MB after a tour; %d characters held", before>>20, heap>>20, held)
	if heap > 150<<20 {
		t.Errorf("the tab holds %d MB", heap>>20)
	}
	b.screenshot("log-million")
}

// A running log follows, pauses when its reader scrolls up, counts what comes
// meanwhile, and goes on without gap or double after the server was away.
func TestBrowserFollowLog(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	w := &host{c: c, cmd: cmd}
	w.step(0, -1, "recipe", "web::default", "")
	for n := 1; n <= 300; n++ {
		w.print(fmt.Sprintf("line %d\n", n))
	}
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url + "/commands/" + string(cmd.ID)))
	b.wait(shownLines + `.at(-1) === 'line 300' && document.querySelector('.log-live').dataset.state === 'live'`)
	w.print("line 301\nline 302, 10%")
	b.wait(shownLines + `.at(-1) === 'line 302, 10%'`)
	w.print("\rline 302, 90%")
	b.wait(shownLines + `.at(-1) === 'line 302, 90%'`)
	w.print("\rline 302\x1b[K\n")
	b.wait(shownLines + `.at(-1) === 'line 302'`)

	// scrolled up: nothing moves, and the pill counts
	b.wheelUntil(-400, `!document.querySelector('log-pane').view.following`)
	top := b.eval(shownLines + `[0]`)
	for n := 303; n <= 340; n++ {
		w.print(fmt.Sprintf("line %d\n", n))
	}
	b.wait(`document.querySelector('.log-follow').textContent === '38 new lines'`)
	if got := b.eval(shownLines + `[0]`); got != top {
		t.Errorf("the log moved from %v to %v under its reader", top, got)
	}
	b.screenshot("log-paused")
	b.do(chromedp.KeyEvent("f"))
	b.wait(shownLines + `.at(-1) === 'line 340' && document.querySelector('.log-follow').hidden`)

	// the server goes away; the host writes on to the next one
	b.eval(`window.same = true`)
	c.down()
	b.wait(`document.querySelector('.log-live').dataset.state === 'reconnecting'`)
	c.up()
	for n := 341; n <= 400; n++ {
		w.print(fmt.Sprintf("line %d\n", n))
	}
	b.wait(shownLines + `.at(-1) === 'line 400'`)
	w.step(0, -1, "recipe", "web::default", "successful")
	w.end(models.CommandSuccessful)
	b.wait(`document.querySelector('log-pane .st').textContent === 'successful' && document.querySelector('.log-live').dataset.state === 'complete'`)
	want := make([]string, 400)
	for n := range want {
		want[n] = fmt.Sprintf("'line %d'", n+1)
	}
	want[301] = `'line 302, 10%\rline 302, 90%\rline 302\x1b[K'`
	b.wait(`window.same && (() => { const p = document.querySelector('log-pane'), want = [` + strings.Join(want, ",") + `]; return p.rows.total === 400 && want.every((w, n) => !p.lines.get(n) || p.lines.get(n).text === w) && [301, 399].every(n => p.lines.get(n)) })()`)
	if got := b.number(`document.querySelectorAll('.ls[data-step="0"][aria-expanded="true"]').length`); got == 0 && b.number(`document.querySelector('log-pane').view.topLine`) < 5 {
		t.Error("what was seen running was folded under its reader")
	}
}
