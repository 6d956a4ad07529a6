package logstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"opsyard/engine/service"
	"opsyard/models"
)

func (l *Logs) enqueuePack(id models.CommandID) {
	l.mu.Lock()
	l.toPack[id] = struct{}{}
	l.mu.Unlock()
	service.Nudge(l.pack)
}

// sweep finds logs that are to be packed whatever happened to the one who
// should have said so, drops those of deleted commands, and idle state.
func (l *Logs) sweep(ctx context.Context) error {
	now := l.Clock()
	l.forget(now.Add(-idleAfter))
	ids, err := l.store.Unpacked(ctx, now.Add(-quietAfter))
	for _, id := range ids {
		l.enqueuePack(id)
	}
	return errors.Join(err, l.dropOrphans(ctx))
}

// dropOrphans removes what a deleted stack has left in the blob store.
func (l *Logs) dropOrphans(ctx context.Context) error {
	ids, err := l.store.Orphans(ctx, 500)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := l.Drop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// packAll packs what is in line, one log after the other. One that fails
// stays in line for the next round.
func (l *Logs) packAll(ctx context.Context) error {
	l.mu.Lock()
	ids := make([]models.CommandID, 0, len(l.toPack))
	for id := range l.toPack {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	var errs []error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		if err := l.packOne(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("pack log of command %s: %w", id, err))
			continue
		}
		l.mu.Lock()
		delete(l.toPack, id)
		l.mu.Unlock()
	}
	return errors.Join(errs...)
}

// packOne moves a log from rows to one blob. It may be cut anywhere and run
// again: the blob is written under a name that says how far it reaches, and
// rows go away in the transaction that names it. Chunks that come later stay
// rows behind the blob until the next time.
func (l *Logs) packOne(ctx context.Context, id models.CommandID) error {
	v := l.view(id)
	snap, err := l.fresh(ctx, v)
	if err != nil {
		return err
	}
	old := snap.key
	if n := len(snap.segs); n == 0 || snap.segs[n-1].seq == 0 {
		if old != "" || snap.end.seq == 0 {
			return nil
		}
	}
	key := fmt.Sprintf("%s/%s-%d.log.zst", id[:min(2, len(id))], id, snap.end.seq)
	p := &packer{logs: l, sum: sha256.New()}
	err = l.blobs.Put(ctx, key, func(w io.Writer) error {
		p.reset(w)
		if err := l.walk(ctx, v, snap, 0, readAhead, p.visit); err != nil {
			return err
		}
		return p.flush()
	})
	if err != nil {
		return err
	}
	packed := snapshot{key: key, sha: hex.EncodeToString(p.sum.Sum(nil)), segs: p.segs, marks: snap.marks, end: snap.end}
	if last := packed.last(); last.end() != snap.end.bytes || last.first+int64(last.lines) != snap.end.lines {
		return fmt.Errorf("packed %d bytes, the log has %d", last.end(), snap.end.bytes)
	}
	err = l.store.Pack(ctx, models.LogBlob{
		CommandID: id, Key: key, Bytes: snap.end.bytes, Lines: snap.end.total(), LastSeq: snap.end.seq, SHA256: packed.sha,
		Index: l.encodeIndex(index{end: snap.end, segs: p.segs, marks: snap.marks}), CreatedAt: l.Clock(),
	})
	if err != nil {
		return err
	}
	v.packed(packed)
	if old != "" && old != key {
		if err := l.blobs.Delete(ctx, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.warn(ctx, "delete replaced log blob", id, err)
		}
	}
	return nil
}

// last is the segment at the end, empty for none.
func (s *snapshot) last() segment {
	if len(s.segs) == 0 {
		return segment{}
	}
	return s.segs[len(s.segs)-1]
}

// packed puts the frames in the place of the rows they hold.
func (v *view) packed(packed snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.snap.end.seq == packed.end.seq {
		v.snap = packed
		v.recent, v.held = nil, 0
		v.wakeTails()
	}
}

// packer writes frames of frameBytes of text.
type packer struct {
	logs *Logs
	w    io.Writer
	sum  interface {
		io.Writer
		Sum([]byte) []byte
		Reset()
	}
	buf     []byte
	painter painter
	next    segment
	segs    []segment
}

// reset begins anew, in case the blob store tries a second time.
func (p *packer) reset(w io.Writer) {
	p.w, p.buf, p.painter, p.next, p.segs = w, p.buf[:0], painter{}, segment{}, nil
	p.sum.Reset()
}

func (p *packer) visit(piece piece) (int64, error) {
	for data := piece.data; len(data) > 0; {
		n := min(len(data), frameBytes-len(p.buf))
		p.buf = append(p.buf, data[:n]...)
		data = data[n:]
		if len(p.buf) == frameBytes {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return piece.end(), nil
}

func (p *packer) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, _ = p.sum.Write(p.buf) // a hash takes everything
	frame := p.logs.enc.EncodeAll(p.buf, nil)
	seg := p.next
	seg.sgr = p.painter.state()
	seg.bytes, seg.packed = int32(len(p.buf)), int32(len(frame))
	seg.lines = int32(bytes.Count(p.buf, newline))
	p.painter.write(p.buf)
	p.segs = append(p.segs, seg)
	p.next = segment{offset: seg.end(), first: seg.first + int64(seg.lines), pos: seg.pos + int64(seg.packed)}
	p.buf = p.buf[:0]
	_, err := p.w.Write(frame)
	return err
}

// Drop deletes a command's log, for a command that is deleted itself.
func (l *Logs) Drop(ctx context.Context, id models.CommandID) error {
	l.mu.Lock()
	delete(l.streams, id)
	delete(l.views, id)
	delete(l.toPack, id)
	l.mu.Unlock()
	b, err := l.store.Blob(ctx, id)
	if err != nil {
		return fmt.Errorf("drop log: %w", err)
	}
	if b != nil { // before its row, which is the only one that knows the key
		if err := l.blobs.Delete(ctx, b.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop log: %w", err)
		}
	}
	if err := l.store.Drop(ctx, id); err != nil {
		return fmt.Errorf("drop log: %w", err)
	}
	return nil
}
