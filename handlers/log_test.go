package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/models"

	"github.com/gorilla/websocket"
)

func TestLogText(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	w := &host{c: c, cmd: cmd}
	w.print("one\n")
	w.print("two \xff\n")
	b := c.as("ana")
	path := "/commands/" + string(cmd.ID) + "/log"

	got := b.get(path)
	got.want(t, http.StatusOK)
	if got.body != "one\ntwo \xff\n" || got.header.Get(headerLogSeq) != "2" || got.header.Get(headerLogComplete) != "false" {
		t.Errorf("got %q, %v", got.body, got.header)
	}
	if ct := got.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain") {
		t.Errorf("got type %q", ct)
	}
	if got := b.get(path + "?after=1"); got.body != "two \xff\n" {
		t.Errorf("after 1: got %q", got.body)
	}
	if got := b.get(path + "?after=99"); got.status != http.StatusOK || got.body != "" {
		t.Errorf("after the end: got %d, %q", got.status, got.body)
	}
	b.get(path+"?after=x").want(t, http.StatusUnprocessableEntity)
	if got := b.get(path + "?download").header.Get("Content-Disposition"); !strings.Contains(got, `attachment; filename="web-1-execute_recipes-`) {
		t.Errorf("got %q", got)
	}
	w.end(models.CommandSuccessful)
	if got := b.get(path); got.header.Get(headerLogComplete) != "true" {
		t.Errorf("got %v", got.header)
	}
	b.get("/commands/"+string(cmd.ID)).wantLocation(t, "/deployments/"+string(cmd.DeploymentID)+"?command="+string(cmd.ID))
}

// A stranger learns nothing, not even that there is such a command.
func TestLogOfStrangers(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	c.user("eve", false)
	eve := c.as("eve")
	for _, path := range []string{"", "/log", "/log/lines", "/log/search?q=x"} {
		eve.get("/commands/"+string(cmd.ID)+path).want(t, http.StatusNotFound)
		c.as("ana").get("/commands/no-such-command"+path).want(t, http.StatusNotFound)
		if got := c.browser().get("/commands/" + string(cmd.ID) + path); got.status != http.StatusSeeOther {
			t.Errorf("%s without a session: got %d", path, got.status)
		}
	}
	eve.get("/ws/commands/"+string(cmd.ID)+"/log").want(t, http.StatusNotFound)
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	w := &host{c: c, cmd: cmd}
	w.step(0, -1, "recipe", "web::default", "")
	w.print("\x1b[31mred\nstill <red>\n" + strings.Repeat("é", 9000) + "\n")
	w.print("bad \xff")
	b := c.as("ana")
	var f logFrame
	got := b.get("/commands/" + string(cmd.ID) + "/log/lines?steps")
	if err := json.Unmarshal([]byte(got.body), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Lines) != 4 || f.Lines[1] != "still <red>" || f.Lines[3] != "bad \uFFFD" || f.Styles[1] != "31" || !f.Open || f.Total != 4 {
		t.Errorf("got %+v", f)
	}
	if f.Cut[2] != 18000 || strings.Contains(f.Lines[2], "\uFFFD") || len(f.Lines[2]) != 16384 {
		t.Errorf("long line: got %d of %d bytes", len(f.Lines[2]), f.Cut[2])
	}
	if len(f.Times) != 2 || f.Times[1][0] != 3 || len(f.Steps) != 1 || f.Steps[0].Last != -1 {
		t.Errorf("got times %v, steps %+v", f.Times, f.Steps)
	}
	f = logFrame{}
	got = b.get("/commands/" + string(cmd.ID) + "/log/lines?from=-1&count=5")
	if err := json.Unmarshal([]byte(got.body), &f); err != nil || f.First != 3 || len(f.Lines) != 1 {
		t.Errorf("the last: got %+v, %v", f, err)
	}
	b.get("/commands/"+string(cmd.ID)+"/log/search?q=STILL").want(t, http.StatusOK, `"hits":[1]`)
	b.do("GET", "/commands/"+string(cmd.ID)+"/log/search?regexp&q=(", nil, "Accept", "application/json").want(t, http.StatusUnprocessableEntity, "no regular expression")
}

// dial opens the live log as a browser in which ana is signed in.
func (c *logConsole) dial(cmd *models.Command, query string) *websocket.Conn {
	c.t.Helper()
	b := c.as("ana")
	header := http.Header{}
	at, _ := http.NewRequestWithContext(c.t.Context(), "GET", c.url, nil)
	for _, cookie := range b.client.Jar.Cookies(at.URL) {
		header.Add("Cookie", cookie.String())
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(c.t.Context(), "ws://"+c.addr+"/ws/commands/"+string(cmd.ID)+"/log"+query, header)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	c.t.Cleanup(func() { ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	return ws
}

func nextFrame(t *testing.T, ws *websocket.Conn) logFrame {
	t.Helper()
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			continue // the server lives
		}
		var f logFrame
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func TestFollowLog(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	w := &host{c: c, cmd: cmd}
	w.print("one\ntw")
	ws := c.dial(cmd, "?from=0")
	if f := nextFrame(t, ws); len(f.Lines) != 2 || f.Lines[1] != "tw" || !f.Open || f.Complete || f.Status != "running" {
		t.Fatalf("got %+v", f)
	}
	w.print("o\nthree\n")
	if f := nextFrame(t, ws); f.First != 1 || fmt.Sprint(f.Lines) != "[two three]" || f.Open {
		t.Fatalf("got %+v", f)
	}
	late := c.dial(cmd, "?from=2")
	if f := nextFrame(t, late); f.First != 2 || fmt.Sprint(f.Lines) != "[three]" {
		t.Fatalf("from 2: got %+v", f)
	}
	w.end(models.CommandFailed)
	for _, ws := range []*websocket.Conn{ws, late} {
		f := nextFrame(t, ws)
		for !f.Complete {
			f = nextFrame(t, ws)
		}
		if f.Status != "failed" || f.Total != 3 {
			t.Fatalf("at the end: got %+v", f)
		}
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Fatalf("after the end: got %v", err)
		}
	}
}

// One who does not read holds up neither the host nor another viewer, and a
// withdrawn session ends the view.
func TestFollowLogSlowly(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("web-1")
	w := &host{c: c, cmd: cmd}
	slow, quick := c.dial(cmd, "?from=0"), c.dial(cmd, "?from=0")
	seen := make(chan int64)
	go func() { // quick viewer: ends with the log
		last := int64(0)
		for {
			_, data, err := quick.ReadMessage()
			if err != nil {
				seen <- last
				return
			}
			var f logFrame
			if json.Unmarshal(data, &f) == nil {
				last = f.Total
			}
		}
	}()
	line := strings.Repeat("x", 99) + "\n"
	for range 300 {
		w.print(strings.Repeat(line, 300)) // 9 MB in all: more than any buffer between
	}
	w.end(models.CommandSuccessful)
	if got := <-seen; got != 90_000 {
		t.Errorf("the quick viewer saw %d lines", got)
	}
	gap, last := false, logFrame{}
	for !last.Complete {
		last = nextFrame(t, slow)
		gap = gap || last.Gap
	}
	if !gap || last.Total != 90_000 {
		t.Errorf("the slow viewer: got gap %v, %d lines", gap, last.Total)
	}
}
