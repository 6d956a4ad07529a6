// Package session is the agent's side of the line to the server: enrolment, a
// websocket that knows when it is dead, and the handshake that opens it.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
)

// A dead line is noticed when nothing has come for readTimeout: the server
// answers heartbeats, and pings when there are none to answer. The agent pings
// only when all that is late, for the pings of thousands are most of what an
// idle server does. A write may take longer, since a server whose store is slow
// does not read.
const (
	pingAfter      = protocol.HeartbeatEvery + 6*time.Second
	readTimeout    = protocol.HeartbeatEvery + 15*time.Second
	writeTimeout   = time.Minute
	controlTimeout = time.Second
	dialTimeout    = 20 * time.Second
)

// RefusedError is the server's no.
type RefusedError struct{ protocol.Refusal }

func (e *RefusedError) Error() string {
	if e.Message != "" {
		return "the server refused: " + e.Message
	}
	return "the server refused: " + e.Code
}

// RefusedAs tells whether err is a no with that code.
func RefusedAs(err error, code string) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && e.Code == code
}

// ReadRefusal makes an error of a response that is not the one hoped for.
func ReadRefusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var r protocol.Refusal
	if json.Unmarshal(body, &r) == nil && r.Code != "" {
		return &RefusedError{r}
	}
	return fmt.Errorf("the server answered %q", resp.Status)
}

// Link is one open session. Any goroutine may send; one receives.
type Link struct {
	// Token is for protocol.PathContent.
	Token string
	// Stored is what the server had of each log when the session began.
	Stored map[string]int64
	// The server's clock is ahead of ours by something between SkewLeast and
	// SkewMost: the line takes its time.
	SkewLeast, SkewMost time.Duration
	// MetricsSeconds is how often the server wants metrics; 0 is never.
	MetricsSeconds int

	conn   *websocket.Conn
	dialed time.Time
	mu     sync.Mutex   // one writer at a time
	last   atomic.Int64 // Unix nanoseconds of what came last
}

// writeBuffers are shared: a link needs one only while it writes.
var writeBuffers sync.Pool

// Dial opens the websocket; nothing has been said on it yet.
func Dial(ctx context.Context, server string, transport *http.Transport) (*Link, error) {
	dialer := websocket.Dialer{
		Proxy:            transport.Proxy,
		NetDialContext:   transport.DialContext,
		TLSClientConfig:  transport.TLSClientConfig,
		HandshakeTimeout: dialTimeout,
		ReadBufferSize:   1024,
		WriteBufferSize:  4096,
		WriteBufferPool:  &writeBuffers,
	}
	dialed := time.Now()
	address := "ws" + strings.TrimPrefix(strings.TrimRight(server, "/"), "http") + protocol.PathSession
	conn, resp, err := dialer.DialContext(ctx, address, nil)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return nil, ReadRefusal(resp)
	}
	if err != nil {
		return nil, err
	}
	l := &Link{conn: conn, dialed: dialed}
	conn.SetReadLimit(protocol.MaxFrame)
	l.heard()
	conn.SetPingHandler(func(data string) error {
		l.heard()
		// A failed pong needs no care: the reader will see why.
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(controlTimeout))
		return nil
	})
	conn.SetPongHandler(func(string) error { l.heard(); return nil })
	return l, nil
}

// heard puts off the moment at which the line counts as dead.
func (l *Link) heard() {
	now := time.Now()
	l.last.Store(now.UnixNano())
	_ = l.conn.SetReadDeadline(now.Add(readTimeout))
}

// Send writes a message; after an error the receiver ends the session.
func (l *Link) Send(message any) error {
	wire, err := protocol.Encode(message)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := l.conn.WriteMessage(websocket.BinaryMessage, wire); err != nil {
		l.conn.Close()
		return err
	}
	return nil
}

// Receive returns the next message. A message of a type this agent does not
// know is passed over: the server may be newer.
func (l *Link) Receive() (any, error) {
	for {
		_, wire, err := l.conn.ReadMessage()
		// A line that broke has a text too, but nobody said it.
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Text != "" && closed.Code != websocket.CloseAbnormalClosure {
			code, text, _ := strings.Cut(closed.Text, ": ")
			return nil, &RefusedError{protocol.Refusal{Code: code, Message: text}}
		}
		if err != nil {
			return nil, err
		}
		l.heard()
		message, err := protocol.Decode(wire)
		if errors.Is(err, protocol.ErrUnknownType) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r, ok := message.(protocol.Refusal); ok {
			return nil, &RefusedError{r}
		}
		return message, nil
	}
}

// KeepAlive pings a server that has gone quiet, until ctx ends; then it says
// goodbye and closes.
func (l *Link) KeepAlive(ctx context.Context) {
	timer := time.NewTimer(pingAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			_ = l.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(controlTimeout))
			l.conn.Close()
			return
		case <-timer.C:
		}
		wait := pingAfter - time.Since(time.Unix(0, l.last.Load()))
		if wait <= 0 {
			// It may wait behind a long write, which is no reason to end.
			_ = l.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(controlTimeout))
			wait = controlTimeout
		}
		timer.Reset(wait)
	}
}

// Close ends the line without a goodbye; it is safe twice.
func (l *Link) Close() { l.conn.Close() }

// ShakeHands proves who we are and learns what the server has.
func (l *Link) ShakeHands(hello protocol.Hello, sign func(nonce []byte) []byte) error {
	challenge, err := expect[protocol.Challenge](l)
	if err != nil {
		return err
	}
	l.SkewLeast, l.SkewMost = time.Until(challenge.ServerTime), challenge.ServerTime.Sub(l.dialed)
	hello.Version, hello.Signature = protocol.Version, sign(challenge.Nonce)
	if err := l.Send(hello); err != nil {
		return err
	}
	welcome, err := expect[protocol.Welcome](l)
	if err != nil {
		return err
	}
	l.MetricsSeconds = welcome.MetricsSeconds
	l.Token, l.Stored = welcome.SessionToken, make(map[string]int64, len(welcome.LogStored))
	for _, s := range welcome.LogStored {
		l.Stored[s.CommandID] = s.Seq
	}
	return nil
}

func expect[T any](l *Link) (T, error) {
	message, err := l.Receive()
	want, ok := message.(T)
	if err == nil && !ok {
		err = fmt.Errorf("the server sent %T instead of %T", message, want)
	}
	return want, err
}
