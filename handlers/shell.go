package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/web/ws"
)

const (
	// shellMessage is the most that a browser sends at once.
	shellMessage = 8 << 10
	// shellParting is how long the last output of a shell whose time is over may
	// take to a slow reader.
	shellParting = 2 * time.Second
)

// What a message of the browser begins with.
const (
	shellTyped   = 'i' // bytes
	shellResized = 'r' // "80x24"
	shellSeen    = 'a' // how many bytes of output were drawn
)

// shell is the terminal's websocket, /ws/shell?instance=ID&columns=80&rows=24.
// Binary messages to the browser are output, texts are shellWords.
func (h *Handlers) shell(w http.ResponseWriter, r *http.Request) {
	_, i, err := h.openInstance(r.Context(), models.InstanceID(r.FormValue("instance")), models.ActionShow)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var size models.ShellSize
	size.Columns, _ = strconv.Atoi(r.FormValue("columns")) // what is no number gets the least size
	size.Rows, _ = strconv.Atoi(r.FormValue("rows"))
	upgrade := h.upgrade
	upgrade.Queue, upgrade.MaxMessage = 4, shellMessage
	conn, err := upgrade.Upgrade(w, r)
	if err != nil {
		h.Log.DebugContext(r.Context(), "open a shell", slog.Any("error", err))
		return
	}
	defer conn.Close()
	defer h.sockets.Add(conn)()
	s := &shellView{h: h, conn: conn, instance: i.ID}
	s.guard = h.guardFor(conn.Context(), h.cookies.Get(r), func(ctx context.Context) error { return s.shell.MayGoOn(ctx) })
	defer s.guard.news.Close()
	s.run(size)
}

// shellWords is what the terminal's page is told beside output.
type shellWords struct {
	// Opened says that the shell is there: its recording's id.
	Opened models.ShellID `json:"opened,omitempty"`
	// Typed says that so many more bytes may be typed.
	Typed int `json:"typed,omitempty"`
	// Ended says why it is over.
	Ended string `json:"ended,omitempty"`
}

func (m shellWords) encode() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("handlers: shell words: " + err.Error()) // texts and numbers can be written
	}
	return text
}

// shellView is one browser's terminal; it is the engine's Screen.
type shellView struct {
	h        *Handlers
	conn     *ws.Conn
	instance models.InstanceID
	guard    *guard
	shell    *engine.Shell
}

// Show hands the browser output.
func (s *shellView) Show(ctx context.Context, output []byte) error {
	return s.conn.SendBinaryWait(ctx, output)
}

// Typed gives the browser back room to type.
func (s *shellView) Typed(ctx context.Context, bytes int) error {
	return s.conn.SendWait(ctx, shellWords{Typed: bytes}.encode())
}

// run opens the shell and carries it to its end, which the browser is told.
func (s *shellView) run(size models.ShellSize) {
	ctx := s.conn.Context()
	var err error
	if s.shell, err = s.h.Engine.OpenShell(ctx, s.instance, size); err != nil {
		s.refuse(ctx, err)
		return
	}
	// What ends the connection ends the shell, and says why.
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { cancel(leaving(ctx)) })()
	reader := make(chan struct{})
	go func() { // shell reader: ends when the connection does
		defer close(reader)
		_ = s.conn.Read(s.hear)
	}()
	watcher := make(chan struct{})
	go func() { // shell watcher: ends with the shell
		defer close(watcher)
		s.watch(run, cancel)
	}()
	_ = s.conn.SendWait(run, shellWords{Opened: s.shell.ID}.encode())
	why := s.shell.Run(run, s)
	cancel(nil)
	<-watcher
	s.bye(why, 1000)
	<-reader
}

// leaving is why a connection has ended.
func leaving(ctx context.Context) error {
	var closed *ws.Closed
	if errors.As(context.Cause(ctx), &closed) && closed.Code == websocketGoingAway {
		return engine.ShellEnd("The server is stopping.")
	}
	return engine.ShellEnd("The browser has left.")
}

// websocketGoingAway is the code with which a server that stops closes.
const websocketGoingAway = 1001

// refuse says why there is no shell.
func (s *shellView) refuse(ctx context.Context, err error) {
	if models.CodeOf(err) == models.CodeInternal && ctx.Err() == nil {
		s.h.Log.ErrorContext(ctx, "open a shell", slog.Any("error", err), slog.String("instance_id", string(s.instance)))
	}
	s.bye(models.Sentence(err), ws.CloseForbidden)
}

// bye tells the browser the end, if it is still there.
func (s *shellView) bye(why string, code int) {
	_ = s.conn.Send(shellWords{Ended: why}.encode())
	s.conn.CloseWith(code, "ended")
	s.conn.Close()
}

// hear takes a message of the browser.
func (s *shellView) hear(message []byte) {
	if len(message) == 0 {
		return
	}
	rest := message[1:]
	switch message[0] {
	case shellTyped:
		s.shell.Type(rest)
	case shellResized:
		columns, rows, _ := strings.Cut(string(rest), "x")
		c, err := strconv.Atoi(columns)
		r, err2 := strconv.Atoi(rows)
		if errors.Join(err, err2) == nil {
			s.shell.Resize(models.ShellSize{Columns: c, Rows: r})
		}
	case shellSeen:
		if n, err := strconv.Atoi(string(rest)); err == nil {
			s.shell.Seen(n)
		}
	}
}

// watch ends the shell when the session is over or the permission withdrawn.
func (s *shellView) watch(ctx context.Context, cut context.CancelCauseFunc) {
	err := s.guard.run(ctx)
	if err == nil {
		return
	}
	why := s.parting(ctx, err)
	s.shell.End(why)
	parting := time.NewTimer(shellParting)
	defer parting.Stop()
	select {
	case <-ctx.Done():
	case <-parting.C:
	}
	cut(engine.ShellEnd(why))
}

// parting is what somebody is told whose shell is taken away.
func (s *shellView) parting(ctx context.Context, err error) string {
	if why, ok := errors.AsType[engine.ShellEnd](err); ok {
		return string(why)
	}
	switch models.CodeOf(err) {
	case models.CodeUnauthenticated:
		return "You have been signed out."
	case models.CodeForbidden, models.CodeNotFound:
		return "You may not log in to this instance any more."
	}
	s.h.Log.ErrorContext(ctx, "check whether a shell may go on", slog.Any("error", err))
	return "The server could not check whether you may still have it."
}
