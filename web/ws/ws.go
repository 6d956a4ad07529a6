// Package ws pumps messages through a websocket: pings, deadlines, a bounded
// queue that never blocks its feeder, and reasons for closing that both sides
// understand.
package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Close codes of ours, in the range that is free for applications.
const (
	CloseSignedOut = 4401 // the session ended; sign in again
	CloseForbidden = 4403 // what was watched may no longer be seen
	CloseSlow      = 4408 // the reader was too slow; connect again and read anew
)

const (
	writeWait = 10 * time.Second
	pingEvery = 20 * time.Second
	pongWait  = 60 * time.Second
)

// ErrSlow says that the queue is full, the connection was closed with CloseSlow.
var ErrSlow = errors.New("the reader is too slow")

// ErrClosed says that the connection is over.
var ErrClosed = errors.New("the connection is closed")

// Upgrader makes connections. The zero value accepts only pages of the host
// that is asked.
type Upgrader struct {
	// PublicURL is the address people use, when a proxy changes the Host header.
	PublicURL string
	// Queue is how many messages may wait; 64 when zero.
	Queue int
	// MaxMessage is the largest message accepted from the browser; 4 KiB when zero.
	MaxMessage int64
}

// Conn is one open websocket. Send may be called from any goroutine.
type Conn struct {
	socket *websocket.Conn
	queue  chan message
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup
}

type message struct {
	kind int
	data []byte
}

// Closed is the cause of a connection's end, with the code the other side sees.
type Closed struct {
	Code   int
	Reason string
}

// Error is the reason.
func (c *Closed) Error() string { return fmt.Sprintf("websocket closed: %d %s", c.Code, c.Reason) }

// Upgrade turns the request into a websocket, or answers why not.
// The caller must call Close, which waits for the pump.
func (u Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout:  writeWait,
		ReadBufferSize:    1024,
		WriteBufferPool:   &buffers,
		WriteBufferSize:   8192,
		EnableCompression: true,
		CheckOrigin:       func(r *http.Request) bool { return !u.Foreign(r) },
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, fmt.Errorf("open websocket: %w", err)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	c := &Conn{socket: socket, queue: make(chan message, or(u.Queue, 64)), ctx: ctx, cancel: cancel}
	socket.SetReadLimit(or(u.MaxMessage, 4096))
	_ = socket.SetCompressionLevel(1)
	c.wait.Add(1)
	go c.pump()
	return c, nil
}

// buffers are shared by all connections: most are silent most of the time.
var buffers sync.Pool

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Foreign tells whether a page of another site asks for a websocket. Upgrade
// refuses it: the browser may have sent our cookie.
func (u Upgrader) Foreign(r *http.Request) bool {
	return websocket.IsWebSocketUpgrade(r) && !u.sameOrigin(r)
}

func (u Upgrader) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true // not a browser; it brings no cookie of somebody else
	}
	from, err := url.Parse(origin)
	if err != nil || from.Host == "" {
		return false
	}
	if from.Host == r.Host {
		return true
	}
	public, err := url.Parse(u.PublicURL)
	return err == nil && public.Host != "" && public.Scheme == from.Scheme && public.Host == from.Host
}

// Context ends with the connection; its cause says why.
func (c *Conn) Context() context.Context { return c.ctx }

// Send queues a text message. It never waits: a full queue closes the
// connection, because a reader that far behind must read anew anyway.
func (c *Conn) Send(text []byte) error { return c.offer(message{websocket.TextMessage, text}) }

// SendBinary queues a binary message.
func (c *Conn) SendBinary(data []byte) error { return c.offer(message{websocket.BinaryMessage, data}) }

func (c *Conn) offer(m message) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	select {
	case c.queue <- m:
		return nil
	default:
		c.CloseWith(CloseSlow, "too slow")
		return ErrSlow
	}
}

// SendWait queues a text message and waits for room: for feeders that read
// their source at the reader's pace.
func (c *Conn) SendWait(ctx context.Context, text []byte) error {
	return c.await(ctx, message{websocket.TextMessage, text})
}

// SendBinaryWait queues a binary message and waits for room.
func (c *Conn) SendBinaryWait(ctx context.Context, data []byte) error {
	return c.await(ctx, message{websocket.BinaryMessage, data})
}

func (c *Conn) await(ctx context.Context, m message) error {
	select {
	case c.queue <- m:
		return nil
	case <-c.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read hands each message of the browser to handle until the connection ends.
// Exactly one goroutine must call it; without it pongs are not heard.
func (c *Conn) Read(handle func(data []byte)) error {
	_ = c.socket.SetReadDeadline(time.Now().Add(pongWait))
	c.socket.SetPongHandler(func(string) error { return c.socket.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		_, data, err := c.socket.ReadMessage()
		if err != nil {
			c.cancel(err)
			return err
		}
		_ = c.socket.SetReadDeadline(time.Now().Add(pongWait))
		if handle != nil {
			handle(data)
		}
	}
}

// CloseWith ends the connection with a code and a short reason. What was
// queued before is still written. It does not wait.
func (c *Conn) CloseWith(code int, reason string) { c.cancel(&Closed{code, reason}) }

// Close ends the connection and waits for the pump; safe to call twice.
func (c *Conn) Close() {
	c.CloseWith(websocket.CloseNormalClosure, "")
	c.wait.Wait()
}

// pump is the only goroutine that writes.
func (c *Conn) pump() {
	defer c.wait.Done()
	defer c.socket.Close()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case m := <-c.queue:
			if err := c.write(m); err != nil {
				c.cancel(err)
				return
			}
		case <-ping.C:
			if err := c.ping(); err != nil {
				c.cancel(err)
				return
			}
		case <-c.ctx.Done():
			c.farewell()
			return
		}
	}
}

func (c *Conn) write(m message) error {
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeWait))
	return c.socket.WriteMessage(m.kind, m.data)
}

// ping asks the network whether the browser is there, and with an empty
// message tells the page that the server is.
func (c *Conn) ping() error {
	if err := c.socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)); err != nil {
		return err
	}
	return c.write(message{kind: websocket.TextMessage})
}

// farewell writes what was queued and says why it ends.
func (c *Conn) farewell() {
	cause := context.Cause(c.ctx)
	var closed *Closed
	if !errors.As(cause, &closed) {
		if !errors.Is(cause, context.Canceled) {
			return // the line is dead
		}
		closed = &Closed{websocket.CloseGoingAway, "the server stops"}
	}
	if closed.Code != CloseSlow {
		c.drain()
	}
	text := websocket.FormatCloseMessage(closed.Code, closed.Reason)
	_ = c.socket.WriteControl(websocket.CloseMessage, text, time.Now().Add(time.Second))
}

func (c *Conn) drain() {
	for {
		select {
		case m := <-c.queue:
			if c.write(m) != nil {
				return
			}
		default:
			return
		}
	}
}

// Group knows the connections of a server, so that stopping closes them all.
// The zero value is ready.
type Group struct {
	mu      sync.Mutex
	conns   map[*Conn]struct{}
	stopped bool
	wait    sync.WaitGroup
}

// Add takes the connection in. The returned function takes it out again. After
// Stop a connection is closed at once.
func (g *Group) Add(c *Conn) (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		c.CloseWith(websocket.CloseGoingAway, "the server stops")
		return func() {}
	}
	if g.conns == nil {
		g.conns = map[*Conn]struct{}{}
	}
	g.conns[c] = struct{}{}
	g.wait.Add(1)
	return sync.OnceFunc(func() {
		g.mu.Lock()
		delete(g.conns, c)
		g.mu.Unlock()
		g.wait.Done()
	})
}

// Len is how many connections are open.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Stop closes every connection and waits until their owners are done.
func (g *Group) Stop() {
	g.mu.Lock()
	g.stopped = true
	for c := range g.conns {
		c.CloseWith(websocket.CloseGoingAway, "the server stops")
	}
	g.mu.Unlock()
	g.wait.Wait()
}
