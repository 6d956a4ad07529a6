package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
)

// A dead line is noticed when nothing has come for readTimeout: the server
// pings every 15 seconds and answers the agent's own pings.
const (
	pingEvery    = 10 * time.Second
	readTimeout  = 20 * time.Second
	writeTimeout = 15 * time.Second
	dialTimeout  = 20 * time.Second
)

// refusedError is the server's no.
type refusedError struct{ protocol.Refusal }

func (e *refusedError) Error() string {
	if e.Message != "" {
		return "the server refused: " + e.Message
	}
	return "the server refused: " + e.Code
}

func refusedAs(err error, code string) bool {
	e, ok := errors.AsType[*refusedError](err)
	return ok && e.Code == code
}

// readRefusal makes an error of a response that is not the one hoped for.
func readRefusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var r protocol.Refusal
	if json.Unmarshal(body, &r) == nil && r.Code != "" {
		return &refusedError{r}
	}
	return fmt.Errorf("the server answered %q", resp.Status)
}

// link is one open session. Any goroutine may send; one receives.
type link struct {
	conn   *websocket.Conn
	token  string           // for PathContent
	stored map[string]int64 // what the server had of each log when the session began
	mu     sync.Mutex       // one writer at a time
}

// dial opens the websocket; nothing has been said on it yet.
func dial(ctx context.Context, server string, transport *http.Transport) (*link, error) {
	dialer := websocket.Dialer{
		Proxy:            transport.Proxy,
		NetDialContext:   transport.DialContext,
		TLSClientConfig:  transport.TLSClientConfig,
		HandshakeTimeout: dialTimeout,
		ReadBufferSize:   4096,
		WriteBufferSize:  4096,
	}
	address := "ws" + strings.TrimPrefix(strings.TrimRight(server, "/"), "http") + protocol.PathSession
	conn, resp, err := dialer.DialContext(ctx, address, nil)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return nil, readRefusal(resp)
	}
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn}
	conn.SetReadLimit(protocol.MaxFrame)
	l.heard()
	conn.SetPingHandler(func(data string) error {
		l.heard()
		// A failed pong needs no care: the reader will see why.
		conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTimeout))
		return nil
	})
	conn.SetPongHandler(func(string) error { l.heard(); return nil })
	return l, nil
}

// heard puts off the moment at which the line counts as dead.
func (l *link) heard() { l.conn.SetReadDeadline(time.Now().Add(readTimeout)) }

// send writes a message; after an error the receiver ends the session.
func (l *link) send(message any) error {
	wire, err := protocol.Encode(message)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := l.conn.WriteMessage(websocket.BinaryMessage, wire); err != nil {
		l.conn.Close()
		return err
	}
	return nil
}

// receive returns the next message. A message of a type this agent does not
// know is passed over: the server may be newer.
func (l *link) receive() (any, error) {
	for {
		_, wire, err := l.conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Text != "" {
			code, text, _ := strings.Cut(closed.Text, ": ")
			return nil, &refusedError{protocol.Refusal{Code: code, Message: text}}
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
			return nil, &refusedError{r}
		}
		return message, nil
	}
}

// keepAlive pings until ctx ends, then says goodbye and closes.
func (l *link) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			l.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
			l.conn.Close()
			return
		case <-ticker.C:
			if l.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				l.conn.Close()
			}
		}
	}
}
