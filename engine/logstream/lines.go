package logstream

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"opsyard/models"
)

// Info says how much of a log there is.
type Info struct {
	Lines   int64 // the unfinished last one too
	Bytes   int64
	LastSeq int64
	// Ended: the command will not write any more. Complete: and all it wrote
	// is stored.
	Ended, Complete bool
	SHA256          string // of the text, once it is packed
}

// Line is one line as a viewer gets it.
type Line struct {
	Number int64  // from 0
	Text   []byte // without the newline, at most MaxLine bytes
	Bytes  int64  // of the whole line
	MS     int64  // when its first byte was written, Unix milliseconds
	SGR    string // style in force at its first byte, empty for plain
}

// Page is a run of lines.
type Page struct {
	First int64
	Lines []Line
	Info  Info
	// Open: the last line of Lines is the log's last and has no newline yet.
	Open bool
}

// Info counts a command's log.
func (l *Logs) Info(ctx context.Context, id models.CommandID) (Info, error) {
	v := l.view(id)
	snap, err := l.fresh(ctx, v)
	if err != nil {
		return Info{}, err
	}
	return v.info(snap), nil
}

func (v *view) info(snap snapshot) Info {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := Info{
		Lines: snap.end.total(), Bytes: snap.end.bytes, LastSeq: snap.end.seq,
		Ended: v.ended, Complete: v.ended && snap.end.seq >= v.lastSeq,
	}
	if snap.key != "" && len(snap.segs) > 0 && snap.segs[len(snap.segs)-1].seq == 0 {
		i.SHA256 = snap.sha
	}
	return i
}

// Limits of one request for lines.
const (
	MaxLines  = 2000
	pageBytes = 4 << 20
)

// Lines gives up to count lines from a line on, fewer when they are very
// long. A negative from counts from the end.
func (l *Logs) Lines(ctx context.Context, id models.CommandID, from int64, count int) (Page, error) {
	v := l.view(id)
	snap, err := l.fresh(ctx, v)
	if err != nil {
		return Page{}, err
	}
	return l.page(ctx, v, snap, from, count, pageBytes)
}

func (l *Logs) page(ctx context.Context, v *view, snap snapshot, from int64, count, limit int) (Page, error) {
	total := snap.end.total()
	if from < 0 {
		from = max(total+from, 0)
	}
	p := Page{First: from, Info: v.info(snap)}
	count = min(count, MaxLines)
	if from >= total || count <= 0 {
		return p, nil
	}
	c := &collector{snap: &snap, skip: from, want: count, room: limit}
	start := int64(0)
	if from > 0 {
		i := snap.withNewline(from)
		start = snap.segs[i].offset
		c.skip -= snap.segs[i].first
	}
	if err := l.walk(ctx, v, snap, start, 0, c.visit); err != nil {
		return Page{}, fmt.Errorf("read lines %d on: %w", from, err)
	}
	p.Lines, p.Open = c.finish(from)
	return p, nil
}

// collector cuts pieces into lines.
type collector struct {
	snap *snapshot
	skip int64 // newlines before the first wanted line
	want int
	room int // bytes of text that may still be taken

	lines   []Line
	begun   bool // the last of lines goes on
	painter painter
}

// visit takes the lines of one piece.
func (c *collector) visit(p piece) (int64, error) {
	data := p.data
	c.painter = newPainter(p.sgr)
	pos := 0
	for ; c.skip > 0; c.skip-- {
		i := bytes.IndexByte(data[pos:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("%w: too few lines before line %d", errIndex, p.first)
		}
		pos += i + 1
	}
	c.painter.write(data[:pos])
	for pos < len(data) {
		if !c.begun {
			if len(c.lines) == c.want || c.room <= 0 {
				return -1, nil
			}
			offset := p.offset + int64(pos)
			c.lines = append(c.lines, Line{MS: c.snap.ms(offset), SGR: c.painter.style.String()})
			c.begun = true
		}
		rest, whole := data[pos:], false
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			rest, whole = rest[:i], true
		}
		c.take(rest)
		pos += len(rest)
		if whole {
			pos++
			c.begun = false
		}
		c.painter.write(data[pos-len(rest)-boolInt(whole) : pos])
	}
	return c.next(p), nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take adds text to the line that was begun.
func (c *collector) take(text []byte) {
	line := &c.lines[len(c.lines)-1]
	line.Bytes += int64(len(text))
	if n := min(len(text), MaxLine-len(line.Text)); n > 0 {
		line.Text = append(line.Text, text[:n]...)
		c.room -= n
	}
}

// next skips the pieces that only hold the middle of a line too long to show.
func (c *collector) next(p piece) int64 {
	if !c.begun || len(c.lines[len(c.lines)-1].Text) < MaxLine {
		return p.end()
	}
	offset := p.end()
	for i := c.snap.at(offset); i < len(c.snap.segs) && c.snap.segs[i].lines == 0; i++ {
		c.lines[len(c.lines)-1].Bytes += int64(c.snap.segs[i].bytes)
		offset = c.snap.segs[i].end()
	}
	return offset
}

// finish numbers the lines; the last one is open if no newline came.
func (c *collector) finish(from int64) ([]Line, bool) {
	for i := range c.lines {
		c.lines[i].Number = from + int64(i)
	}
	return c.lines, c.begun
}

// Text is a log, or its later part, as bytes.
type Text struct {
	// Bytes is how much WriteTo writes; the part ends with chunk LastSeq.
	Bytes    int64
	LastSeq  int64
	Complete bool
	SHA256   string // of the whole log; empty while it is not known

	ctx  context.Context
	logs *Logs
	view *view
	snap snapshot
	from int64
}

// Text opens what a command has written behind chunk after, as it is now.
func (l *Logs) Text(ctx context.Context, id models.CommandID, after int64) (*Text, error) {
	v := l.view(id)
	snap, err := l.fresh(ctx, v)
	if err != nil {
		return nil, err
	}
	info := v.info(snap)
	from := snap.afterSeq(after)
	return &Text{
		Bytes: snap.end.bytes - from, LastSeq: snap.end.seq, Complete: info.Complete, SHA256: info.SHA256,
		ctx: ctx, logs: l, view: v, snap: snap, from: from,
	}, nil
}

// WriteTo writes the bytes as the host wrote them.
func (t *Text) WriteTo(w io.Writer) (int64, error) {
	var written int64
	err := t.logs.walk(t.ctx, t.view, t.snap, t.from, readAhead, func(p piece) (int64, error) {
		n, err := w.Write(p.data)
		written += int64(n)
		return p.end(), err
	})
	return written, err
}

// Steps lists the parts of a command's run in order.
func (l *Logs) Steps(ctx context.Context, id models.CommandID) ([]models.LogStep, error) {
	steps, err := l.store.Steps(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read steps of command %s: %w", id, err)
	}
	return steps, nil
}
