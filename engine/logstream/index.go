package logstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// segment is a piece of a log that is loaded as a whole: a chunk's row, or a
// frame of the blob.
type segment struct {
	offset int64 // of its first byte
	first  int64 // newlines before it
	seq    int64 // of the row; 0 for a frame
	pos    int64 // of the frame in the blob
	bytes  int32
	lines  int32
	packed int32 // size of the frame
	sgr    string
}

func (s segment) end() int64 { return s.offset + int64(s.bytes) }

// mark says when the bytes from an offset on were written. There is one for
// each chunk, so that the n-th mark also tells where chunk n begins.
type mark struct {
	offset int64
	ms     int64
}

// snapshot is a log as it was at a moment. Its slices only ever grow at the
// end, so a copy stays valid.
type snapshot struct {
	key   string // of the blob; empty for none
	sha   string
	segs  []segment
	marks []mark
	end   end
}

// at finds the segment that holds the byte; len(segs) when there is none.
func (s *snapshot) at(offset int64) int {
	return sort.Search(len(s.segs), func(i int) bool { return s.segs[i].end() > offset })
}

// withNewline finds the segment that holds newline n, counted from 1: the
// line of that number begins behind it.
func (s *snapshot) withNewline(n int64) int {
	return sort.Search(len(s.segs), func(i int) bool { return s.segs[i].first+int64(s.segs[i].lines) >= n })
}

// ms is when the byte at offset was written.
func (s *snapshot) ms(offset int64) int64 {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].offset > offset })
	if i == 0 {
		return 0
	}
	return s.marks[i-1].ms
}

// afterSeq is where the bytes behind chunk seq begin.
func (s *snapshot) afterSeq(seq int64) int64 {
	if seq >= int64(len(s.marks)) {
		return s.end.bytes
	}
	return s.marks[max(seq, 0)].offset
}

// index is what a blob's row keeps beside it.
type index struct {
	end   end
	segs  []segment
	marks []mark
}

const indexVersion = 1

var errIndex = errors.New("the index of the packed log is damaged")

func (l *Logs) encodeIndex(ix index) []byte {
	b := []byte{indexVersion}
	b = binary.AppendUvarint(b, uint64(ix.end.seq))
	b = binary.AppendUvarint(b, uint64(ix.end.bytes))
	b = binary.AppendUvarint(b, uint64(ix.end.lines))
	broken := uint64(0)
	if ix.end.broken {
		broken = 1
	}
	b = binary.AppendUvarint(b, broken)
	b = appendString(b, ix.end.style)
	b = binary.AppendUvarint(b, uint64(len(ix.segs)))
	for _, s := range ix.segs {
		b = binary.AppendUvarint(b, uint64(s.packed))
		b = binary.AppendUvarint(b, uint64(s.bytes))
		b = binary.AppendUvarint(b, uint64(s.lines))
		b = appendString(b, s.sgr)
	}
	b = binary.AppendUvarint(b, uint64(len(ix.marks)))
	var last mark
	for _, m := range ix.marks {
		b = binary.AppendUvarint(b, uint64(m.offset-last.offset))
		b = binary.AppendVarint(b, m.ms-last.ms)
		last = m
	}
	return l.enc.EncodeAll(b, nil)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (l *Logs) decodeIndex(packed []byte) (index, error) {
	b, err := l.dec.DecodeAll(packed, nil)
	if err != nil {
		return index{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	if len(b) == 0 || b[0] != indexVersion {
		return index{}, errIndex
	}
	r := reader{b: b[1:]}
	var ix index
	ix.end = end{seq: r.int(), bytes: r.int(), lines: r.int(), broken: r.int() == 1, style: r.string()}
	ix.segs = make([]segment, 0, r.count())
	var s segment
	for range cap(ix.segs) {
		s = segment{offset: s.end(), first: s.first + int64(s.lines), pos: s.pos + int64(s.packed)}
		s.packed, s.bytes, s.lines, s.sgr = int32(r.int()), int32(r.int()), int32(r.int()), r.string()
		ix.segs = append(ix.segs, s)
	}
	ix.marks = make([]mark, 0, r.count())
	var m mark
	for range cap(ix.marks) {
		m.offset += r.int()
		m.ms += r.signed()
		ix.marks = append(ix.marks, m)
	}
	if r.bad || len(r.b) > 0 || s.end() != ix.end.bytes || s.first+int64(s.lines) != ix.end.lines {
		return index{}, errIndex
	}
	return ix, nil
}

// reader takes numbers from bytes and remembers whether one was missing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) int() int64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<62 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count is the length of a list, each of whose items takes a byte at least.
func (r *reader) count() int64 {
	n := r.int()
	if n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

func (r *reader) string() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
