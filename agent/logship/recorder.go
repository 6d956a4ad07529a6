// Package logship brings a command's output from the disk of its machine to
// the server. A Recorder writes it down, a Log cuts it into numbered chunks
// that stay the same for ever, a Sender sends them until they are stored.
package logship

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
)

// Files in a command's directory.
const (
	outputFile = "output.log"  // the output, append only
	stepsFile  = "steps.jsonl" // a protocol.Step a line, after the output it points to
	indexFile  = "chunks.idx"  // the chunks' edges, see record
)

// Recorder writes a command's output and steps into its directory. It is safe
// for concurrent use.
type Recorder struct {
	now   func() time.Time
	mu    sync.Mutex
	out   *os.File
	steps *os.File
	size  int64
	next  int   // index of the next step
	open  []int // the steps around the next one
	err   error // the first failed write
}

// NewRecorder begins the record in dir.
func NewRecorder(dir string, now func() time.Time) (*Recorder, error) {
	const mode = os.O_CREATE | os.O_APPEND | os.O_WRONLY
	out, err := os.OpenFile(filepath.Join(dir, outputFile), mode, 0o600)
	if err != nil {
		return nil, fmt.Errorf("record output: %w", err)
	}
	steps, err := os.OpenFile(filepath.Join(dir, stepsFile), mode, 0o600)
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("record output: %w", err)
	}
	return &Recorder{now: now, out: out, steps: steps}, nil
}

// Write appends to the output.
func (r *Recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.out.Write(p)
	r.size += int64(n)
	r.note(err)
	return n, err
}

// Begin opens a step inside the one that is open. The returned function closes
// it, once; steps inside it that are still open close as failed.
func (r *Recorder) Begin(kind, name string) (end func(recipe.Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := protocol.Step{Index: r.next, Parent: -1, Kind: kind, Name: name, Offset: r.size, At: r.now()}
	if len(r.open) > 0 {
		step.Parent = r.open[len(r.open)-1]
	}
	r.next++
	r.open = append(r.open, step.Index)
	r.mark(step)
	var once sync.Once
	return func(result recipe.Result) { once.Do(func() { r.end(step, result) }) }
}

func (r *Recorder) end(step protocol.Step, result recipe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	step.Offset, step.At = r.size, r.now()
	for len(r.open) > 0 && r.open[len(r.open)-1] > step.Index {
		// The viewer shows a step without an end as running for ever.
		inner := protocol.Step{Index: r.open[len(r.open)-1], Parent: step.Index, Offset: step.Offset, At: step.At, Result: "failed"}
		r.open = r.open[:len(r.open)-1]
		r.mark(inner)
	}
	if len(r.open) > 0 && r.open[len(r.open)-1] == step.Index {
		r.open = r.open[:len(r.open)-1]
	}
	switch {
	case result.Err != nil:
		step.Result = "failed"
	case result.Skipped:
		step.Result = "skipped"
	default:
		step.Result = "successful"
	}
	step.Changed, step.Unchanged = result.Changed, result.Unchanged
	r.mark(step)
}

func (r *Recorder) mark(step protocol.Step) {
	line, err := json.Marshal(step)
	if err == nil {
		_, err = r.steps.Write(append(line, '\n'))
	}
	r.note(err)
}

func (r *Recorder) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Err is the first error of writing.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close makes the record durable.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.out.Sync(), r.steps.Sync(), r.out.Close(), r.steps.Close())
}
