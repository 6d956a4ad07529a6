package logstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// end is everything that a log's next chunk depends on.
type end struct {
	seq    int64
	bytes  int64
	lines  int64 // newlines so far
	style  string
	broken bool // the last line has no newline yet
}

// after is the end once data is added.
func (e end) after(data []byte) end {
	p := newPainter(e.style)
	p.write(data)
	e.seq++
	e.bytes += int64(len(data))
	e.lines += int64(bytes.Count(data, newline))
	e.style = p.state()
	if len(data) > 0 {
		e.broken = data[len(data)-1] != '\n'
	}
	return e
}

var newline = []byte{'\n'}

// total counts the last line too when it is unfinished.
func (e end) total() int64 {
	if e.broken {
		return e.lines + 1
	}
	return e.lines
}

// stream is the writing end of one command's log.
type stream struct {
	id models.CommandID

	mu       sync.Mutex
	loaded   bool
	accepted end   // after the last chunk taken over
	stored   int64 // the last durable chunk
	lastSeq  int64 // where Finish said the log ends; 0: not said yet
	failed   error // set once; a new stream then takes its place
	changed  chan struct{}
	used     time.Time
}

// entry is a chunk on its way to the store.
type entry struct {
	stream *stream
	row    models.LogChunk
	data   []byte
	next   end // of the log, with this chunk
	steps  []models.LogStep
	cost   int64
}

// Append stores a chunk and returns the last stored sequence number, which
// the agent may be told: everything up to it is durable. A repeat is answered
// without work. A chunk beyond a gap is not taken: the number returned is then
// below its own, and the agent sends again from there. While memory is short
// or the store is slow, Append waits. An error means that nothing is known to
// be stored; the agent keeps its chunk and sends it again.
//
// Chunks of one command may be appended from several goroutines, as happens
// when an agent comes back before its old session has ended.
func (l *Logs) Append(ctx context.Context, id models.CommandID, c protocol.LogChunk) (int64, error) {
	if len(c.Data) > protocol.MaxFrame || int64(len(c.Data))+entryCost > l.cap {
		return 0, models.Invalid("Chunk %d of command %s has %d bytes.", c.Seq, id, len(c.Data))
	}
	if c.Seq < 1 {
		return 0, models.Invalid("Chunk %d of command %s: chunks count from 1.", c.Seq, id)
	}
	cost := int64(len(c.Data)) + entryCost
	if err := l.room.Acquire(ctx, cost); err != nil {
		return 0, fmt.Errorf("append to log of command %s: %w", id, context.Cause(ctx))
	}
	s := l.stream(id)
	taken, err := l.accept(ctx, s, c, cost)
	if !taken {
		l.room.Release(cost)
	}
	if err != nil {
		return 0, fmt.Errorf("append to log of command %s: %w", id, err)
	}
	stored, err := s.wait(ctx, c.Seq)
	if err != nil {
		return 0, fmt.Errorf("append to log of command %s: %w", id, err)
	}
	return stored, nil
}

// StoredSeq is the last durable chunk of a command, 0 for none.
func (l *Logs) StoredSeq(ctx context.Context, id models.CommandID) (int64, error) {
	s := l.stream(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.load(ctx, s); err != nil {
		return 0, fmt.Errorf("find end of log of command %s: %w", id, err)
	}
	return s.stored, nil
}

// stream finds or makes the writing end.
func (l *Logs) stream(id models.CommandID) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[id]
	if s == nil {
		s = &stream{id: id, changed: make(chan struct{}), used: l.Clock()}
		l.streams[id] = s
	}
	return s
}

// accept hands the chunk to the writer if it is the next one. It reports
// whether it did.
func (l *Logs) accept(ctx context.Context, s *stream, c protocol.LogChunk, cost int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return false, s.failed
	}
	s.used = l.Clock()
	if err := l.load(ctx, s); err != nil {
		return false, err
	}
	if c.Seq > s.accepted.seq+1 {
		if err := l.reload(ctx, s); err != nil {
			return false, err
		}
	}
	if c.Seq != s.accepted.seq+1 {
		return false, nil
	}
	if c.Offset != s.accepted.bytes {
		return false, models.Invalid("Chunk %d begins at byte %d, but the log ends at byte %d.", c.Seq, c.Offset, s.accepted.bytes)
	}
	next := s.accepted.after(c.Data)
	e := &entry{stream: s, data: c.Data, next: next, cost: cost, steps: steps(s.id, s.accepted, c)}
	e.row = models.LogChunk{
		CommandID: s.id, Seq: c.Seq, Offset: c.Offset, Bytes: len(c.Data),
		FirstLine: s.accepted.lines, Lines: int(next.lines - s.accepted.lines),
		Sgr: s.accepted.style, At: c.At.UTC().Truncate(time.Microsecond),
		Data: l.enc.EncodeAll(c.Data, []byte{}),
	}
	if !l.enqueue(e) {
		return false, errStopped
	}
	s.accepted = next
	return true, nil
}

// load reads where the log ends, once.
func (l *Logs) load(ctx context.Context, s *stream) error {
	if s.loaded {
		return nil
	}
	e, err := l.findEnd(ctx, s.id)
	if err != nil {
		return err
	}
	s.accepted, s.stored, s.loaded = e, e.seq, true
	return nil
}

// reload reads it again, because another replica may have stored what is
// missing here. What is on its way to the store would be overlooked.
func (l *Logs) reload(ctx context.Context, s *stream) error {
	if s.stored != s.accepted.seq {
		return nil
	}
	s.loaded = false
	return l.load(ctx, s)
}

// findEnd derives the end from the newest row or, for a packed log, the blob.
func (l *Logs) findEnd(ctx context.Context, id models.CommandID) (end, error) {
	row, err := l.store.Last(ctx, id)
	if err != nil {
		return end{}, fmt.Errorf("read last chunk: %w", err)
	}
	var packed end
	if row == nil || row.Bytes == 0 {
		b, err := l.store.Blob(ctx, id)
		if err != nil {
			return end{}, fmt.Errorf("read packed log: %w", err)
		}
		if b != nil {
			ix, err := l.decodeIndex(b.Index)
			if err != nil {
				return end{}, err
			}
			packed = ix.end
		}
	}
	if row == nil {
		return packed, nil
	}
	e, err := l.rowEnd(row)
	if err == nil && row.Bytes == 0 {
		e.broken, err = l.endsBroken(ctx, row, packed)
	}
	return e, err
}

func (l *Logs) rowEnd(row *models.LogChunk) (end, error) {
	data, err := l.dec.DecodeAll(row.Data, nil)
	if err != nil {
		return end{}, fmt.Errorf("unpack chunk %d: %w", row.Seq, err)
	}
	before := end{seq: row.Seq - 1, bytes: row.Offset, lines: row.FirstLine, style: row.Sgr}
	return before.after(data), nil
}

// endsBroken looks for the last byte before a row that has none.
func (l *Logs) endsBroken(ctx context.Context, row *models.LogChunk, packed end) (bool, error) {
	for seq := row.Seq - 1; seq > packed.seq; seq-- {
		rows, err := l.store.Data(ctx, row.CommandID, seq, seq)
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			data, err := l.dec.DecodeAll(r, nil)
			if err != nil {
				return false, fmt.Errorf("unpack chunk %d: %w", seq, err)
			}
			if len(data) > 0 {
				return data[len(data)-1] != '\n', nil
			}
		}
	}
	return packed.broken, nil
}

// wait returns once seq is durable, or at once if seq is beyond a gap.
func (s *stream) wait(ctx context.Context, seq int64) (int64, error) {
	for {
		s.mu.Lock()
		stored, accepted, failed, changed := s.stored, s.accepted.seq, s.failed, s.changed
		s.mu.Unlock()
		switch {
		case stored >= seq || seq > accepted && failed == nil:
			return stored, nil
		case failed != nil:
			return 0, failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// advance publishes that chunks up to seq are durable; fail ends the stream.
func (s *stream) advance(seq int64) (complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = seq
	close(s.changed)
	s.changed = make(chan struct{})
	return s.lastSeq > 0 && seq >= s.lastSeq
}

func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// steps turns a chunk's steps into rows: bytes become lines.
func steps(id models.CommandID, before end, c protocol.LogChunk) []models.LogStep {
	rows := make([]models.LogStep, 0, len(c.Steps))
	for _, s := range c.Steps {
		at := s.At.UTC().Truncate(time.Microsecond)
		row := models.LogStep{
			CommandID: id, Index: s.Index, Parent: s.Parent, Kind: clean(s.Kind, 16), Name: clean(s.Name, 255),
			StartedAt: at, LastLine: -1, Result: clean(s.Result, 16), Changed: s.Changed, Unchanged: s.Unchanged,
		}
		inside := c.Data[:min(max(s.Offset-c.Offset, 0), int64(len(c.Data)))]
		row.FirstLine = before.lines + int64(bytes.Count(inside, newline))
		if row.Result != "" {
			row.LastLine, row.EndedAt = row.FirstLine, &at
			if broken := len(inside) > 0 && inside[len(inside)-1] != '\n' || len(inside) == 0 && before.broken; broken {
				row.LastLine++ // the line that it ends in is still its own
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// clean makes a text from a host fit for a column.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit])
	}
	return s
}

// Finish says that the command has ended and that its log is complete with
// chunk lastSeq. The log is packed as soon as that chunk is stored. It may be
// called again, and a log whose end was stored long ago is packed at once.
func (l *Logs) Finish(ctx context.Context, id models.CommandID, lastSeq int64) error {
	s := l.stream(id)
	s.mu.Lock()
	err := l.load(ctx, s)
	if err == nil && s.stored < lastSeq {
		err = l.reload(ctx, s)
	}
	if err != nil {
		s.mu.Unlock()
		return fmt.Errorf("finish log of command %s: %w", id, err)
	}
	s.lastSeq = max(s.lastSeq, lastSeq)
	complete := lastSeq > 0 && s.stored >= lastSeq
	s.mu.Unlock()
	if complete {
		l.enqueuePack(id)
	}
	l.Nudge(id)
	return nil
}

// forget drops states that nobody has used for a while.
func (l *Logs) forget(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, s := range l.streams {
		if !s.mu.TryLock() { // in use, by one who may wait for l.mu
			continue
		}
		idle := s.used.Before(before) && s.stored == s.accepted.seq
		s.mu.Unlock()
		if idle {
			delete(l.streams, id)
		}
	}
}

func (l *Logs) warn(ctx context.Context, msg string, id models.CommandID, err error) {
	l.Log.WarnContext(ctx, msg, slog.String("command_id", string(id)), slog.Any("error", err))
}
