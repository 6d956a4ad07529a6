package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"opsyard/engine/logstream"
	"opsyard/models"
)

// logFrame is a run of lines as the viewer gets it, by request or live. Names
// are short because there are many.
type logFrame struct {
	First int64    `json:"first"`
	Lines []string `json:"lines"`
	// Styles in force at the beginning of a line, Cut lines' whole length, and
	// the time from a line on: each by its place in Lines.
	Styles map[int]string `json:"sgr,omitempty"`
	Cut    map[int]int64  `json:"cut,omitempty"`
	Times  [][2]int64     `json:"at,omitempty"`
	Open   bool           `json:"open,omitempty"`
	Gap    bool           `json:"gap,omitempty"`

	Total    int64     `json:"total"`
	Bytes    int64     `json:"bytes"`
	Ended    bool      `json:"ended"`
	Complete bool      `json:"complete"`
	SHA256   string    `json:"sha256,omitempty"`
	Status   string    `json:"status,omitempty"`
	Steps    []logStep `json:"steps,omitempty"`
	Now      int64     `json:"now"` // of the server
}

// logStep is a part of the run.
type logStep struct {
	Index     int    `json:"i"`
	Parent    int    `json:"p"`
	Kind      string `json:"k"`
	Name      string `json:"n"`
	First     int64  `json:"a"`
	Last      int64  `json:"z"` // exclusive; -1 while it runs
	Started   int64  `json:"s"`
	Ended     int64  `json:"e,omitempty"`
	Result    string `json:"r,omitempty"`
	Changed   int    `json:"c,omitempty"`
	Unchanged int    `json:"u,omitempty"`
}

func newLogFrame(p logstream.Page, now time.Time) logFrame {
	f := logFrame{
		First: p.First, Lines: make([]string, len(p.Lines)), Open: p.Open,
		Total: p.Info.Lines, Bytes: p.Info.Bytes, Ended: p.Info.Ended, Complete: p.Info.Complete, SHA256: p.Info.SHA256,
		Now: now.UnixMilli(),
	}
	last := int64(-1)
	for i, line := range p.Lines {
		f.Lines[i] = string(wholeRunes(line.Text, line.Bytes))
		if line.SGR != "" {
			if f.Styles == nil {
				f.Styles = map[int]string{}
			}
			f.Styles[i] = line.SGR
		}
		if line.Bytes > int64(len(line.Text)) {
			if f.Cut == nil {
				f.Cut = map[int]int64{}
			}
			f.Cut[i] = line.Bytes
		}
		if line.MS != last {
			last = line.MS
			f.Times = append(f.Times, [2]int64{int64(i), last})
		}
	}
	return f
}

// wholeRunes drops the half of a character that a cut left at the end.
func wholeRunes(text []byte, whole int64) []byte {
	if whole == int64(len(text)) {
		return text
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return text[:len(text)-n]
			}
			break
		}
	}
	return text
}

func logSteps(steps []models.LogStep) []logStep {
	out := make([]logStep, len(steps))
	for i, s := range steps {
		out[i] = logStep{
			Index: s.Index, Parent: s.Parent, Kind: s.Kind, Name: s.Name, First: s.FirstLine, Last: s.LastLine,
			Started: s.StartedAt.UnixMilli(), Result: s.Result, Changed: s.Changed, Unchanged: s.Unchanged,
		}
		if s.EndedAt != nil {
			out[i].Ended = s.EndedAt.UnixMilli()
		}
	}
	return out
}

// encode writes JSON without the escapes that only matter inside HTML. Bytes
// that are no UTF-8 become replacement characters.
func (f logFrame) encode() []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(f) // numbers and strings cannot fail
	return buf.Bytes()
}

// logLines answers with lines: ?from=LINE&count=N, from the end when LINE is
// negative, with the steps of the run when ?steps is there.
func (h *Handlers) logLines(w http.ResponseWriter, r *http.Request, c *models.Command) {
	from, err := number(r, "from", 0)
	count, err2 := number(r, "count", 500)
	if err == nil {
		err = err2
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page, err := h.Logs.Lines(r.Context(), c.ID, from, int(min(max(count, 0), logstream.MaxLines)))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	frame := newLogFrame(page, h.Now())
	frame.Status = string(c.Status)
	if r.Form.Has("steps") {
		steps, err := h.Logs.Steps(r.Context(), c.ID)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		frame.Steps = logSteps(steps)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(frame.encode()) // the reader may be gone
}
