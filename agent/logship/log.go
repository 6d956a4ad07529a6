package logship

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"opsyard/agent/protocol"
)

// A chunk carries at most so many bytes of steps; the rest follows with the next.
const maxStepBytes = 128 << 10

// record is a chunk's entry in the index: recordSize bytes, big-endian, at
// (seq-1) * recordSize. What is in the index is never cut differently, so a
// chunk that is sent again after the agent's own end is the same chunk.
type record struct {
	Offset, Size        int64
	At                  int64 // Unix nanoseconds
	StepsFrom, StepsEnd int64 // bytes of the steps file
}

const recordSize = 40

func (r record) end() int64 { return r.Offset + r.Size }

// Log cuts a command's growing output into chunks. It is not safe for
// concurrent use.
type Log struct {
	now             func() time.Time
	out, steps, idx *os.File
	last            int64     // number of the last chunk
	tip             record    // the last chunk
	since           time.Time // when uncut bytes were first seen
	cutAt           time.Time // when the last chunk was cut
	unsaved         []record  // the last chunks, which a full disk kept out of the index
}

// Create makes the empty files of a command's log, so that neither Recorder
// nor Log has to make a file when the disk is full.
func Create(dir string) error {
	for _, name := range []string{outputFile, stepsFile, indexFile} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("create log: %w", err)
		}
		f.Close()
	}
	return nil
}

// Open continues the log in a command's directory.
func Open(dir string, now func() time.Time) (*Log, error) {
	l := &Log{now: now}
	for name, f := range map[string]**os.File{outputFile: &l.out, stepsFile: &l.steps, indexFile: &l.idx} {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("open log: %w", err)
		}
		*f = file
	}
	if err := l.load(); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// load finds the last whole entry whose bytes are there: after a power cut the
// index may know more than the output.
func (l *Log) load() error {
	size, err := fileSize(l.idx)
	if err != nil {
		return err
	}
	output, err := fileSize(l.out)
	if err != nil {
		return err
	}
	for l.last = size / recordSize; l.last > 0; l.last-- {
		if l.tip, err = l.record(l.last); err != nil {
			return err
		}
		if l.tip.end() <= output {
			break
		}
		l.tip = record{}
	}
	return l.idx.Truncate(l.last * recordSize)
}

// Cut makes chunks of what is there: whole ones at once, a smaller one at the
// end or when protocol.ChunkDelay has passed since the last, so that a line
// after a silence is not held up.
func (l *Log) Cut(final bool) error {
	// The steps are measured first: all that they point to is then in the output.
	steps, err := fileSize(l.steps)
	if err != nil {
		return fmt.Errorf("cut log: %w", err)
	}
	size, err := fileSize(l.out)
	if err != nil {
		return fmt.Errorf("cut log: %w", err)
	}
	for {
		left := size - l.tip.end()
		if left <= 0 && steps <= l.tip.StepsEnd {
			l.since = time.Time{}
			return nil
		}
		if l.since.IsZero() {
			l.since = l.now()
		}
		if left < protocol.ChunkSize && !final && l.now().Sub(l.cutAt) < protocol.ChunkDelay {
			return nil
		}
		before := l.tip
		if err := l.cut(min(max(left, 0), protocol.ChunkSize), steps); err != nil {
			return err
		}
		if l.tip.end() == before.end() && l.tip.StepsEnd == before.StepsEnd {
			return nil // a torn last step: nothing to send
		}
	}
}

func (l *Log) cut(size, steps int64) error {
	next := record{Offset: l.tip.end(), Size: size, At: l.since.UnixNano(), StepsFrom: l.tip.StepsEnd, StepsEnd: l.tip.StepsEnd}
	if steps > next.StepsFrom {
		marks, err := l.readSteps(next.StepsFrom, min(steps, next.StepsFrom+maxStepBytes))
		if err != nil {
			return fmt.Errorf("cut log: %w", err)
		}
		for _, m := range marks {
			if m.step.Offset > next.end() {
				break
			}
			next.StepsEnd += m.bytes
		}
	}
	if next.Size == 0 && next.StepsEnd == next.StepsFrom {
		return nil
	}
	l.last, l.tip, l.since, l.cutAt = l.last+1, next, time.Time{}, l.now()
	l.unsaved = append(l.unsaved, next)
	l.save()
	return nil
}

// save writes the index. On a full disk the edges are kept in memory until it
// works: the log goes on, and only the agent's own end could then cut anew.
func (l *Log) save() {
	if len(l.unsaved) == 0 {
		return
	}
	b := make([]byte, 0, len(l.unsaved)*recordSize)
	for _, r := range l.unsaved {
		for _, v := range []int64{r.Offset, r.Size, r.At, r.StepsFrom, r.StepsEnd} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
	}
	if _, err := l.idx.WriteAt(b, (l.last-int64(len(l.unsaved)))*recordSize); err == nil {
		l.unsaved = l.unsaved[:0]
	}
}

func (l *Log) record(seq int64) (record, error) {
	if i := seq - (l.last - int64(len(l.unsaved))) - 1; i >= 0 && i < int64(len(l.unsaved)) {
		return l.unsaved[i], nil
	}
	var b [recordSize]byte
	if _, err := l.idx.ReadAt(b[:], (seq-1)*recordSize); err != nil {
		return record{}, fmt.Errorf("read chunk %d of the index: %w", seq, err)
	}
	v := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[i*8:])) }
	return record{Offset: v(0), Size: v(1), At: v(2), StepsFrom: v(3), StepsEnd: v(4)}, nil
}

// Chunk reads a chunk that has been cut.
func (l *Log) Chunk(seq int64) (protocol.LogChunk, error) {
	if seq < 1 || seq > l.last {
		return protocol.LogChunk{}, fmt.Errorf("read log chunk %d: there are %d", seq, l.last)
	}
	r, err := l.record(seq)
	if err != nil {
		return protocol.LogChunk{}, err
	}
	chunk := protocol.LogChunk{Seq: seq, Offset: r.Offset, At: time.Unix(0, r.At).UTC(), Data: make([]byte, r.Size)}
	if _, err := l.out.ReadAt(chunk.Data, r.Offset); err != nil && r.Size > 0 {
		return protocol.LogChunk{}, fmt.Errorf("read log chunk %d: %w", seq, err)
	}
	marks, err := l.readSteps(r.StepsFrom, r.StepsEnd)
	if err != nil {
		return protocol.LogChunk{}, fmt.Errorf("read log chunk %d: %w", seq, err)
	}
	for _, m := range marks {
		chunk.Steps = append(chunk.Steps, m.step)
	}
	return chunk, nil
}

type mark struct {
	step  protocol.Step
	bytes int64 // of its line
}

// readSteps reads the whole lines in a part of the steps file.
func (l *Log) readSteps(from, to int64) ([]mark, error) {
	if to <= from {
		return nil, nil
	}
	b := make([]byte, to-from)
	if _, err := l.steps.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var marks []mark
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		m := mark{bytes: int64(len(line))}
		if err := json.Unmarshal(line, &m.step); err != nil {
			break // torn by a full disk; nothing after it can be trusted
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// Last is the number of the last chunk.
func (l *Log) Last() int64 { return l.last }

// End is the number of bytes up to and with chunk seq.
func (l *Log) End(seq int64) int64 {
	if seq < 1 {
		return 0
	}
	r, err := l.record(min(seq, l.last))
	if err != nil {
		return l.tip.end()
	}
	return r.end()
}

// Adopt ends the log at chunk seq, which the server has and this disk lost in
// a power cut: there is nothing to add to what the server knows.
func (l *Log) Adopt(seq int64) {
	size, _ := fileSize(l.out)
	steps, _ := fileSize(l.steps)
	l.last, l.unsaved = seq, nil
	l.tip = record{Offset: size, StepsFrom: steps, StepsEnd: steps}
}

// Close releases the files.
func (l *Log) Close() error {
	var errs []error
	for _, f := range []*os.File{l.out, l.steps, l.idx} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func fileSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
