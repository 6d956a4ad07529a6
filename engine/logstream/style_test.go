package logstream

import (
	"testing"

	"pgregory.net/rapid"
)

func TestStyle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                                 "",
		"\x1b[1;31mred":                         "1;31",
		"\x1b[31m\x1b[1mred":                    "1;31",
		"\x1b[1;31mred\x1b[0m":                  "",
		"\x1b[1;31mred\x1b[m":                   "",
		"\x1b[1;4;31mred\x1b[22m":               "4;31",
		"\x1b[38;5;208mx\x1b[48;2;1;2;3m":       "38;5;208;48;2;1;2;3",
		"\x1b[38:5:208mx":                       "38;5;208",
		"\x1b[38;5;999mx":                       "",
		"\x1b[38;5m\x1b[4m":                     "4",
		"\x1b[91;102mx\x1b[39m":                 "102",
		"\x1b]0;title\x07\x1b[7m":               "7",
		"\x1b[2K\x1b[1A\x1b[?25l\x1b[3m":        "3",
		"\x1b[31\n\x1b[1m":                      "1",
		"\x1b[1m\x1b":                           "1\x1b",
		"\x1b[1m\x1b[3":                         "1\x1b[3",
		"\x1b[>4;1m\x1b[9m\x1b[29m\x1b[3;23;5m": "5",
	} {
		p := newPainter("")
		p.write([]byte(text))
		if got := p.state(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// anyText is made of what matters to a terminal.
func anyText() *rapid.Generator[string] {
	part := rapid.SampledFrom([]string{
		"a", "Some text ", "\n", "\r", "\x1b[0m", "\x1b[31m", "\x1b[1;38;5;99m", "\x1b[48;2;10;20;30m", "\x1b[K", "\x1b", "\x1b[", "[", "m", "3", ";", "é", "\xff",
		"\x1b]8;;http://x\x07", "\x1b\\", "\x1b[999999m", "\x1b[?25h",
	})
	return rapid.Custom(func(t *rapid.T) string {
		s := ""
		for _, p := range rapid.SliceOfN(part, 0, 40).Draw(t, "parts") {
			s += p
		}
		return s
	})
}

// However a text is cut, the style at its end is the same.
func TestStyleDoesNotDependOnCuts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := anyText().Draw(t, "text")
		whole := newPainter("")
		whole.write([]byte(text))
		state := ""
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			p := newPainter(state)
			p.write([]byte(rest[:n]))
			if state = p.state(); len(state) > maxStyle {
				t.Fatalf("state %q has %d bytes", state, len(state))
			}
			rest = rest[n:]
		}
		got, want := newPainter(state), newPainter(whole.state())
		if got.style != want.style {
			t.Fatalf("%q: got %q, want %q", text, got.style, want.style)
		}
	})
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"a\x1b[1mb\n", "\x1b]0;t\x07x", "\x1b", "\x1b[", "\x1b]\n", "\x1b\nx", "\x1b]x\x1b[1m"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := plain(nil, text)
		if len(got) > len(text) {
			t.Fatalf("%q became longer: %q", text, got)
		}
		count := func(b []byte) (n int) {
			for _, c := range b {
				if c == '\n' {
					n++
				}
			}
			return n
		}
		if count(got) != count(text) {
			t.Fatalf("%q lost a line: %q", text, got)
		}
		p := newPainter("")
		p.write(text)
		_ = newPainter(p.state())
	})
}

func FuzzIndex(f *testing.F) {
	l := New(Config{})
	f.Add([]byte{})
	f.Add([]byte{indexVersion, 1, 10, 1, 0, 0, 1, 5, 10, 1, 0, 1, 0, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		ix, err := l.decodeIndex(l.enc.EncodeAll(data, nil))
		if err != nil {
			return
		}
		again, err := l.decodeIndex(l.encodeIndex(ix))
		if err != nil || again.end != ix.end || len(again.segs) != len(ix.segs) || len(again.marks) != len(ix.marks) {
			t.Fatalf("got %+v, %v; want %+v", again, err, ix)
		}
	})
}
