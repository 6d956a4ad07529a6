package handlers

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/web/ws"

	"github.com/gorilla/websocket"
)

// dial opens a live page as the browser does.
func (b *browser) dial(path, origin string) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{Jar: b.client.Jar, HandshakeTimeout: 30 * time.Second, EnableCompression: true}
	return dialer.Dial(strings.Replace(b.c.url, "http", "ws", 1)+path, http.Header{"Origin": {origin}})
}

// mustDial is dial from a page of our own.
func (b *browser) mustDial(path string) *websocket.Conn {
	b.c.t.Helper()
	// the cookie jar knows http addresses; the dialer asks it for those of its ws one
	conn, resp, err := b.dial(path, b.c.url)
	if err != nil {
		b.c.t.Fatalf("dial %s: %v (%v)", path, err, resp)
	}
	resp.Body.Close()
	b.c.t.Cleanup(func() { conn.Close() })
	return conn
}

// next is the next message that is not a sign of life.
func next(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if len(data) > 0 {
			return string(data)
		}
	}
}

func closeCode(t *testing.T, conn *websocket.Conn) int {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if e := new(websocket.CloseError); errors.As(err, &e) {
				return e.Code
			}
			t.Fatalf("read: %v", err)
		}
	}
}

func TestLiveStacks(t *testing.T) {
	t.Parallel()
	c := setup(t)
	shop := c.stack("shop")
	conn := c.as("ana").mustDial("/ws/live?view=stacks/")
	first := next(t, conn)
	if !strings.Contains(first, `id="stacks-table"`) || !strings.Contains(first, ">shop<") || strings.Contains(first, "<html") {
		t.Fatalf("got %.300s", first)
	}
	c.instance(shop, "web1", models.InstanceStartFailed)
	for range 50 { // a burst is drawn once, or a few times
		c.hub.Publish("stacks", pubsub.Message{Kind: "stack", ID: string(shop.ID)})
	}
	if got := next(t, conn); !strings.Contains(got, "1 start_failed") {
		t.Fatalf("got %.300s", got)
	}
}

func TestLiveRefuses(t *testing.T) {
	t.Parallel()
	c := setup(t)
	ana := c.as("ana")
	for _, tc := range []struct {
		name, path, origin string
		who                *browser
		want               int
	}{
		{"ErrNobody", "/ws/live?view=stacks/", c.url, c.browser(), 401},
		{"ErrOrigin", "/ws/live?view=stacks/", "https://evil.example", ana, 403},
		{"ErrUnknownView", "/ws/live?view=nothing/1", c.url, ana, 404},
		{"ErrNoView", "/ws/live", c.url, ana, 422},
	} {
		conn, resp, err := tc.who.dial(tc.path, tc.origin)
		if err == nil {
			conn.Close()
			t.Errorf("%s: was accepted", tc.name)
			continue
		}
		if resp.StatusCode != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, resp.StatusCode, tc.want)
		}
	}
}

func TestLiveEndsWithTheSession(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.as("ana")
	conn := b.mustDial("/ws/live?view=stacks/")
	next(t, conn)
	b.post("/sign-out")
	if got := closeCode(t, conn); got != ws.CloseSignedOut {
		t.Fatalf("got close code %d, want %d", got, ws.CloseSignedOut)
	}
}

func TestStopClosesLivePages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	conn := c.as("ana").mustDial("/ws/live?view=stacks/")
	next(t, conn)
	c.h.Stop()
	c.h.Stop()
	if got := closeCode(t, conn); got != websocket.CloseGoingAway {
		t.Fatalf("got close code %d, want %d", got, websocket.CloseGoingAway)
	}
}
func TestChanges(t *testing.T) {
	t.Parallel()
	c := newChanges()
	web1 := pubsub.Message{Topic: "stack:a", Kind: "instance", ID: "1"}
	c.add(web1)
	c.add(web1)
	c.add(pubsub.Message{Topic: "stack:b", Kind: "instance", ID: "2"})
	if list, touched := c.of([]string{"stack:a"}); !touched || len(list) != 1 || list[0] != web1 {
		t.Errorf("got %v, %v; want web1 once", list, touched)
	}
	if list, touched := c.of([]string{"stack:c"}); touched || len(list) != 0 {
		t.Errorf("got %v, %v for another stack", list, touched)
	}
	c.add(pubsub.Message{Topic: "stack:b", Kind: pubsub.Gap})
	if list, touched := c.of([]string{"stack:c"}); !touched || list != nil {
		t.Errorf("got %v, %v after a gap; want everything", list, touched)
	}
}
