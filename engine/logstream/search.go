package logstream

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
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

// matcher finds lines in a text of whole lines. set gives the text; next is a
// place in the first line at or behind from that matches, or negative. from is
// the beginning of a line.
type matcher interface {
	set(text []byte)
	next(from int) int
}

func (q Query) matcher() (matcher, error) {
	switch {
	case q.Text == "":
		return nil, models.InvalidField("q", "Type something to search for.")
	case len(q.Text) > maxQuery:
		return nil, models.InvalidField("q", "The search is longer than %d bytes.", maxQuery)
	case !q.Regexp && strings.Contains(q.Text, "\n"):
		return nil, models.InvalidField("q", "A search stays within one line.")
	case !q.Regexp && q.Case:
		return &exact{needle: []byte(q.Text)}, nil
	case !q.Regexp && ascii(q.Text):
		return &folded{needle: lower(nil, []byte(q.Text))}, nil
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
	if must := literal(flags + pattern); len(must) > 1 {
		return &guarded{folded: folded{needle: lower(nil, must)}, re: re}, nil
	}
	return &expression{re: re}, nil
}

// reason is what is wrong with an expression, without our own part of it.
func reason(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return err.Error()
}

// literal is the longest text that every match holds, in some case, or nil.
func literal(pattern string) []byte {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return longest(tree.Simplify())
}

func longest(e *syntax.Regexp) []byte {
	switch e.Op {
	case syntax.OpLiteral:
		if text := []byte(string(e.Rune)); ascii(text) {
			return text
		}
	case syntax.OpCapture, syntax.OpPlus:
		return longest(e.Sub[0])
	case syntax.OpConcat:
		var best []byte
		for _, sub := range e.Sub {
			if text := longest(sub); len(text) > len(best) {
				best = text
			}
		}
		return best
	}
	return nil
}

func ascii[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
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

// exact finds text as it is.
type exact struct{ needle, text []byte }

func (m *exact) set(text []byte)   { m.text = text }
func (m *exact) next(from int) int { return indexFrom(m.text, m.needle, from) }

func indexFrom(text, needle []byte, from int) int {
	if i := bytes.Index(text[from:], needle); i >= 0 {
		return from + i
	}
	return -1
}

// folded finds ASCII text in any case, much faster than an expression does.
type folded struct{ needle, text []byte }

func (m *folded) set(text []byte)   { m.text = lower(m.text, text) }
func (m *folded) next(from int) int { return indexFrom(m.text, m.needle, from) }

// expression keeps an expression from matching across lines. It asks for a
// match in all of the text first, which is much faster than line by line: a
// line that matches alone has a match in the whole that begins in it.
type expression struct {
	re   *regexp.Regexp
	text []byte
}

func (m *expression) set(text []byte) { m.text = text }

func (m *expression) next(from int) int {
	for from < len(m.text) {
		found := m.re.FindIndex(m.text[from:])
		if found == nil {
			return -1
		}
		first, last := lineAround(m.text, from+found[0])
		if m.re.Match(m.text[first:last]) {
			return first
		}
		from = last + 1
	}
	return -1
}

// guarded asks the expression only about lines that hold the text it needs.
type guarded struct {
	folded
	re    *regexp.Regexp
	whole []byte
}

func (m *guarded) set(text []byte) {
	m.whole = text
	m.folded.set(text)
}

func (m *guarded) next(from int) int {
	for from < len(m.whole) {
		i := m.folded.next(from)
		if i < 0 {
			return -1
		}
		first, last := lineAround(m.whole, i)
		if m.re.Match(m.whole[first:last]) {
			return first
		}
		from = last + 1
	}
	return -1
}

// lineAround finds the line that holds place i, without its newline.
func lineAround(text []byte, i int) (first, last int) {
	first = bytes.LastIndexByte(text[:i], '\n') + 1
	if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
		return first, i + n
	}
	return first, len(text)
}

// searcher looks through pieces. Whole lines of a piece are tested together;
// only where something matches are they told apart.
type searcher struct {
	match   matcher
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
	s.match.set(s.text)
	if s.match.next(0) >= 0 {
		s.hits = append(s.hits, s.line)
	}
}

// scan looks at whole lines.
func (s *searcher) scan(lines []byte) {
	s.text = plain(s.text, lines)
	s.match.set(s.text)
	for pos := 0; pos < len(s.text); {
		i := s.match.next(pos)
		if i < 0 || i == len(s.text) {
			s.line += int64(bytes.Count(s.text[pos:], newline))
			return
		}
		s.line += int64(bytes.Count(s.text[pos:i], newline))
		s.hits = append(s.hits, s.line)
		_, last := lineAround(s.text, i)
		s.line++
		pos = last + 1
		if len(s.hits) >= s.limit {
			s.stopped = true
			return
		}
	}
}
