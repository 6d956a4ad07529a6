package ws

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs handle for each websocket and returns an address to dial.
func serve(t *testing.T, u Upgrader, handle func(*Conn)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		defer c.Close()
		handle(c)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c
}

func code(err error) int {
	var e *websocket.CloseError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestSendsInOrderAndSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	url := serve(t, Upgrader{}, func(c *Conn) {
		go func() { _ = c.Read(nil) }()
		for _, text := range []string{"one", "two", "three"} {
			if err := c.Send([]byte(text)); err != nil {
				t.Errorf("send: %v", err)
			}
		}
		c.CloseWith(CloseForbidden, "no longer")
		c.Close()
		c.Close()
		if err := c.Send(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("send after close: got %v", err)
		}
	})
	client := dial(t, url)
	for _, want := range []string{"one", "two", "three"} {
		_, got, err := client.ReadMessage()
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, _, err := client.ReadMessage(); code(err) != CloseForbidden {
		t.Fatalf("got %v, want code %d", err, CloseForbidden)
	}
}

func TestReadHandsOnMessagesUntilTheEnd(t *testing.T) {
	t.Parallel()
	got, ended := make(chan string, 1), make(chan error, 1)
	url := serve(t, Upgrader{MaxMessage: 8}, func(c *Conn) {
		ended <- c.Read(func(data []byte) { got <- string(data) })
	})
	client := dial(t, url)
	if err := client.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "hello" {
		t.Fatalf("got %q", text)
	}
	if err := client.WriteMessage(websocket.TextMessage, []byte("longer than eight")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("a message too large was accepted")
	}
}

// A reader that does not read must never hold up the feeder.
func TestSlowReaderIsClosed(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	url := serve(t, Upgrader{Queue: 2}, func(c *Conn) {
		go func() { _ = c.Read(nil) }()
		big := make([]byte, 1<<20)
		for i := range big {
			big[i] = byte(i * i >> 3) // does not compress to nothing
		}
		for {
			if err := c.SendBinary(big); err != nil {
				result <- err
				return
			}
		}
	})
	client := dial(t, url)
	if err := <-result; !errors.Is(err, ErrSlow) {
		t.Fatalf("got %v, want ErrSlow", err)
	}
	for {
		if _, _, err := client.ReadMessage(); err != nil {
			if c := code(err); c != CloseSlow && c != websocket.CloseAbnormalClosure {
				t.Fatalf("got %v", err)
			}
			return
		}
	}
}

func TestSendWait(t *testing.T) {
	t.Parallel()
	results := make(chan error, 1)
	url := serve(t, Upgrader{Queue: 1}, func(c *Conn) {
		go func() { _ = c.Read(nil) }()
		for range 50 {
			if err := c.SendWait(c.Context(), []byte("x")); err != nil {
				t.Errorf("send: %v", err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.CloseWith(websocket.CloseNormalClosure, "")
		<-c.Context().Done()
		c.Close()
		c.queue <- message{} // fill it: nobody drains any more
		results <- c.SendWait(ctx, nil)
	})
	client := dial(t, url)
	for range 50 {
		if _, _, err := client.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-results; err == nil {
		t.Fatal("SendWait on a closed connection succeeded")
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	url := serve(t, Upgrader{PublicURL: "https://ops.example"}, func(*Conn) {})
	own := "http" + strings.TrimPrefix(url, "ws")
	for origin, want := range map[string]int{
		"": 101, own: 101, "https://ops.example": 101,
		"http://ops.example": 403, "https://ops.example.evil": 403, "https://evil.example": 403, "null": 403,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		c, resp, err := websocket.DefaultDialer.Dial(url, header)
		if err == nil {
			c.Close()
		}
		if resp == nil || resp.StatusCode != want {
			t.Errorf("origin %q: got %v, %v; want %d", origin, resp, err, want)
		}
	}
}

func TestGroupStops(t *testing.T) {
	t.Parallel()
	var g Group
	entered := make(chan struct{}, 2)
	url := serve(t, Upgrader{}, func(c *Conn) {
		done := g.Add(c)
		defer done()
		entered <- struct{}{}
		_ = c.Read(nil)
	})
	client := dial(t, url)
	<-entered
	if g.Len() != 1 {
		t.Errorf("got %d connections, want 1", g.Len())
	}
	g.Stop()
	g.Stop()
	if _, _, err := client.ReadMessage(); code(err) != websocket.CloseGoingAway {
		t.Errorf("got %v, want going away", err)
	}
	late := dial(t, url)
	<-entered
	if _, _, err := late.ReadMessage(); code(err) != websocket.CloseGoingAway {
		t.Errorf("after the stop: got %v, want going away", err)
	}
	if g.Len() != 0 {
		t.Errorf("got %d connections, want 0", g.Len())
	}
}
