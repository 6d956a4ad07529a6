package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"opsyard/models"
	"opsyard/models/store"
)

const (
	recordEvery = 2 * time.Second // or when recordBytes are waiting
	recordBytes = 64 << 10
)

// recorder turns what a terminal shows into lines of asciicast 2. What is typed
// is not recorded: it holds passwords, which the terminal does not show.
type recorder struct {
	began time.Time
	buf   bytes.Buffer // lines that are not stored yet
	cut   []byte       // the beginning of a character whose rest is to come
	seq   int
	bytes int64 // of all lines
	last  float64
	since time.Time // the first of buf
}

// newRecorder begins a recording of a terminal.
func newRecorder(now time.Time, size models.ShellSize, title string) *recorder {
	r := &recorder{began: now, since: now}
	r.line(map[string]any{
		"version": 2, "width": size.Columns, "height": size.Rows, "timestamp": now.Unix(), "title": title, "env": map[string]string{"TERM": shellTerm},
	})
	return r
}

func (r *recorder) line(value any) {
	before := r.buf.Len()
	lines := json.NewEncoder(&r.buf)
	lines.SetEscapeHTML(false)
	_ = lines.Encode(value) // maps and lists of texts and numbers can be written
	r.bytes += int64(r.buf.Len() - before)
}

func (r *recorder) event(now time.Time, kind, text string) {
	if r.buf.Len() == 0 {
		r.since = now
	}
	// A clock that is set back must not make the recording run backwards.
	r.last = max(r.last, float64(now.Sub(r.began).Microseconds())/1e6)
	r.line([]any{json.Number(fmt.Sprintf("%.6f", r.last)), kind, text})
}

// output records what the terminal has shown.
func (r *recorder) output(now time.Time, data []byte) {
	data = append(r.cut, data...)
	whole := len(data) - unfinished(data)
	r.cut = bytes.Clone(data[whole:])
	if whole > 0 {
		r.event(now, "o", string(data[:whole]))
	}
}

// unfinished is the length of a character at the end whose rest is missing.
func unfinished(data []byte) int {
	for n := 1; n <= min(len(data), utf8.UTFMax-1); n++ {
		if first := data[len(data)-n]; utf8.RuneStart(first) {
			if first >= utf8.RuneSelf && !utf8.FullRune(data[len(data)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

func (r *recorder) resize(now time.Time, s models.ShellSize) {
	r.event(now, "r", fmt.Sprintf("%dx%d", s.Columns, s.Rows))
}

// due tells whether it is time to store what waits.
func (r *recorder) due(now time.Time) bool {
	return r.buf.Len() >= recordBytes || r.buf.Len() > 0 && now.Sub(r.since) >= recordEvery
}

// take is what waits, as a chunk; ok is false when nothing does.
func (r *recorder) take(id models.ShellID) (c models.ShellChunk, ok bool) {
	if r.buf.Len() == 0 {
		return c, false
	}
	r.seq++
	c = models.ShellChunk{ShellID: id, Seq: r.seq, Bytes: r.buf.Len(), Data: recordingPacker.EncodeAll(r.buf.Bytes(), nil)}
	r.buf.Reset()
	return c, true
}

// The packers of all recordings; both may be used from many goroutines.
var (
	recordingPacker, _   = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	recordingUnpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(8<<20))
)

// ShellRecording is what a terminal has shown, in the form of asciicast 2.
type ShellRecording struct {
	Session models.ShellSession
	store   *store.Store
}

// recordingPage is how many chunks are read at a time.
const recordingPage = 16

// Write writes all of the recording that is stored.
func (r *ShellRecording) Write(ctx context.Context, w io.Writer) error {
	for after := 0; ; {
		chunks, err := r.store.Shells.Chunks(ctx, r.Session.ID, after, recordingPage)
		if err != nil || len(chunks) == 0 {
			return err
		}
		for _, c := range chunks {
			lines, err := recordingUnpacker.DecodeAll(c.Data, make([]byte, 0, min(max(c.Bytes, 0), 1<<20)))
			if err != nil {
				return fmt.Errorf("unpack chunk %d of the recording of shell %s: %w", c.Seq, c.ShellID, err)
			}
			if _, err := w.Write(lines); err != nil {
				return err
			}
			after = c.Seq
		}
	}
}
