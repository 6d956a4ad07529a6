package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"opsyard/engine/service"
	"opsyard/models"
)

// view is the reading end of one command's log: where its pieces are.
type view struct {
	id models.CommandID

	reading sync.Mutex // one refresh at a time

	mu      sync.Mutex
	snap    snapshot
	ended   bool
	lastSeq int64
	known   bool // Ended was asked once
	used    time.Time
	tails   map[*Tail]struct{}
	recent  []recent // the last pieces in order, only while somebody follows
	held    int      // bytes in recent
	steps   stepList
}

type recent struct {
	offset int64
	data   []byte
}

// view finds or makes the reading end, and keeps the most recently used ones.
func (l *Logs) view(id models.CommandID) *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.views[id]
	if v == nil {
		l.evict()
		v = &view{id: id, tails: map[*Tail]struct{}{}}
		l.views[id] = v
	}
	v.mu.Lock()
	v.used = l.Clock()
	v.mu.Unlock()
	return v
}

// evict makes room for one more view. Followed ones stay: each has a viewer
// who pays for it.
func (l *Logs) evict() {
	if len(l.views) < maxViews {
		return
	}
	var oldest *view
	var since time.Time
	for _, v := range l.views {
		v.mu.Lock()
		if len(v.tails) == 0 && (oldest == nil || v.used.Before(since)) {
			oldest, since = v, v.used
		}
		v.mu.Unlock()
	}
	if oldest != nil {
		delete(l.views, oldest.id)
	}
}

// final tells that nothing can follow any more.
func (v *view) final() bool {
	return v.known && v.ended && v.lastSeq > 0 && v.snap.end.seq >= v.lastSeq && v.snap.key != ""
}

// fresh brings the view up to date with the store and returns what it knows.
func (l *Logs) fresh(ctx context.Context, v *view) (snapshot, error) {
	v.reading.Lock()
	defer v.reading.Unlock()
	v.mu.Lock()
	snap, final := v.snap, v.final()
	v.mu.Unlock()
	if final {
		return snap, nil
	}
	// Asked first: a command ends only after its last chunk was stored, or
	// says with lastSeq what is missing.
	ended, lastSeq, err := l.store.Ended(ctx, v.id)
	if err != nil {
		return snapshot{}, fmt.Errorf("read command %s: %w", v.id, err)
	}
	built, err := l.extend(ctx, v.id, snap)
	for range 3 {
		if !errors.Is(err, errMoved) {
			break
		}
		built, err = l.extend(ctx, v.id, snap)
	}
	if err != nil {
		return snapshot{}, fmt.Errorf("read log of command %s: %w", v.id, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	grown := built.end.seq > v.snap.end.seq
	if grown || built.key != v.snap.key && built.end.seq == v.snap.end.seq {
		v.snap = built
	}
	if grown || v.ended != ended || v.lastSeq != lastSeq {
		v.ended, v.lastSeq = ended, lastSeq
		v.wakeTails()
	}
	v.known = true
	return v.snap, nil
}

// errMoved says that a row or blob is gone, because the log was packed
// meanwhile: the index must be read again.
var errMoved = errors.New("the log was packed meanwhile")

// extend adds to a snapshot what the store has beyond it. Rows are read before
// the blob, because they go away only after they are in one.
func (l *Logs) extend(ctx context.Context, id models.CommandID, snap snapshot) (snapshot, error) {
	rows, err := l.rowsAfter(ctx, id, snap.end.seq)
	if err != nil {
		return snapshot{}, err
	}
	b, err := l.store.Blob(ctx, id)
	if err != nil {
		return snapshot{}, err
	}
	if b != nil && b.Key != snap.key {
		ix, err := l.decodeIndex(b.Index)
		if err != nil {
			return snapshot{}, err
		}
		snap = snapshot{key: b.Key, sha: b.SHA256, segs: ix.segs, marks: ix.marks, end: ix.end}
		if rows, err = l.rowsAfter(ctx, id, b.LastSeq); err != nil {
			return snapshot{}, err
		}
	}
	if len(rows) == 0 {
		return snap, nil
	}
	// The old snapshot may be in use: grow a copy.
	snap.segs, snap.marks = slices.Clip(snap.segs), slices.Clip(snap.marks)
	packed := snap.end
	for _, row := range rows {
		if row.Seq != int64(len(snap.marks))+1 {
			return snapshot{}, errMoved
		}
		snap.append(row)
	}
	last := rows[len(rows)-1]
	data, err := l.store.Data(ctx, id, last.Seq, last.Seq)
	if err != nil {
		return snapshot{}, err
	}
	if len(data) != 1 {
		return snapshot{}, errMoved
	}
	last.Data = data[0]
	if snap.end, err = l.rowEnd(&last); err == nil && last.Bytes == 0 {
		snap.end.broken, err = l.endsBroken(ctx, &last, packed)
	}
	return snap, err
}

func (l *Logs) rowsAfter(ctx context.Context, id models.CommandID, seq int64) ([]models.LogChunk, error) {
	const page = 4096
	var rows []models.LogChunk
	for {
		more, err := l.store.Chunks(ctx, id, seq, page)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		if len(more) < page {
			return rows, nil
		}
		seq = more[len(more)-1].Seq
	}
}

// append adds a row's piece; the caller sets the end.
func (s *snapshot) append(row models.LogChunk) {
	s.marks = append(s.marks, mark{offset: row.Offset, ms: row.At.UnixMilli()})
	if row.Bytes > 0 {
		s.segs = append(s.segs, segment{
			offset: row.Offset, first: row.FirstLine, seq: row.Seq,
			bytes: int32(row.Bytes), lines: int32(row.Lines), sgr: row.Sgr,
		})
	}
}

// add shows chunks that were just stored to whoever follows. It does no work
// that could wait.
func (v *view) add(group []*entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range group {
		if e.row.Seq != v.snap.end.seq+1 {
			continue // known already, or a gap that the next refresh fills
		}
		v.snap.append(e.row)
		v.snap.end = e.next
		v.steps.add(e.steps)
		if len(v.tails) > 0 && len(e.data) > 0 {
			v.keep(e.row.Offset, e.data)
		}
	}
	v.wakeTails()
}

// keep holds the newest pieces, so that followers need not ask the store.
func (v *view) keep(offset int64, data []byte) {
	v.recent = append(v.recent, recent{offset, data})
	v.held += len(data)
	for v.held > recentBytes && len(v.recent) > 1 {
		v.held -= len(v.recent[0].data)
		v.recent[0].data = nil
		v.recent = v.recent[1:]
	}
}

func (v *view) remembered(offset int64) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := len(v.recent) - 1; i >= 0; i-- {
		if v.recent[i].offset == offset {
			return v.recent[i].data
		}
	}
	return nil
}

// wakeTails needs v.mu.
func (v *view) wakeTails() {
	for t := range v.tails {
		service.Nudge(t.changed)
	}
}

// piece is a segment with its text.
type piece struct {
	segment
	data []byte
}

// readAhead is how much is loaded at a time when a log is read in a row.
const readAhead = 1 << 20

// walk calls visit with the pieces of the log in order, from byte offset on
// and up to where the snapshot ends. visit returns the byte to go on at, which
// may skip pieces, or a negative number to stop.
func (l *Logs) walk(ctx context.Context, v *view, snap snapshot, offset int64, ahead int, visit func(piece) (int64, error)) error {
	stop := snap.end.bytes
	var loaded []piece
	for moved := 0; offset >= 0 && offset < stop; {
		if len(loaded) > 0 && loaded[0].end() <= offset {
			loaded = loaded[1:]
			continue
		}
		if len(loaded) == 0 {
			var err error
			loaded, err = l.loadFrom(ctx, v, snap, snap.at(offset), ahead)
			if errors.Is(err, errMoved) && moved < 3 {
				moved++
				if snap, err = l.fresh(ctx, v); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return fmt.Errorf("read log of command %s: %w", v.id, err)
			}
		}
		next, err := visit(loaded[0].trim(offset, stop))
		if err != nil {
			return err
		}
		offset = next
	}
	return nil
}

// trim cuts a piece to what was asked for: after the log was packed, pieces
// have other borders.
func (p piece) trim(from, stop int64) piece {
	if p.end() > stop {
		p.data = p.data[:stop-p.offset]
	}
	if from > p.offset {
		skipped := p.data[:from-p.offset]
		paint := newPainter(p.sgr)
		paint.write(skipped)
		p.sgr = paint.state()
		p.first += int64(bytes.Count(skipped, newline))
		p.data, p.offset = p.data[len(skipped):], from
	}
	p.bytes = int32(len(p.data))
	return p
}

// loadFrom loads segment i and, if more than one piece is wanted, some behind it.
func (l *Logs) loadFrom(ctx context.Context, v *view, snap snapshot, i, ahead int) ([]piece, error) {
	if i >= len(snap.segs) {
		return nil, errMoved
	}
	first := snap.segs[i]
	if data := v.remembered(first.offset); data != nil && first.seq > 0 {
		return []piece{{first, data}}, nil
	}
	n, size := 1, int(first.bytes)
	for i+n < len(snap.segs) && size < ahead && (snap.segs[i+n].seq > 0) == (first.seq > 0) {
		size += int(snap.segs[i+n].bytes)
		n++
	}
	segs := snap.segs[i : i+n]
	packed, err := l.readPacked(ctx, v.id, snap.key, segs)
	if err != nil {
		return nil, err
	}
	pieces := make([]piece, n)
	for i, seg := range segs {
		data, err := l.dec.DecodeAll(packed[i], make([]byte, 0, seg.bytes))
		if err != nil {
			return nil, fmt.Errorf("unpack byte %d on: %w", seg.offset, err)
		}
		if len(data) != int(seg.bytes) {
			return nil, fmt.Errorf("unpack byte %d on: got %d bytes, want %d", seg.offset, len(data), seg.bytes)
		}
		pieces[i] = piece{seg, data}
	}
	return pieces, nil
}

// readPacked reads rows or frames that follow each other.
func (l *Logs) readPacked(ctx context.Context, id models.CommandID, key string, segs []segment) ([][]byte, error) {
	first, last := segs[0], segs[len(segs)-1]
	if first.seq > 0 {
		rows, err := l.store.Data(ctx, id, first.seq, last.seq)
		if err != nil {
			return nil, err
		}
		return pick(rows, segs)
	}
	b, err := l.blobs.Read(ctx, key, first.pos, int(last.pos+int64(last.packed)-first.pos))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMoved
	}
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(segs))
	for i, s := range segs {
		out[i], b = b[:s.packed], b[s.packed:]
	}
	return out, nil
}

// pick leaves out the rows without text, which have no segment.
func pick(rows [][]byte, segs []segment) ([][]byte, error) {
	if int64(len(rows)) != segs[len(segs)-1].seq-segs[0].seq+1 {
		return nil, errMoved
	}
	out := make([][]byte, len(segs))
	for i, s := range segs {
		out[i] = rows[s.seq-segs[0].seq]
	}
	return out, nil
}
