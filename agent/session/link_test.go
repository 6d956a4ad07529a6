package session_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/session"
)

// TestDeadLine: a line on which nothing comes ends by itself; one that is
// pinged does not.
func TestDeadLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pings           int
		atLeast, atMost time.Duration
	}{
		"Silent": {0, 40 * time.Second, 46 * time.Second},
		"Pinged": {4, 100 * time.Second, 106 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				go serve(far, c.pings)
				l, err := session.Dial(t.Context(), "http://server", &http.Transport{
					DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go l.KeepAlive(ctx)
				began := time.Now()
				if _, err := l.Receive(); err == nil {
					t.Error("a message came")
				}
				if took := time.Since(began); took < c.atLeast || took > c.atMost {
					t.Errorf("ended after %s", took)
				}
				cancel()
				far.Close()
			})
		})
	}
}

// serve opens the websocket, pings a few times, and then swallows everything.
func serve(conn net.Conn, pings int) {
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	ws, err := (&websocket.Upgrader{}).Upgrade(&hijacked{conn: conn, r: r, header: http.Header{}}, req, nil)
	if err != nil {
		return
	}
	go io.Copy(io.Discard, conn)
	for range pings {
		time.Sleep(15 * time.Second)
		ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
	}
}

type hijacked struct {
	conn   net.Conn
	r      *bufio.Reader
	header http.Header
}

func (h *hijacked) Header() http.Header         { return h.header }
func (h *hijacked) Write(p []byte) (int, error) { return h.conn.Write(p) }
func (h *hijacked) WriteHeader(int)             {}
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.r, bufio.NewWriter(h.conn)), nil
}

// TestBrokenLine: the end of a server that was killed is no refusal, which
// agents would answer with more patience.
func TestBrokenLine(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err == nil {
			conn.NetConn().Close()
		}
	}))
	defer server.Close()
	l, err := session.Dial(t.Context(), server.URL, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Receive()
	if _, refused := errors.AsType[*session.RefusedError](err); err == nil || refused {
		t.Errorf("a line that broke is %v, want an error that is no refusal", err)
	}
}
