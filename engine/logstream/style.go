package logstream

import (
	"bytes"
	"strconv"
	"strings"
)

const esc = 0x1b

// maxStyle is the room for a style in a row; see models.LogChunk.Sgr.
const maxStyle = 64

// maxEscape is the longest escape sequence that is understood as one.
const maxEscape = 128

// style is what SGR sequences have switched on: "1;31" and the like in parts,
// so that the same look always has the same spelling.
type style struct {
	on     uint16 // bit n: attribute n (1 bold … 9 struck out)
	fg, bg string
}

// String spells the style as SGR parameters, empty for plain.
func (s style) String() string {
	var parts []string
	for n := 1; n <= 9; n++ {
		if s.on&(1<<n) != 0 {
			parts = append(parts, strconv.Itoa(n))
		}
	}
	if s.fg != "" {
		parts = append(parts, s.fg)
	}
	if s.bg != "" {
		parts = append(parts, s.bg)
	}
	return strings.Join(parts, ";")
}

// apply takes the parameters of one SGR sequence.
func (s *style) apply(params string) {
	args := strings.Split(strings.ReplaceAll(params, ":", ";"), ";")
	for i := 0; i < len(args); i++ {
		n, _ := strconv.Atoi(args[i]) // empty means 0
		switch {
		case n == 0:
			*s = style{}
		case n <= 9:
			s.on |= 1 << n
		case n == 22:
			s.on &^= 1<<1 | 1<<2
		case n == 25:
			s.on &^= 1<<5 | 1<<6
		case n >= 23 && n <= 29 && n != 26:
			s.on &^= 1 << (n - 20)
		case n >= 30 && n <= 37, n >= 90 && n <= 97:
			s.fg = strconv.Itoa(n)
		case n >= 40 && n <= 47, n >= 100 && n <= 107:
			s.bg = strconv.Itoa(n)
		case n == 39:
			s.fg = ""
		case n == 49:
			s.bg = ""
		case n == 38 || n == 48:
			colour, used := extended(args[i+1:])
			i += used
			if colour == "" {
				continue
			}
			if n == 38 {
				s.fg = "38;" + colour
			} else {
				s.bg = "48;" + colour
			}
		}
	}
}

// extended reads "5;N" or "2;R;G;B" and tells how many arguments it took.
func extended(args []string) (string, int) {
	count := 0
	if len(args) > 0 {
		switch args[0] {
		case "5":
			count = 2
		case "2":
			count = 4
		}
	}
	if count == 0 || len(args) < count {
		return "", len(args)
	}
	for _, a := range args[1:count] {
		if v, err := strconv.Atoi(a); err != nil || v < 0 || v > 255 {
			return "", count
		}
	}
	return strings.Join(args[:count], ";"), count
}

// painter follows the style through a text that comes in pieces. Its state is
// a string, so that it can wait in a row: the style, and the beginning of an
// escape sequence when the last piece ended inside one.
type painter struct {
	style   style
	pending []byte
}

func newPainter(state string) painter {
	sgr, pending, cut := strings.Cut(state, "\x1b")
	var p painter
	if sgr != "" {
		p.style.apply(sgr)
	}
	if cut {
		p.pending = []byte("\x1b" + pending)
	}
	return p
}

// state is what newPainter needs to go on. A sequence too long for the row is
// given up: it costs a colour, never text.
func (p *painter) state() string {
	s := p.style.String()
	if len(s)+len(p.pending) > maxStyle {
		return s
	}
	return s + string(p.pending)
}

func (p *painter) write(data []byte) {
	if len(p.pending) > 0 && len(data) > 0 {
		head := append(p.pending, data[:min(len(data), maxEscape)]...)
		before := len(p.pending)
		p.pending = nil
		n, sgr, whole := escape(head)
		if !whole {
			if len(head) < maxEscape {
				p.pending = head
			}
			return
		}
		if sgr != nil {
			p.style.apply(string(sgr))
		}
		data = data[max(n-before, 0):]
	}
	for {
		i := bytes.IndexByte(data, esc)
		if i < 0 {
			return
		}
		data = data[i:]
		n, sgr, whole := escape(data)
		if !whole {
			p.pending = bytes.Clone(data)
			return
		}
		if sgr != nil {
			p.style.apply(string(sgr))
		}
		data = data[n:]
	}
}

// escape reads the sequence at the start of data: its length, its parameters
// if it is SGR, and whether it is all there. What is no sequence is skipped
// up to the byte that broke it.
func escape(data []byte) (n int, sgr []byte, whole bool) {
	if len(data) < 2 {
		return 0, nil, false
	}
	if data[1] < 0x20 {
		return 1, nil, true // a control character has its own meaning
	}
	if data[1] != '[' {
		return 2, nil, true
	}
	for i := 2; i < len(data); i++ {
		switch c := data[i]; {
		case i >= maxEscape:
			return i, nil, true
		case c >= 0x20 && c <= 0x3f:
		case c >= 0x40 && c <= 0x7e:
			if c == 'm' && bytes.IndexFunc(data[2:i], notParameter) < 0 {
				return i + 1, append([]byte{}, data[2:i]...), true
			}
			return i + 1, nil, true
		default:
			return i, nil, true
		}
	}
	return 0, nil, len(data) >= maxEscape
}

func notParameter(r rune) bool { return r != ';' && r != ':' && (r < '0' || r > '9') }

// plain removes escape sequences, as a reader sees the text, and reuses dst.
func plain(dst, text []byte) []byte {
	dst = dst[:0]
	for {
		i := bytes.IndexByte(text, esc)
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		n, _, whole := escape(text)
		if !whole {
			return dst
		}
		if text[1] == ']' { // a title or a link: up to BEL or ESC \
			n = title(text)
		}
		text = text[n:]
	}
}

// title is the length of an operating system command.
func title(text []byte) int {
	for i := 2; i < len(text); i++ {
		switch text[i] {
		case 0x07:
			return i + 1
		case esc:
			if i+1 < len(text) && text[i+1] == '\\' {
				return i + 2
			}
			return i
		case '\n':
			return i
		}
	}
	return len(text)
}
