package logstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"opsyard/engine/service"
	"opsyard/models"
)

// errStopped answers agents whose chunk came while the server stops.
var errStopped = errors.New("the server is stopping")

// enqueue never blocks: what is in the queue was bounded before by room.
func (l *Logs) enqueue(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return false
	}
	l.queue = append(l.queue, e)
	service.Nudge(l.queued)
	return true
}

// runWriter is the only goroutine that stores chunks: whatever came in while
// one commit ran goes into the next one together.
func (l *Logs) runWriter(ctx context.Context) {
	defer l.refuse()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.queued:
		}
		for batch := l.take(); len(batch) > 0; batch = l.take() {
			pause.Reset(commitEvery)
			l.commit(ctx, batch)
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	}
}

// take gives the next batch in order of arrival.
func (l *Logs) take() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && n < commitChunks && (n == 0 || size+len(l.queue[n].row.Data) <= commitBytes) {
		size += len(l.queue[n].row.Data)
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	return batch
}

// refuse answers all who still wait when the writer ends; their agents send
// the chunks again to the next process.
func (l *Logs) refuse() {
	l.mu.Lock()
	left := l.queue
	l.queue, l.stopping = nil, true
	l.mu.Unlock()
	for _, e := range left {
		l.drop(e.stream, errStopped)
		l.room.Release(e.cost)
	}
}

// commit stores a batch. When that fails, each command is tried alone, so
// that one poisoned chunk does not hold up the others.
func (l *Logs) commit(ctx context.Context, batch []*entry) {
	defer func() {
		for _, e := range batch {
			l.room.Release(e.cost)
		}
	}()
	alive := batch[:0:0]
	for _, e := range batch {
		e.stream.mu.Lock()
		failed := e.stream.failed
		e.stream.mu.Unlock()
		if failed == nil {
			alive = append(alive, e)
		}
	}
	if len(alive) == 0 {
		return
	}
	err := l.insert(ctx, alive)
	if err == nil {
		l.report(ctx, nil)
		l.publish(alive)
		return
	}
	groups := byStream(alive)
	alone := len(groups) > 1 && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	refused := map[*stream]error{}
	for _, group := range groups {
		if alone {
			if err = l.insert(ctx, group); err == nil {
				l.publish(group)
				continue
			}
			l.warn(ctx, "store log chunks of one command", group[0].stream.id, err)
		}
		refused[group[0].stream] = err
	}
	if len(refused) == len(groups) {
		l.report(ctx, err)
	}
	for s, err := range refused {
		l.drop(s, err)
	}
}

func (l *Logs) insert(ctx context.Context, batch []*entry) error {
	ctx, cancel := context.WithTimeoutCause(ctx, commitLimit, fmt.Errorf("commit of logs took over %s: %w", commitLimit, context.DeadlineExceeded))
	defer cancel()
	chunks := make([]models.LogChunk, len(batch))
	var steps []models.LogStep
	for i, e := range batch {
		chunks[i] = e.row
		steps = append(steps, e.steps...)
	}
	return l.store.Append(ctx, chunks, mergeSteps(steps))
}

// mergeSteps joins beginning and end of a step, since one statement may
// touch a row only once.
func mergeSteps(steps []models.LogStep) []models.LogStep {
	type key struct {
		id    models.CommandID
		index int
	}
	at := map[key]int{}
	out := steps[:0:0]
	for _, s := range steps {
		k := key{s.CommandID, s.Index}
		i, seen := at[k]
		if !seen {
			at[k] = len(out)
			out = append(out, s)
			continue
		}
		if s.Result != "" {
			out[i] = endStep(out[i], s)
		}
	}
	return out
}

// endStep is a step with what its end said.
func endStep(begun, ended models.LogStep) models.LogStep {
	begun.LastLine, begun.EndedAt, begun.Result = ended.LastLine, ended.EndedAt, ended.Result
	begun.Changed, begun.Unchanged = ended.Changed, ended.Unchanged
	return begun
}

// publish confirms stored chunks to agents and shows them to viewers.
func (l *Logs) publish(batch []*entry) {
	for _, group := range byStream(batch) {
		s := group[0].stream
		complete := s.advance(group[len(group)-1].row.Seq)
		l.mu.Lock()
		v := l.views[s.id]
		l.mu.Unlock()
		if v != nil {
			v.add(group)
		}
		if complete {
			l.enqueuePack(s.id)
		}
	}
}

// drop ends a stream whose chunk could not be stored. Later chunks of it fail
// too; the agent sends them again, and a new stream reads where the log ends.
func (l *Logs) drop(s *stream, err error) {
	l.mu.Lock()
	if l.streams[s.id] == s {
		delete(l.streams, s.id)
	}
	l.mu.Unlock()
	s.fail(err)
}

func byStream(batch []*entry) [][]*entry {
	at := map[*stream]int{}
	var groups [][]*entry
	for _, e := range batch {
		i, ok := at[e.stream]
		if !ok {
			i = len(groups)
			at[e.stream] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	return groups
}

// report keeps the reason for Ready and logs when it changes.
func (l *Logs) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return // stopping is no failure
	}
	l.mu.Lock()
	was := l.failing
	l.failing = err
	l.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		l.Log.ErrorContext(ctx, "store log chunks", slog.Any("error", err))
	case err == nil && was != nil:
		l.Log.InfoContext(ctx, "log chunks are stored again")
	}
}
