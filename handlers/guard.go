package handlers

import (
	"context"
	"log/slog"
	"time"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/web/auth"
	"opsyard/web/ws"
)

// guard looks again and again whether somebody may keep the websocket that
// they have open: at once when they are told that their rights or sessions have
// changed, and every liveRecheck, because an end may come by time alone and a
// change by another server.
type guard struct {
	h      *Handlers
	cookie string
	may    func(ctx context.Context) error
	news   *pubsub.Subscription
}

// guardFor hears of changes from now on, so it is made before anything is sent.
// The caller must run it, or close it.
func (h *Handlers) guardFor(ctx context.Context, cookie string, may func(ctx context.Context) error) *guard {
	return &guard{h: h, cookie: cookie, may: may, news: h.Hub.Subscribe(ownTopic(ctx))}
}

// ownTopic is where the asker is told of their rights and sessions.
func ownTopic(ctx context.Context) string { return "user:" + string(models.ActorFrom(ctx).UserID) }

// run answers why the websocket must end, or nil when ctx has ended first.
func (g *guard) run(ctx context.Context) error {
	defer g.news.Close()
	recheck := time.NewTicker(liveRecheck)
	defer recheck.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.news.C:
			recheck.Reset(liveRecheck)
		case <-recheck.C:
		}
		err := g.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// look asks for the session and then for the permission.
func (g *guard) look(ctx context.Context) error {
	user, err := g.h.Engine.SessionUser(ctx, g.cookie)
	if err != nil {
		return err
	}
	return g.may(auth.WithUser(ctx, user))
}

// cut closes a websocket and tells the page why.
func (h *Handlers) cut(ctx context.Context, conn *ws.Conn, what string, err error) {
	switch models.CodeOf(err) {
	case models.CodeUnauthenticated:
		conn.CloseWith(ws.CloseSignedOut, "signed out")
	case models.CodeInternal:
		if conn.Context().Err() == nil {
			h.Log.ErrorContext(ctx, what, slog.Any("error", err))
		}
		conn.CloseWith(closeBroken, "could not go on")
	default:
		conn.CloseWith(ws.CloseForbidden, string(models.CodeOf(err)))
	}
}

// closeBroken is the code for a mistake of the server's.
const closeBroken = 1011
