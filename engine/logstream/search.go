package logstream

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"regexp/syntax"
	"time"
	"unicode/utf8"

	"opsyard/models"
)

// Query is what to look for in a log.
type Query struct {
	Text   string
	Regexp bool // RE2; otherwise Text is meant literally
	Case   bool // upper and lower case differ
	From   int64
	Limit  int           // hits wanted
	Budget time.Duration // 0: take as long as it needs
}

// Hits is an answer, or the first part of it.
type Hits struct {
	Lines []int64
	// Next is the line to go on from. All: there is nothing behind it yet.
	Next int64
	All  bool
}

// Limits of a search.
const (
	MaxHits     = 5000 // of one request
	maxQuery    = 500  // bytes
	searchCarry = 64 << 10
)

// Search lists the lines that match, in order, as a reader sees them: without
// escape sequences. It stops at the limit or when the budget is used up; the
// answer then says where to go on.
func (l *Logs) Search(ctx context.Context, id models.CommandID, q Query) (Hits, error) {
	match, err := q.matcher()
	if err != nil {
		return Hits{}, err
	}
	v := l.view(id)
	snap, err := l.fresh(ctx, v)
	if err != nil {
		return Hits{}, err
	}
	from := max(q.From, 0)
	if from >= snap.end.total() {
		return Hits{Next: from, All: true}, nil
	}
	s := &searcher{match: match, line: from, limit: min(max(q.Limit, 1), MaxHits)}
	if q.Budget > 0 {
		s.until = time.Now().Add(q.Budget)
	}
	start := int64(0)
	if from > 0 {
		seg := snap.segs[snap.withNewline(from)]
		start, s.skip = seg.offset, from-seg.first
	}
	err = l.walk(ctx, v, snap, start, readAhead, func(p piece) (int64, error) {
		return s.visit(ctx, p)
	})
	if err != nil {
		return Hits{}, err
	}
	if !s.stopped && len(s.carry) > 0 {
		s.hit(s.carry)
	}
	// An unfinished last line is looked at again next time: it may grow.
	return Hits{Lines: s.hits, Next: s.line, All: !s.stopped}, nil
}

// matcher makes the test for one or more lines of plain text: it gives the
// place of the first match, or a negative number.
func (q Query) matcher() (func(text []byte) int, error) {
	switch {
	case q.Text == "":
		return nil, models.InvalidField("q", "Type something to search for.")
	case len(q.Text) > maxQuery:
		return nil, models.InvalidField("q", "The search is longer than %d bytes.", maxQuery)
	}
	needle := []byte(q.Text)
	if !q.Regexp && bytes.IndexByte(needle, '\n') >= 0 {
		return func([]byte) int { return -1 }, nil // no line holds a newline
	}
	if !q.Regexp && q.Case {
		return func(text []byte) int { return bytes.Index(text, needle) }, nil
	}
	if !q.Regexp && ascii(needle) {
		return foldedIndex(needle), nil
	}
	pattern, flags := q.Text, "(?m)"
	if !q.Regexp {
		pattern = regexp.QuoteMeta(pattern)
	}
	if !q.Case {
		flags = "(?mi)"
	}
	re, err := regexp.Compile(flags + pattern)
	if err != nil {
		return nil, models.InvalidField("q", "This is no regular expression: %s.", reason(err)).Because(err)
	}
	return inLine(re), nil
}

// reason is what is wrong with an expression, without our own part of it.
func reason(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return err.Error()
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldedIndex finds ASCII text in any case, much faster than a regular
// expression does.
func foldedIndex(needle []byte) func([]byte) int {
	needle = lower(nil, needle)
	var buf []byte
	return func(text []byte) int {
		buf = lower(buf, text)
		return bytes.Index(buf, needle)
	}
}

// lower folds ASCII letters only, so that places stay the same.
func lower(dst, text []byte) []byte {
	dst = append(dst[:0], text...)
	for i, c := range dst {
		if 'A' <= c && c <= 'Z' {
			dst[i] = c + ('a' - 'A')
		}
	}
	return dst
}

// inLine keeps an expression from matching across lines. It asks for a match
// in all of the text first, which is much faster than line by line: a line
// that matches alone has a match in the whole that begins in it.
func inLine(re *regexp.Regexp) func([]byte) int {
	return func(text []byte) int {
		for pos := 0; pos <= len(text); {
			m := re.FindIndex(text[pos:])
			if m == nil {
				return -1
			}
			begin := pos + m[0]
			first := bytes.LastIndexByte(text[:begin], '\n') + 1
			line, last := text[first:], true
			if i := bytes.IndexByte(line, '\n'); i >= 0 {
				line, last = line[:i], false
			}
			if re.Match(line) {
				return begin
			}
			if last {
				return -1
			}
			pos = first + len(line) + 1
		}
		return -1
	}
}

// searcher looks through pieces. Whole lines of a piece are tested together;
// only where something matches are they told apart.
type searcher struct {
	match   func([]byte) int
	line    int64 // of the next byte
	skip    int64 // newlines before the first line to look at
	limit   int
	until   time.Time
	hits    []int64
	carry   []byte // the beginning of a line that goes on in the next piece
	stopped bool

	text []byte
}

func (s *searcher) visit(ctx context.Context, p piece) (int64, error) {
	data := p.data
	for ; s.skip > 0; s.skip-- {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return p.end(), nil
		}
		data = data[i+1:]
	}
	last := bytes.LastIndexByte(data, '\n')
	if last < 0 {
		s.keep(data)
		return p.end(), nil
	}
	if len(s.carry) > 0 {
		i := bytes.IndexByte(data, '\n')
		s.keep(data[:i])
		s.hit(s.carry)
		s.carry = s.carry[:0]
		s.line++
		data, last = data[i+1:], last-i-1
	}
	if last >= 0 {
		s.scan(data[:last+1])
		data = data[last+1:]
	}
	if s.stopped || ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}
	if len(s.hits) >= s.limit || !s.until.IsZero() && time.Now().After(s.until) {
		s.stopped = true
		return -1, nil
	}
	s.keep(data)
	return p.end(), nil
}

// keep holds an unfinished line. Of one that is very long only the end is
// held; matches that came before are counted now.
func (s *searcher) keep(data []byte) {
	s.carry = append(s.carry, data...)
	if len(s.carry) > 2*searchCarry {
		s.hit(s.carry)
		s.carry = append(s.carry[:0], s.carry[len(s.carry)-searchCarry:]...)
	}
}

// hit counts the line under way if text of it matches.
func (s *searcher) hit(text []byte) {
	if n := len(s.hits); n > 0 && s.hits[n-1] == s.line {
		return
	}
	s.text = plain(s.text, text)
	if s.match(s.text) >= 0 {
		s.hits = append(s.hits, s.line)
	}
}

// scan looks at whole lines.
func (s *searcher) scan(lines []byte) {
	s.text = plain(s.text, lines)
	text := s.text
	for len(text) > 0 {
		i := s.match(text)
		if i < 0 || i == len(text) {
			s.line += int64(bytes.Count(text, newline))
			return
		}
		s.line += int64(bytes.Count(text[:i], newline))
		s.hits = append(s.hits, s.line)
		end := bytes.IndexByte(text[i:], '\n')
		s.line++
		text = text[i+end+1:]
		if len(s.hits) >= s.limit {
			s.stopped = true
			return
		}
	}
}
