package logstream

import (
	"context"
	"slices"
	"time"

	"opsyard/models"
)

// Sizes of what a tail hands out.
const (
	tailLines = 1000
	tailBytes = 256 << 10
	// tailBehind is how many lines a viewer may be behind; then he gets a gap
	// and the newest lines, and reads the rest when he looks there.
	tailBehind = 5000
	tailKept   = 500 // lines before the end that come after a gap
)

// Batch is news of a log.
type Batch struct {
	Page
	// Gap: lines between the last batch and First were left out.
	Gap bool
	// Steps that are new or have changed; all of them in the first batch.
	Steps []models.LogStep
}

// Tail follows a log. It is a place in the log and not a queue: a slow viewer
// costs nothing and holds up nobody.
type Tail struct {
	logs *Logs
	view *view
	next int64 // line
	rev  int64 // of the steps handed out
	seen progress

	begun   bool
	changed chan struct{} // the view has grown
	look    chan struct{} // the store may have grown
	ticker  *time.Ticker
}

// progress is what a viewer knows of the log's end.
type progress struct {
	bytes           int64
	ended, complete bool
}

// Tail follows a log from a line on; a negative one counts from the end.
// Close must be called.
func (l *Logs) Tail(ctx context.Context, id models.CommandID, from int64) (*Tail, error) {
	v := l.view(id)
	t := &Tail{
		logs: l, view: v, next: from,
		changed: make(chan struct{}, 1), look: make(chan struct{}, 1),
		ticker: time.NewTicker(tailEvery),
	}
	v.mu.Lock()
	v.tails[t] = struct{}{}
	v.mu.Unlock()
	l.mu.Lock()
	l.views[id] = v // it may have been evicted meanwhile
	l.mu.Unlock()
	snap, err := l.fresh(ctx, v)
	if err == nil {
		err = l.loadSteps(ctx, v)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	if total := snap.end.total(); from < 0 {
		t.next = max(total+from, 0)
	} else if from > total {
		t.next = total
	}
	return t, nil
}

// Close ends the following; a second call does nothing.
func (t *Tail) Close() {
	t.ticker.Stop()
	t.view.mu.Lock()
	defer t.view.mu.Unlock()
	delete(t.view.tails, t)
	if len(t.view.tails) == 0 {
		t.view.recent, t.view.held = nil, 0
	}
}

// Next waits for news. The first batch comes at once. An unfinished last line
// is handed out with what there is of it, and again, whole, when it has grown.
// After a batch whose Info is Complete nothing more comes.
func (t *Tail) Next(ctx context.Context) (Batch, error) {
	for {
		b, news, err := t.read(ctx)
		if err != nil || news {
			return b, err
		}
		select {
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		case <-t.changed:
			continue
		case <-t.look:
		case <-t.ticker.C:
		}
		if _, err := t.logs.fresh(ctx, t.view); err != nil {
			return Batch{}, err
		}
	}
}

// read takes the next lines from the view, and tells whether there is
// anything new in it.
func (t *Tail) read(ctx context.Context) (Batch, bool, error) {
	t.view.mu.Lock()
	snap := t.view.snap
	steps, rev := t.view.steps.since(t.rev)
	t.view.mu.Unlock()
	info := t.view.info(snap)
	now := progress{info.Bytes, info.Ended, info.Complete}
	more := t.next < snap.end.lines // whole lines not handed out
	if t.begun && now == t.seen && len(steps) == 0 && !more {
		return Batch{}, false, nil
	}
	b := Batch{Steps: steps}
	if t.begun && snap.end.lines-t.next > tailBehind {
		t.next, b.Gap = snap.end.lines-tailKept, true
	}
	var err error
	if b.Page, err = t.logs.page(ctx, t.view, snap, t.next, tailLines, tailBytes); err != nil {
		return Batch{}, false, err
	}
	t.next += int64(len(b.Lines))
	if b.Open {
		t.next--
	}
	if t.next < snap.end.lines {
		b.Info.Ended, b.Info.Complete = false, false // there is more to come
		now.ended, now.complete = false, false
	}
	t.begun, t.rev, t.seen = true, rev, now
	return b, true, nil
}

// stepList is a command's steps with the revision that changed each last, so
// that every viewer gets only what is new to him.
type stepList struct {
	steps   []models.LogStep // by index
	changed []int64
	rev     int64
	loaded  bool
}

// add merges stored steps, if the earlier ones are known.
func (s *stepList) add(steps []models.LogStep) {
	if !s.loaded {
		return
	}
	for _, step := range steps {
		i, found := slices.BinarySearchFunc(s.steps, step.Index, func(a models.LogStep, index int) int { return a.Index - index })
		switch {
		case !found:
			s.rev++
			s.steps = slices.Insert(s.steps, i, step)
			s.changed = slices.Insert(s.changed, i, s.rev)
		case step.Result != "" && s.steps[i].Result == "":
			s.rev++
			s.steps[i] = endStep(s.steps[i], step)
			s.changed[i] = s.rev
		}
	}
}

// since lists the steps that changed after a revision.
func (s *stepList) since(rev int64) ([]models.LogStep, int64) {
	if rev == s.rev {
		return nil, rev
	}
	var out []models.LogStep
	for i, c := range s.changed {
		if c > rev {
			out = append(out, s.steps[i])
		}
	}
	return out, s.rev
}

// loadSteps reads the steps of a log that is followed.
func (l *Logs) loadSteps(ctx context.Context, v *view) error {
	steps, err := l.Steps(ctx, v.id)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.steps.loaded = true
	v.steps.add(steps)
	return nil
}
