package supervise

import (
	"sync"

	"opsyard/agent/logship"
	"opsyard/agent/recipe"
	"opsyard/agent/redact"
)

// reporter hides secrets and writes down the rest. A write never fails for the
// one who prints: when the disk is full, the run is cut from outside, and a
// recipe that blocks on its output could not even be told.
type reporter struct {
	rec    *logship.Recorder
	hidden *redact.Writer
	hider  *redact.Hider
	failed func(error)
	once   sync.Once
}

func newReporter(rec *logship.Recorder, hider *redact.Hider, failed func(error)) *reporter {
	return &reporter{rec: rec, hidden: redact.NewWriter(rec, hider), hider: hider, failed: failed}
}

func (r *reporter) Write(p []byte) (int, error) {
	if _, err := r.hidden.Write(p); err != nil {
		r.once.Do(func() { r.failed(err) })
	}
	return len(p), nil
}

func (r *reporter) Begin(kind, name string) func(recipe.Result) {
	return r.rec.Begin(kind, r.hider.String(name))
}

func (r *reporter) close() error { return r.hidden.Close() }
