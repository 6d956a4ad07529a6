package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/web/auth"
	"opsyard/web/ws"

	"github.com/a-h/templ"
)

// How a live page paces itself.
const (
	liveCoalesce = 150 * time.Millisecond // changes within it are drawn once
	liveRecheck  = 4 * time.Second        // between two looks at session and permission
	liveMost     = 8                      // views of one connection
)

// liveView is the live part of one page.
type liveView struct {
	// Topics are the hub's topics that may change it.
	Topics []string
	// Render draws the fragments to swap; each outermost element has an id.
	// changed is what happened since the last call, without doubles; empty
	// means everything: after a connect and after a gap. A nil component means
	// that nothing needs to be drawn.
	Render func(ctx context.Context, changed []pubsub.Message) (templ.Component, error)
}

// openLive opens the view of one thing for the actor of ctx, or refuses. It is
// asked again every few seconds, so that a withdrawn permission ends the view.
type openLive func(ctx context.Context, key string) (liveView, error)

// register names a kind of live view. A page asks for it with
// Page.Live = "kind/key"; several are separated by spaces.
func (h *Handlers) register(kind string, open openLive) { h.views[kind] = open }

// live is the websocket of live pages: /ws/live?view=kind/key&view=…
func (h *Handlers) live(w http.ResponseWriter, r *http.Request) {
	session := &liveSession{h: h, names: r.URL.Query()["view"], cookie: h.cookies.Get(r)}
	if err := session.open(r.Context()); err != nil {
		h.fail(w, r, err)
		return
	}
	conn, err := h.upgrade.Upgrade(w, r)
	if err != nil {
		h.Log.DebugContext(r.Context(), "open a live page", slog.Any("error", err))
		return
	}
	defer conn.Close()
	defer h.sockets.Add(conn)()
	session.run(conn)
}

// liveSession is one connection with its views.
type liveSession struct {
	h      *Handlers
	names  []string
	cookie string
	views  []liveView
}

// open opens every view for the actor of ctx.
func (s *liveSession) open(ctx context.Context) error {
	if len(s.names) == 0 || len(s.names) > liveMost {
		return models.Invalid("Name 1 to %d views.", liveMost)
	}
	views := make([]liveView, 0, len(s.names))
	for _, name := range s.names {
		kind, key, _ := strings.Cut(name, "/")
		open := s.h.views[kind]
		if open == nil {
			return models.NotFound("live view", kind)
		}
		view, err := open(ctx, key)
		if err != nil {
			return fmt.Errorf("open live view %s: %w", name, err)
		}
		views = append(views, view)
	}
	s.views = views
	return nil
}

// run draws until the connection ends. Reading goes on beside it, because
// pongs and the browser's goodbye arrive there.
func (s *liveSession) run(conn *ws.Conn) {
	reader := make(chan struct{})
	go func() { // live reader: ends when the connection does
		defer close(reader)
		_ = conn.Read(nil)
	}()
	if err := s.watch(conn); err != nil {
		s.h.cut(conn.Context(), conn, "draw a live page", fmt.Errorf("views %v: %w", s.names, err))
	}
	conn.Close()
	<-reader
}

// watch draws everything once, then what changes.
func (s *liveSession) watch(conn *ws.Conn) (err error) {
	ctx := conn.Context()
	self := ownTopic(ctx)
	news := s.h.Hub.Subscribe(append(s.topics(), self)...) // before the first drawing, so that nothing falls between
	defer news.Close()
	pending := newChanges()
	pending.everything = true
	pause := time.NewTimer(0)
	defer pause.Stop()
	recheck := time.NewTicker(liveRecheck)
	defer recheck.Stop()
	armed := true
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-news.C:
			if m.Topic == self {
				recheck.Reset(liveRecheck)
				if ctx, err = s.check(conn.Context()); err != nil {
					return err
				}
				continue
			}
			pending.add(m)
			if !armed {
				armed = true
				pause.Reset(liveCoalesce)
			}
		case <-pause.C:
			armed = false
			if err = s.draw(ctx, conn, pending); err != nil {
				return err
			}
			pending = newChanges()
		case <-recheck.C:
			if ctx, err = s.check(conn.Context()); err != nil {
				return err
			}
		}
	}
}

func (s *liveSession) topics() []string {
	var all []string
	for _, v := range s.views {
		all = append(all, v.Topics...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// draw sends the fragments of the views that the changes touch. It waits for a
// slow reader: meanwhile the hub gathers, or loses and says so.
func (s *liveSession) draw(ctx context.Context, conn *ws.Conn, pending *changes) error {
	var html bytes.Buffer
	for _, v := range s.views {
		changed, touched := pending.of(v.Topics)
		if !touched {
			continue
		}
		part, err := v.Render(ctx, changed)
		if err == nil && part != nil {
			err = part.Render(ctx, &html)
		}
		if err != nil {
			if conn.Context().Err() != nil {
				return nil
			}
			return err
		}
	}
	if html.Len() == 0 && !pending.everything {
		return nil
	}
	return s.send(conn, html.Bytes())
}

// liveStuck is how long a browser may read one drawing before the session and
// the permission are looked at again: who reads slowly keeps a view no longer
// than others.
const liveStuck = time.Second

// send waits until the browser has room for a drawing.
func (s *liveSession) send(conn *ws.Conn, html []byte) error {
	for {
		wait, cancel := context.WithTimeout(conn.Context(), liveStuck)
		err := conn.SendWait(wait, html)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return nil // the only other error is the connection's end
		}
		if _, err := s.check(conn.Context()); err != nil {
			return err
		}
	}
}

// check looks again at session and permission.
func (s *liveSession) check(ctx context.Context) (context.Context, error) {
	user, err := s.h.Engine.SessionUser(ctx, s.cookie)
	if err != nil {
		return nil, fmt.Errorf("check a live page's session: %w", err)
	}
	ctx = auth.WithUser(ctx, user)
	return ctx, s.open(ctx)
}

// changes gathers what happened until the next drawing.
type changes struct {
	everything bool
	seen       map[pubsub.Message]struct{}
	list       []pubsub.Message
}

func newChanges() *changes { return &changes{seen: map[pubsub.Message]struct{}{}} }

func (c *changes) add(m pubsub.Message) {
	if m.Kind == pubsub.Gap {
		c.everything = true
		return
	}
	if _, known := c.seen[m]; !known {
		c.seen[m] = struct{}{}
		c.list = append(c.list, m)
	}
}

// of is what concerns the topics; none but touched means everything.
func (c *changes) of(topics []string) (list []pubsub.Message, touched bool) {
	if c.everything {
		return nil, true
	}
	for _, m := range c.list {
		if slices.Contains(topics, m.Topic) {
			list = append(list, m)
		}
	}
	return list, len(list) > 0
}
