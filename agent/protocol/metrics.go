package protocol

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"
)

// Metrics are the figures of an agent's machine for a time that has just ended.
// An agent sends them for each period of Welcome.MetricsSeconds, and for shorter
// ones while WatchMetrics asks for it.
type Metrics struct {
	// At is when the time began, by the server's clock as far as the agent
	// knows it: a multiple of Seconds since 1970.
	At      time.Time `json:"at"`
	Seconds int       `json:"seconds"`
	// Values are in the order of OpsWorks' names: cpu_idle, cpu_nice, cpu_system,
	// cpu_user, cpu_waitio, cpu_steal (percent), memory_total, memory_used,
	// memory_free, memory_buffers, memory_cached, memory_swap (KB), load_1,
	// load_5, load_15, procs. A later version may add more at the end.
	Values Figures `json:"values"`
}

// WatchMetrics asks for Metrics of that many seconds each for the next
// WatchFor, beside the usual ones. It is repeated while somebody looks.
type WatchMetrics struct {
	Seconds int `json:"seconds"`
}

// WatchFor is how long a WatchMetrics is obeyed.
const WatchFor = time.Minute

// Figures are numbers that may be unknown: NaN here, null in JSON.
type Figures []float32

// MarshalJSON writes the figures as short as they can be read back.
func (f Figures) MarshalJSON() ([]byte, error) {
	out := append(make([]byte, 0, 8*len(f)+2), '[')
	for n, v := range f {
		if n > 0 {
			out = append(out, ',')
		}
		if w := float64(v); math.IsNaN(w) || math.IsInf(w, 0) {
			out = append(out, "null"...)
		} else {
			out = strconv.AppendFloat(out, w, 'g', -1, 32)
		}
	}
	return append(out, ']'), nil
}

// maxFigures is the longest list that is read.
const maxFigures = 64

var errFigures = errors.New("not a list of figures")

// UnmarshalJSON reads them; thousands of agents send some each minute.
func (f *Figures) UnmarshalJSON(text []byte) error {
	inner, opened := bytes.CutPrefix(bytes.TrimSpace(text), []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	if !opened || !closed {
		return errFigures
	}
	*f = (*f)[:0]
	if len(bytes.TrimSpace(inner)) == 0 {
		return nil
	}
	if *f == nil {
		*f = make(Figures, 0, 16)
	}
	for part := range bytes.SplitSeq(inner, []byte(",")) {
		part = bytes.TrimSpace(part)
		value := math.NaN()
		if string(part) != "null" {
			var err error
			if value, err = strconv.ParseFloat(string(part), 32); err != nil {
				return errFigures
			}
		}
		if len(*f) == maxFigures {
			return errFigures
		}
		*f = append(*f, float32(value))
	}
	return nil
}
