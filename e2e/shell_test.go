package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"opsyard/models"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorilla/websocket"
)

// A person who may log in to an instance types in a shell in the browser, which
// is recorded and can be played back; one whose permission is withdrawn loses it
// at once, and so does one who signs out.
func TestShellInBrowser(t *testing.T) {
	t.Parallel()
	chromium(t)
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Shells", "process")
	host := c.newInstances(stack, c.newLayer(stack, "Work", nil), 1)[0]
	c.post("/team/users", url.Values{"Name": {"ben"}, "Password": {password}})
	s.becomes(models.InstanceOnline, 2*time.Minute, host)
	page := "/instances/" + string(host) + "/shell"

	b := openTab(t, s.url, 4*time.Minute)
	c.permit(s, stack, "ben", "deploy", false)
	b.signIn("ben", password)
	b.open(page)
	if text := b.ask("document.querySelector('main').innerText"); !strings.Contains(text, "may not log in to") || strings.Contains(text, "Open a shell") {
		t.Errorf("who may not log in is shown %.300s", text)
	}

	c.permit(s, stack, "ben", "deploy", true)
	b.open(page)
	b.shell()
	b.types("echo an$((40+2))swer; tput colors; printf '\\033[38;2;1;200;3mgreen\\033[0m\\n'\r")
	b.says("an42swer")
	b.says("256")
	b.types("for n in $(seq 40000); do echo line $n of a flood; done; echo no''more\r")
	b.says("nomore")
	b.audit("the terminal")
	b.leavesByKeyboard()

	began := time.Now()
	c.permit(s, stack, "ben", "deploy", false)
	b.until("the shell is cut", ended("not log in to this instance any more"), 20*time.Second)
	if took := time.Since(began); took > 10*time.Second { // five are promised; the machine may be busy
		t.Errorf("the shell was cut after %s", took)
	}
	c.permit(s, stack, "ben", "deploy", true)
	b.clickText("Open another")
	b.until("another shell", live, 20*time.Second)
	began = time.Now()
	c.post("/team/users/"+string(s.user("ben"))+"/password", url.Values{"password": {password + " again"}}) // ends his sessions
	b.until("the shell is cut", ended("signed out"), 20*time.Second)
	if took := time.Since(began); took > 10*time.Second { // five are promised; the machine may be busy
		t.Errorf("the shell was cut after %s", took)
	}

	b.signIn(userName, password)
	b.open(page)
	b.until("all shells are listed", `document.querySelectorAll('tbody tr').length === 3`, 20*time.Second)
	b.do(chromedp.Click("tbody tr:last-child a"))
	b.until("the recording is here", `document.querySelector('[data-ready]')`, 20*time.Second)
	b.audit("the recording")
	b.ask(`(() => { const s = document.querySelector('[data-seek]'); s.value = s.max; s.dispatchEvent(new Event('input')); })()`)
	b.says("nomore")
	b.clickText("Play again")
	b.until("it plays from the beginning", `Number(document.querySelector('[data-seek]').value) < Number(document.querySelector('[data-seek]').max)`, 20*time.Second)
}

// user is the id of a person.
func (s *server) user(name string) models.UserID {
	s.t.Helper()
	u, err := s.store().Users.ByName(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.ID
}

// permit gives a person a level and, with ssh, SSH and sudo.
func (c *console) permit(s *server, stack models.StackID, name, level string, ssh bool) {
	c.t.Helper()
	id := string(s.user(name))
	form := url.Values{"row": {id}, "level-" + id: {level}}
	if ssh {
		form.Set("ssh-"+id, "on")
		form.Set("sudo-"+id, "on")
	}
	c.post("/stacks/"+string(stack)+"/permissions", form)
}

// socketShell is a shell without a browser's page.
type socketShell struct {
	t      *testing.T
	conn   *websocket.Conn
	output strings.Builder
	id     models.ShellID
	ended  string
}

// dialShell opens the websocket as a page of an origin does.
func (c *console) dialShell(id models.InstanceID, origin string) (*websocket.Conn, int) {
	c.t.Helper()
	address := "ws" + strings.TrimPrefix(c.url, "http") + "/ws/shell?columns=80&rows=24&instance=" + string(id)
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	dialer := websocket.Dialer{HandshakeTimeout: 20 * time.Second}
	at, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(at) {
		header.Add("Cookie", cookie.Name+"="+cookie.Value)
	}
	conn, response, err := dialer.DialContext(c.t.Context(), address, header)
	if err != nil && response == nil {
		c.t.Fatal(err)
	}
	return conn, response.StatusCode
}

func (c *console) openShell(id models.InstanceID) *socketShell {
	c.t.Helper()
	conn, status := c.dialShell(id, c.url)
	if conn == nil {
		c.t.Fatalf("the shell was refused with status %d", status)
	}
	c.t.Cleanup(func() { conn.Close() })
	s := &socketShell{t: c.t, conn: conn}
	s.until("it is open", func() bool { return s.id != "" || s.ended != "" })
	return s
}

func (s *socketShell) send(kind, text string) {
	s.t.Helper()
	if err := s.conn.WriteMessage(websocket.BinaryMessage, []byte(kind+text)); err != nil {
		s.t.Fatal(err)
	}
}

// until reads, and sees what it reads, until something is so.
func (s *socketShell) until(what string, is func() bool) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for !is() {
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			s.t.Fatalf("waited until %s: %v; it showed %.500q and ended with %q", what, err, s.output.String(), s.ended)
		}
		if kind == websocket.BinaryMessage {
			s.output.Write(data)
			s.send("a", fmt.Sprint(len(data)))
			continue
		}
		var words struct {
			Opened models.ShellID
			Ended  string
		}
		if len(data) > 0 && json.Unmarshal(data, &words) != nil {
			s.t.Fatalf("the server said %s", data)
		}
		s.id, s.ended = cmp.Or(words.Opened, s.id), cmp.Or(words.Ended, s.ended)
	}
}

func (s *socketShell) says(text string) {
	s.t.Helper()
	s.until("it says "+text, func() bool { return strings.Contains(s.output.String(), text) })
}

func (s *socketShell) ends(why string) {
	s.t.Helper()
	s.until("it ends", func() bool { return s.ended != "" })
	if !strings.Contains(s.ended, why) {
		s.t.Errorf("it ended with %q, want %q", s.ended, why)
	}
}

// The websocket is only for pages of the console and for those who may log in;
// what a shell shows is kept, what is typed is not, and nothing of it outlives it.
func TestShellSocket(t *testing.T) {
	t.Parallel()
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Shells", "process")
	host := c.newInstances(stack, c.newLayer(stack, "Work", nil), 1)[0]
	c.post("/team/users", url.Values{"Name": {"ben"}, "Password": {password}})
	ben := visit(t, s.url)
	ben.post("/sign-in", url.Values{"name": {"ben"}, "password": {password}})
	s.becomes(models.InstanceOnline, 2*time.Minute, host)

	refused := func(who *console, origin string, want int) {
		t.Helper()
		if conn, status := who.dialShell(host, origin); conn != nil || status != want {
			t.Errorf("from the origin %q the shell was answered with status %d, want %d", origin, status, want)
		}
	}
	refused(ben, s.url, http.StatusNotFound)
	c.permit(s, stack, "ben", "deny", true)
	refused(ben, s.url, http.StatusNotFound)
	c.openShell(host).ends("may not log in") // an administrator has to say so first
	c.permit(s, stack, "ben", "show", true)
	refused(ben, "https://evil.example", http.StatusForbidden)
	refused(visit(t, s.url), s.url, http.StatusUnauthorized)

	sh := ben.openShell(host)
	sh.send("r", "100x30")
	sh.send("r", "nonsense")
	sh.send("?", "nonsense")
	sh.send("i", "stty -echo; stty size; echo re''ady\r")
	sh.says("ready")
	sh.says("30 100")
	sh.send("i", "echo wa''iting; read secret; sleep 1000 & echo pid=$!=; yes | head -c 3000000 >/dev/tty; echo do''ne\r")
	sh.says("waiting") // bash reads lines no more: from here on the terminal makes them
	sh.send("i", "typed secret\r")
	sh.says("done")
	pid := regexp.MustCompile(`pid=(\d+)=`).FindStringSubmatch(sh.output.String())
	if pid == nil {
		t.Fatal("no process was begun")
	}
	sh.send("i", "exit 3\r")
	sh.ends("exit code 3")
	if stat, err := os.ReadFile("/proc/" + pid[1] + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("what the shell began is still there: %s", stat)
	}
	var words string
	s.wait("the end is on record", 10*time.Second, func() bool {
		words = ben.get("/shells/" + string(sh.id) + "/recording")
		return strings.Contains(words, "exit code 3")
	})
	for text, want := range map[string]bool{"ready": true, "100x30": true, "done": true, "typed secret": false} {
		if strings.Contains(words, text) != want {
			t.Errorf("the recording has %q: %t", text, !want)
		}
	}
	if head, _, _ := strings.Cut(words, "\n"); !strings.Contains(head, `"version":2`) || len(words) < 3_000_000 {
		t.Errorf("%d bytes were recorded, beginning with %s", len(words), head)
	}

	var most []*socketShell
	for range models.ShellMost {
		most = append(most, ben.openShell(host))
	}
	ben.openShell(host).ends("Close one of them")
	most[0].conn.Close()
	s.wait("there is room again", 20*time.Second, func() bool {
		n, err := s.store().Shells.OpenOf(t.Context(), host, s.user("ben"))
		return err == nil && n < models.ShellMost
	})
	stopped := make(chan struct{})
	go func() { // the server's end
		defer close(stopped)
		s.stop()
	}()
	_ = most[1].conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, _, err := most[1].conn.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
				t.Errorf("the end of the server ended the shell with %v", err)
			}
			break
		}
	}
	<-stopped
	s.start()
	all, err := s.store().Shells.OfInstance(t.Context(), host, "", 10)
	if err != nil || len(all) != 1+models.ShellMost {
		t.Fatalf("%d shells are on record, %v", len(all), err)
	}
	for _, one := range all {
		if one.EndedAt == nil {
			t.Errorf("the shell of %s has no end", one.StartedAt)
		}
	}
	if all[0].Why != "The server is stopping." {
		t.Errorf("the last one ended because: %s", all[0].Why)
	}
}

const live = `document.querySelector('[data-term-state]')?.dataset.state === 'live'`

func ended(why string) string {
	return fmt.Sprintf(`document.querySelector('[data-term-why]').innerText.includes(%q)`, why)
}

// leavesByKeyboard leaves a terminal, which takes Tab too, ends its shell, goes to
// the recordings and opens another.
func (b *tab) leavesByKeyboard() {
	b.t.Helper()
	b.do(chromedp.KeyEvent(kb.F6, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until("the terminal is left", `document.activeElement.innerText === 'Close'`, 20*time.Second)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("the shell has ended", ended("You have closed it"), 20*time.Second)
	b.tabTo("To the recordings")
	b.press("the recordings", "/shell")
	b.until("the recording is listed", `document.querySelectorAll('tbody tr').length === 1`, 20*time.Second)
	b.shell()
}

// shell opens one from its page, by keyboard.
func (b *tab) shell() {
	b.t.Helper()
	b.until("the page is ready", `document.readyState === 'complete'`, 20*time.Second)
	b.tabTo("Open a shell")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("the shell is open", live, 20*time.Second)
}

// types presses keys as a browser sees them: without the second event of a
// character, which chromedp sends even when the first was taken.
func (b *tab) types(text string) {
	b.t.Helper()
	for _, r := range text {
		events := kb.Encode(r)
		down := *events[0]
		if len(events) == 3 {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, down); err != nil {
				return err
			}
			_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *events[len(events)-1])
			return err
		}))
	}
}

// says waits for a text in the terminal.
func (b *tab) says(text string) {
	b.t.Helper()
	b.until("the terminal shows "+text, fmt.Sprintf(`[...document.querySelectorAll('.xterm-rows > div')].some(e => e.innerText.trim() === %q)`, text), 30*time.Second)
}
