// Package web is the HTTP craft that every surface shares and that knows
// nothing of stacks: the server and its timeouts, request ids, recovery,
// security headers, compression, flash messages and answers.
package web

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// Chain puts the first middleware outermost.
func Chain(h http.Handler, wraps ...Middleware) http.Handler {
	for i := len(wraps) - 1; i >= 0; i-- {
		h = wraps[i](h)
	}
	return h
}

type requestIDKey struct{}

// RequestID is the id of the request that ctx belongs to; empty outside one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithRequestID gives each request an id, which the answer, the log and the
// audit carry. An id from outside is not believed.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if RequestID(r.Context()) != "" {
			next.ServeHTTP(w, r)
			return
		}
		var b [8]byte
		rand.Read(b[:])
		id := hex.EncodeToString(b[:])
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// Log writes one line per request at debug level, and slow ones at info.
func Log(log *slog.Logger, now func() time.Time) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := now()
			seen := &watched{ResponseWriter: w}
			next.ServeHTTP(seen, r)
			took := now().Sub(start)
			level := slog.LevelDebug
			if took > 2*time.Second && !seen.upgraded {
				level = slog.LevelInfo
			}
			log.Log(r.Context(), level, "request", slog.String("method", r.Method), slog.String("path", LogPath(r)),
				slog.Int("status", seen.status), slog.Duration("took", took), slog.String("request_id", RequestID(r.Context())))
		})
	}
}

// oneTime are the beginnings of addresses whose rest is a secret: whoever reads
// the log must not become a user by it.
var oneTime = []string{"/setup/", "/invitation/"}

// LogPath is the path of a request as a log may hold it.
func LogPath(r *http.Request) string {
	for _, beginning := range oneTime {
		if strings.HasPrefix(r.URL.Path, beginning) {
			return beginning + "…"
		}
	}
	return r.URL.Path
}

// watched remembers what was answered.
type watched struct {
	http.ResponseWriter
	status   int
	upgraded bool
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is inside.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is found by type assertion in older code.
func (w *watched) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack hands over the connection for a websocket.
func (w *watched) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.upgraded = true
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Recover turns a panic into an answer of the surface's own, and into a log
// line with the stack.
func Recover(log *slog.Logger, answer http.HandlerFunc) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := &watched{ResponseWriter: w}
			defer func() {
				p := recover()
				if p == nil {
					return
				}
				if p == http.ErrAbortHandler { //nolint:errorlint // a panic is the very value
					panic(p)
				}
				log.ErrorContext(r.Context(), "panic in a request", slog.Any("panic", p), slog.String("path", LogPath(r)),
					slog.String("request_id", RequestID(r.Context())), slog.String("stack", string(debug.Stack())))
				if seen.status == 0 && !seen.upgraded {
					answer(w, r)
				}
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// SourceAddr is the address that a request came from, without its port.
func SourceAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
