package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"opsyard/engine/logstream"
	"opsyard/models"
	"opsyard/web/auth"
	"opsyard/web/ws"
)

const (
	// followPause is the time between two frames: faster than that nobody reads.
	followPause = 50 * time.Millisecond
	// followStart is how many lines before the end a viewer gets who does not
	// say where he is.
	followStart = 400
)

// followLog is the live log: /ws/commands/ID/log?from=LINE. It sends a
// logFrame for whatever is new, and closes when the log is complete. The next
// lines are read when the last frame has left, so a slow viewer only makes
// himself slow.
func (h *Handlers) followLog(w http.ResponseWriter, r *http.Request, c *models.Command) {
	from, err := number(r, "from", -followStart)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	tail, err := h.Logs.Tail(r.Context(), c.ID, from)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer tail.Close()
	upgrade := h.upgrade
	upgrade.Queue = 1
	conn, err := upgrade.Upgrade(w, r)
	if err != nil {
		h.Log.DebugContext(r.Context(), "follow a log", slog.Any("error", err))
		return
	}
	defer conn.Close()
	defer h.sockets.Add(conn)()
	reader := make(chan struct{})
	go func() { // log reader: ends when the connection does
		defer close(reader)
		_ = conn.Read(nil)
	}()
	f := &follower{h: h, conn: conn, tail: tail, command: c, cookie: h.cookies.Get(r)}
	err = f.run(conn.Context())
	switch models.CodeOf(err) {
	case models.CodeUnauthenticated:
		conn.CloseWith(ws.CloseSignedOut, "signed out")
	case models.CodeNotFound, models.CodeForbidden:
		conn.CloseWith(ws.CloseForbidden, "not found")
	default:
		if err != nil && conn.Context().Err() == nil {
			h.Log.ErrorContext(r.Context(), "follow a log", slog.String("command_id", string(c.ID)), slog.Any("error", err))
			conn.CloseWith(1011, "could not read the log")
		}
	}
	conn.Close()
	<-reader
}

// follower sends one log to one viewer.
type follower struct {
	h       *Handlers
	conn    *ws.Conn
	tail    *logstream.Tail
	command *models.Command
	cookie  string
	checked time.Time
}

// errRecheck ends a wait for news when it is time to look at the session again.
var errRecheck = errors.New("look again whether the viewer may see the log")

// run sends until the log is complete or the connection ends.
func (f *follower) run(ctx context.Context) error {
	f.checked = time.Now()
	for {
		wait, cancel := context.WithDeadlineCause(ctx, f.checked.Add(liveRecheck), errRecheck)
		batch, err := f.tail.Next(wait)
		late := errors.Is(context.Cause(wait), errRecheck)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if late {
			before := f.command.Status
			if err := f.recheck(ctx); err != nil {
				return err
			}
			if err != nil && f.command.Status != before { // it began, and has written nothing yet
				_ = f.conn.SendWait(ctx, logFrame{Status: string(f.command.Status), Now: f.h.Now().UnixMilli()}.encode())
			}
		}
		switch {
		case err == nil:
			if done, err := f.send(ctx, batch); done || err != nil {
				return err
			}
		case !late:
			return err
		}
	}
}

// send hands a batch to the browser and waits until it has room for another.
func (f *follower) send(ctx context.Context, b logstream.Batch) (done bool, err error) {
	frame := newLogFrame(b.Page, f.h.Now())
	frame.Gap, frame.Steps = b.Gap, logSteps(b.Steps)
	if frame.Ended {
		c, err := f.h.Store.Commands.Get(ctx, f.command.ID)
		if err != nil {
			return false, err
		}
		f.command = c
	}
	frame.Status = string(f.command.Status)
	if f.conn.SendWait(ctx, frame.encode()) != nil || frame.Complete {
		return true, nil
	}
	pause := time.NewTimer(followPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return false, nil
}

// recheck ends the view when the session is over or the permission withdrawn.
func (f *follower) recheck(ctx context.Context) error {
	user, err := f.h.Engine.SessionUser(ctx, f.cookie)
	if err != nil {
		return err
	}
	f.checked = time.Now()
	ctx = auth.WithUser(ctx, user)
	c, err := f.h.Store.Commands.Get(ctx, f.command.ID)
	if err != nil {
		return err
	}
	f.command = c
	return f.h.maySee(ctx, c)
}
