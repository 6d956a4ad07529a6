// Package redact hides secret values in a stream of output before it leaves
// the machine, wherever a write may cut them.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"

	"opsyard/agent/protocol"
)

// Mask stands in the output where a secret stood.
const Mask = "••••"

// A value shorter than MinLength is not hidden: it would blot out half of an
// ordinary text, and so show where it does not stand. Lines of a value with
// several lines are hidden one by one if they have MinLine bytes.
const (
	MinLength = 4
	MinLine   = 8
)

// Values are all values of a command that must not leave the machine: what the
// server names as secret, and the keys and passwords of apps and sources.
func Values(run protocol.Run) []string {
	var values []string
	for _, s := range run.Secrets {
		values = append(values, s.Value)
	}
	source := func(s protocol.Source) { values = append(values, s.Password, s.SSHKey) }
	if run.CustomCookbooks != nil {
		source(*run.CustomCookbooks)
	}
	for _, a := range run.Apps {
		source(a.Source)
		values = append(values, a.PrivateKey)
	}
	return values
}

// Hider finds secrets. It is immutable.
type Hider struct {
	// byFirst holds the patterns by their first byte, the longest first.
	byFirst [256][][]byte
}

// NewHider prepares for the values, for each of their lines, and for the
// forms that JSON, URLs, base64 and the shell's own trace give them.
func NewHider(values []string) *Hider {
	h := new(Hider)
	for _, p := range patterns(values) {
		h.byFirst[p[0]] = append(h.byFirst[p[0]], []byte(p))
	}
	return h
}

func patterns(values []string) []string {
	var all []string
	add := func(s string, least int) {
		if len(s) < least {
			return
		}
		all = append(all, s, quoted(s, true), quoted(s, false),
			url.QueryEscape(s), url.PathEscape(s),
			strings.ReplaceAll(s, "'", `'\''`))
		if len(s) >= MinLine {
			all = append(all, base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
	for _, v := range values {
		v = strings.Trim(v, "\r\n")
		if !strings.ContainsAny(v, "\r\n") {
			add(v, MinLength)
			continue
		}
		for line := range strings.Lines(v) {
			add(strings.TrimSpace(line), MinLine)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// quoted is s inside a JSON string; many writers escape <, > and & too.
func quoted(s string, html bool) string {
	b := new(strings.Builder)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(html)
	_ = e.Encode(s) // a string always encodes
	q := strings.TrimSuffix(b.String(), "\n")
	return q[1 : len(q)-1]
}

// String hides the secrets in a text.
func (h *Hider) String(s string) string {
	out, _ := h.hide(nil, []byte(s), true)
	return string(out)
}

// hide appends the hidden form of in to out and returns what it could not yet
// decide: a tail that may be the beginning of a secret. At the end there is
// no such tail.
func (h *Hider) hide(out, in []byte, end bool) (hidden, rest []byte) {
	clean := 0 // in[clean:i] holds no secret and is not yet in out
	for i := 0; i < len(in); {
		n, undecided := h.match(in[i:], end)
		switch {
		case undecided:
			return append(out, in[clean:i]...), in[i:]
		case n > 0:
			out = append(append(out, in[clean:i]...), Mask...)
			i += n
			clean = i
		default:
			i++
		}
	}
	return append(out, in[clean:]...), nil
}

// match returns the length of the longest secret that in begins with, or says
// that more bytes are needed to tell.
func (h *Hider) match(in []byte, end bool) (n int, undecided bool) {
	for _, p := range h.byFirst[in[0]] {
		if len(p) <= len(in) {
			if bytes.HasPrefix(in, p) {
				return len(p), false
			}
		} else if !end && bytes.HasPrefix(p, in) {
			return 0, true
		}
	}
	return 0, false
}

// Writer hides secrets in what is written through it. The bytes that reach w
// depend on the whole stream alone, never on how it was cut into writes. It is
// safe for concurrent use.
type Writer struct {
	hider *Hider
	mu    sync.Mutex
	w     io.Writer
	held  []byte
	out   []byte
}

// NewWriter returns a Writer; Close writes what it still holds.
func NewWriter(w io.Writer, hider *Hider) *Writer {
	return &Writer{w: w, hider: hider}
}

// Write passes p on except for a tail that may begin a secret.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := p
	if len(w.held) > 0 {
		in = append(w.held, p...)
	}
	out, rest := w.hider.hide(w.out[:0], in, false)
	w.held = append([]byte(nil), rest...)
	w.out = out
	if len(out) == 0 {
		return len(p), nil
	}
	if _, err := w.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what is still held; it does not close what is below.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, _ := w.hider.hide(nil, w.held, true)
	w.held = nil
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}
