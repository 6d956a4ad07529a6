package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"opsyard/engine/logstream"
	"opsyard/models"
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
	guard := h.guardFor(conn.Context(), h.cookies.Get(r), func(ctx context.Context) error { return h.maySee(ctx, c) })
	guarded := make(chan struct{})
	go func() { // log guard: ends when the connection does
		defer close(guarded)
		if err := guard.run(conn.Context()); err != nil {
			h.cut(r.Context(), conn, "check a viewer of a log", err)
		}
	}()
	f := &follower{h: h, conn: conn, tail: tail, command: c}
	if err = f.run(conn.Context()); err != nil {
		h.cut(r.Context(), conn, "follow a log", err)
	}
	conn.Close()
	<-guarded
	<-reader
}

// follower sends one log to one viewer.
type follower struct {
	h       *Handlers
	conn    *ws.Conn
	tail    *logstream.Tail
	command *models.Command
	checked time.Time
}

// errRecheck ends a wait for news when it is time to look at the command again.
var errRecheck = errors.New("look again how the command is")

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

// recheck reads the command again, which may be gone.
func (f *follower) recheck(ctx context.Context) error {
	f.checked = time.Now()
	c, err := f.h.Store.Commands.Get(ctx, f.command.ID)
	if err == nil {
		f.command = c
	}
	return err
}
