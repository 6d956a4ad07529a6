package engine

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"opsyard/engine/service"
	"opsyard/engine/syslog"
	"opsyard/models"
)

// auditFeed sends the audit to a syslog receiver, from where nobody on this
// host can take it back. It follows the rows after a cursor in the database, so
// that no verb waits for it and a restart loses nothing: an entry is sent at
// least once.
type auditFeed struct {
	service.Base
	e        *Engine
	receiver *syslog.Receiver // nil: nothing is sent
	server   string           // names this process in claims
	nudge    chan struct{}

	// What follows is the loop's own.
	conn    *syslog.Conn
	sent    int64    // on this connection
	trail   []string // hashes of what was sent last, in any; the last is that of sent
	marks   []mark   // written, but not yet certain
	since   time.Time
	retryAt time.Time
	tries   int
}

// mark is how far a connection was written to at a time.
type mark struct {
	id int64
	at time.Time
}

const (
	// feedClaim is how long another server waits for one that died.
	feedClaim = time.Minute
	// feedBatch is how many entries are read at a time.
	feedBatch = 200
	// feedTrail is how far back a place is found from where the audit went another
	// way than what was sent of it.
	feedTrail = 1000
	// feedSettled is how long a connection must outlive what was written to it.
	// What the receiver had not read when it went is then sent again.
	feedSettled = 2 * time.Second
	feedPause   = time.Second
	feedPauses  = time.Minute
)

func newAuditFeed(e *Engine, to *syslog.Receiver) *auditFeed {
	return &auditFeed{
		Base: service.Base{Log: e.Log, Now: e.Now}, e: e, receiver: to,
		server: models.NewID[string](), nudge: make(chan struct{}, 1),
	}
}

func (f *auditFeed) start(ctx context.Context) error {
	if f.receiver == nil {
		return nil
	}
	return f.Every(ctx, "send the audit to syslog", f.e.times.Reminder, f.nudge, f.round)
}

// stop ends the loop and lets another server go on.
func (f *auditFeed) stop(ctx context.Context) {
	f.Stop()
	if f.receiver == nil {
		return
	}
	f.hangUp()
	if err := f.e.store.AuditFeeds.Release(ctx, f.receiver.String(), f.server, f.Clock()); err != nil {
		f.Log.ErrorContext(ctx, "leave the audit's feed to others", slog.Any("error", err))
	}
}

func (f *auditFeed) wake() {
	if f.receiver != nil {
		service.Nudge(f.nudge)
	}
}

// round sends what is new. A receiver that takes nothing is tried again, each
// time a little later.
func (f *auditFeed) round(ctx context.Context) error {
	now := f.Clock()
	if now.Before(f.retryAt) {
		return nil
	}
	feed, err := f.e.store.AuditFeeds.Claim(ctx, f.receiver.String(), f.server, now, now.Add(feedClaim))
	if err != nil {
		return err
	}
	if feed == nil { // another server sends
		f.hangUp()
		return nil
	}
	var lost *receiverError
	err = f.send(ctx, feed)
	switch {
	case err == nil:
		f.recovered(ctx)
		return nil
	case errors.As(err, &lost) && ctx.Err() == nil:
		return f.failed(ctx, lost)
	}
	f.hangUp()
	return err
}

// receiverError is the receiver's fault, not the database's.
type receiverError struct{ error }

func (f *auditFeed) send(ctx context.Context, feed *models.AuditFeed) error {
	if err := f.connect(ctx, feed); err != nil {
		return err
	}
	conn := f.conn
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a receiver that does not read holds up no stop
	for {
		if err := f.settle(ctx); err != nil {
			return err
		}
		// The last that was sent is read again, to see that it is still there.
		list, err := f.e.store.Audit.Since(ctx, models.AuditFilter{}, f.sent-1, math.MaxInt64, feedBatch+1)
		if err != nil {
			return err
		}
		list, follows := f.following(list)
		switch {
		case !follows:
			err = f.goBack(ctx)
		case len(list) == 0:
			return nil
		default:
			err = f.write(list)
		}
		if err != nil {
			return err
		}
	}
}

// following is what comes after the last that was sent, if that is still what
// the list begins with.
func (f *auditFeed) following(list []models.AuditEntry) (rest []models.AuditEntry, follows bool) {
	if f.sent == 0 {
		return list, true
	}
	if len(list) == 0 || list[0].ID != f.sent {
		return nil, false
	}
	if len(f.trail) == 0 { // it was sent by another process, or long ago
		f.trail = []string{list[0].Hash}
	}
	return list[1:], list[0].Hash == f.trail[len(f.trail)-1]
}

// goBack returns to the last entry that still is what was sent. What took the
// place of the rest is sent under the same numbers, so that the receiver has both.
func (f *auditFeed) goBack(ctx context.Context) error {
	head, err := f.e.store.Audit.Head(ctx)
	if err != nil {
		return err
	}
	from := f.sent - int64(len(f.trail))
	list, err := f.e.store.Audit.Since(ctx, models.AuditFilter{}, from, f.sent, len(f.trail))
	if err != nil {
		return err
	}
	same := 0
	for same < len(list) && list[same].Hash == f.trail[same] {
		same++
	}
	// What was sent last may be the very one that is gone.
	to, err := f.e.store.Audit.LastUpTo(ctx, from+int64(same))
	if err != nil {
		return err
	}
	f.Log.ErrorContext(ctx, "the audit is not what was sent of it: it was cut off or written anew, or the database is an older copy; it is sent again from there",
		slog.Int64("sent", f.sent), slog.Int64("again_after", to), slog.Int64("end", head.ID))
	f.sent, f.trail, f.marks = to, f.trail[:same], nil
	return f.e.store.AuditFeeds.Sent(ctx, f.receiver.String(), f.server, to, f.Clock())
}

// rewind returns to what is certain to have arrived, and remembers the hashes up
// to there.
func (f *auditFeed) rewind(to int64) {
	keep := int64(len(f.trail)) - (f.sent - to)
	if to > f.sent { // another server has sent meanwhile
		keep = 0
	}
	f.sent, f.trail = to, f.trail[:max(keep, 0)]
}

// connect makes sure of a connection. A new one begins where the last one was
// certain.
func (f *auditFeed) connect(ctx context.Context, feed *models.AuditFeed) error {
	if f.conn != nil {
		if err := f.conn.Alive(); err != nil {
			return &receiverError{err}
		}
		return nil
	}
	conn, err := f.receiver.Dial(ctx)
	if err != nil {
		return &receiverError{err}
	}
	f.conn = conn
	f.rewind(feed.SentID)
	return nil
}

func (f *auditFeed) write(list []models.AuditEntry) error {
	for n := range list {
		e := &list[n]
		// the header has less than 512 characters
		line, err := e.Line(syslog.Longest - 512)
		if err != nil {
			return err
		}
		m := syslog.Message{At: e.At, Severity: syslog.Notice, ID: e.Action, Sequence: e.ID, Text: line}
		if e.Refused {
			m.Severity = syslog.Warning
		}
		if err := f.conn.Send(m); err != nil {
			return &receiverError{err}
		}
		f.sent, f.trail = e.ID, append(f.trail, e.Hash)
	}
	f.trail = f.trail[max(0, len(f.trail)-feedTrail):]
	f.marks = append(f.marks, mark{f.sent, f.Clock()})
	return nil
}

// settle notes what is certain to have arrived, as far as syslog knows.
func (f *auditFeed) settle(ctx context.Context) error {
	if len(f.marks) == 0 {
		return nil
	}
	if err := f.conn.Alive(); err != nil {
		return &receiverError{err}
	}
	now, certain := f.Clock(), 0
	for _, m := range f.marks {
		if f.receiver.Stream() && now.Sub(m.at) < feedSettled {
			break
		}
		certain++
	}
	if certain == 0 {
		return nil
	}
	upTo := f.marks[certain-1].id
	f.marks = f.marks[certain:]
	return f.e.store.AuditFeeds.Sent(ctx, f.receiver.String(), f.server, upTo, now)
}

func (f *auditFeed) failed(ctx context.Context, cause *receiverError) error {
	f.hangUp()
	now := f.Clock()
	if f.tries == 0 {
		f.since = now
		f.Log.WarnContext(ctx, "the audit is not sent to syslog; it is tried again", slog.Any("error", cause.error))
	}
	f.retryAt = now.Add(min(feedPause<<min(f.tries, 10), feedPauses))
	f.tries++
	return f.e.store.AuditFeeds.Failed(ctx, f.receiver.String(), f.server, f.since, cause.Error())
}

func (f *auditFeed) recovered(ctx context.Context) {
	if f.tries > 0 {
		f.Log.InfoContext(ctx, "the audit is sent to syslog again", slog.Duration("after", f.Clock().Sub(f.since)))
		if err := f.e.store.AuditFeeds.Recovered(ctx, f.receiver.String(), f.server); err != nil {
			f.Log.ErrorContext(ctx, "note that syslog takes the audit", slog.Any("error", err))
		}
	}
	f.tries, f.retryAt = 0, time.Time{}
}

func (f *auditFeed) hangUp() {
	if f.conn != nil {
		_ = f.conn.Close() // what it had not taken is sent again
	}
	f.conn, f.marks = nil, nil
}
