package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/engine/service"
	"opsyard/models"
)

const (
	// ShellTypable is how many bytes a screen may send beyond those that
	// Screen.Typed has given back.
	ShellTypable = 64 << 10
	// shellPiece is the most that a screen is handed at once.
	shellPiece = 32 << 10
	shellTick  = time.Second
	// shellFarewell is for writing a shell's end when its screen has gone.
	shellFarewell = 10 * time.Second
)

// Screen is where a person sees a shell. Both methods may wait for a slow
// reader, and fail when it has gone.
type Screen interface {
	Show(ctx context.Context, output []byte) error
	// Typed says that so many bytes of what was typed have arrived.
	Typed(ctx context.Context, bytes int) error
}

// Shell is an open shell. Its bytes go two ways, and each has a bounded room
// from end to end: an agent sends no more output than the screen has seen, the
// screen no more input than the terminal has taken.
type Shell struct {
	ID models.ShellID

	e        *Engine
	instance models.InstanceID
	link     dispatch.Link
	row      models.ShellSession
	request  protocol.ShellOpen
	nudge    chan struct{}

	// Of Run alone.
	rec   *recorder
	began time.Time
	seen  time.Time // written last
	shown int64

	mu     sync.Mutex
	output []byte // from the agent, not shown yet
	window int    // what the agent may still send
	unseen int    // shown, but not seen by the reader
	credit int    // seen, but not given back to the agent
	input  []byte // typed, not sent to the agent yet
	// typable is what the screen may still send; arrived what it is to be told.
	typable, arrived int
	pending          []int // bytes of the frames that the agent has not taken
	size             *models.ShellSize
	active           time.Time
	why              string // it is to end, or has ended
	over             bool   // the agent says that nothing is left of it
}

// Type takes what somebody has typed. It does not wait; who sends more than
// there is room for loses the shell.
func (s *Shell) Type(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(data) > s.typable {
		s.end("More was typed than the terminal could take.")
		return
	}
	s.typable -= len(data)
	s.input = append(s.input, data...)
	s.active = s.e.Clock()
	service.Nudge(s.nudge)
}

// Resize gives the terminal another size.
func (s *Shell) Resize(size models.ShellSize) {
	size = size.Bounded()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = &size
	service.Nudge(s.nudge)
}

// Seen says that the reader has seen so many more bytes of the output.
func (s *Shell) Seen(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes = min(max(bytes, 0), s.unseen)
	s.unseen -= bytes
	s.credit += bytes
	service.Nudge(s.nudge)
}

// End ends the shell; why is a sentence. Only the first reason counts.
func (s *Shell) End(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(why)
}

func (s *Shell) end(why string) {
	if s.why == "" {
		s.why = why
	}
	service.Nudge(s.nudge)
}

// lost: the agent's line broke, and its shells with it.
func (s *Shell) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.end("The connection to the instance's agent was lost.")
}

// shows takes output from the agent. One that sends more than it may is not
// listened to any more.
func (s *Shell) shows(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if len(data) > s.window {
		s.end("The instance's agent sent more than it may.")
		return
	}
	s.window -= len(data)
	s.output = append(s.output, data...)
	s.active = s.e.Clock()
	service.Nudge(s.nudge)
}

func (s *Shell) taken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return
	}
	s.arrived += s.pending[0]
	s.pending = s.pending[1:]
	service.Nudge(s.nudge)
}

func (s *Shell) ended(m protocol.ShellEnded) {
	m = m.Plausible()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	said := fmt.Sprintf("The shell ended with exit code %d.", m.ExitCode)
	switch {
	case m.ExitCode == 0:
		said = "The shell ended."
	case m.ExitCode < 0:
		said = "The shell was killed on the instance."
	}
	s.end(cmp.Or(sentence(m.Message), said))
}

// ShellEnd is a sentence about why a shell has ended, as the cause of a context.
type ShellEnd string

func (e ShellEnd) Error() string { return string(e) }

func shellEnd(ctx context.Context) string {
	if end, ok := errors.AsType[ShellEnd](context.Cause(ctx)); ok {
		return string(end)
	}
	return "The browser has left."
}

// work is what Run has to do next.
type work struct {
	output []byte
	send   []any // to the agent
	typed  int   // for the screen
	size   *models.ShellSize
	active time.Time
	why    string
	over   bool
}

// take is what has come up since the last time.
func (s *Shell) take() work {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := work{typed: s.arrived, active: s.active, over: s.over}
	s.arrived, s.typable = 0, s.typable+s.arrived
	n := min(len(s.output), shellPiece)
	w.output, s.output = s.output[:n:n], s.output[n:]
	s.unseen += n
	if n == 0 || !s.over {
		w.why = s.why // what came before the end is shown
	}
	if s.size != nil && len(s.pending) < protocol.ShellPending {
		w.size, s.size = s.size, nil
		s.pending = append(s.pending, 0)
		w.send = append(w.send, protocol.ShellResize{ID: string(s.ID), Columns: w.size.Columns, Rows: w.size.Rows})
	}
	for len(s.input) > 0 && len(s.pending) < protocol.ShellPending {
		n := min(len(s.input), protocol.ShellFrame)
		s.pending = append(s.pending, n)
		w.send = append(w.send, protocol.ShellInput{ID: string(s.ID), Data: s.input[:n:n]})
		s.input = s.input[n:]
	}
	if s.credit >= protocol.ShellWindow/4 {
		w.send = append(w.send, protocol.ShellCredit{ID: string(s.ID), Bytes: s.credit})
		s.window += s.credit
		s.credit = 0
	}
	return w
}

// Run carries the shell until it ends, by itself, by End, by a limit, or with
// ctx, and answers why. It returns when the end is on record.
func (s *Shell) Run(ctx context.Context, screen Screen) string {
	defer s.e.shells.remove(s)
	why := s.carry(ctx, screen)
	if ctx.Err() != nil {
		s.mu.Lock()
		why = cmp.Or(s.why, why)
		s.mu.Unlock()
	}
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if !over {
		_ = s.link.Send(protocol.ShellClose{ID: string(s.ID)}) // a broken line has ended it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shellFarewell)
	defer cancel()
	now := s.e.Clock()
	s.rec.event(now, "m", why)
	if err := s.record(ctx, now); err != nil {
		s.e.shellLog(ctx, "store the end of a recording", s.ID, err)
	}
	if err := s.e.closeShell(ctx, &s.row, why, s.shown); err != nil {
		s.e.shellLog(ctx, "note the end of a shell", s.ID, err)
	}
	return why
}

func (s *Shell) carry(ctx context.Context, screen Screen) (why string) {
	tick := time.NewTicker(shellTick)
	defer tick.Stop()
	for {
		w := s.take()
		if why := s.do(ctx, screen, w); why != "" {
			return why
		}
		if len(w.output) > 0 {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return shellEnd(ctx)
		case <-s.nudge:
		case <-tick.C:
		}
	}
}

// do does one round's work; why is not empty when the shell is to end.
func (s *Shell) do(ctx context.Context, screen Screen, w work) (why string) {
	now := s.e.Clock()
	for _, message := range w.send {
		if s.link.Send(message) != nil {
			return "The connection to the instance's agent was lost."
		}
	}
	if w.size != nil {
		s.rec.resize(now, *w.size)
	}
	if len(w.output) > 0 {
		s.shown += int64(len(w.output))
		s.rec.output(now, w.output) // first: what somebody saw was recorded
	}
	if s.rec.due(now) || now.Sub(s.seen) >= shellSeen {
		if err := s.record(ctx, now); err != nil {
			if ctx.Err() != nil {
				return shellEnd(ctx)
			}
			s.e.shellLog(ctx, "store a recording", s.ID, err)
			return "Its recording could not be stored."
		}
	}
	if len(w.output) > 0 && screen.Show(ctx, w.output) != nil || w.typed > 0 && screen.Typed(ctx, w.typed) != nil {
		return shellEnd(ctx)
	}
	switch {
	case w.why != "":
		return w.why
	case s.rec.bytes >= models.ShellMaxBytes:
		return fmt.Sprintf("Its recording has reached %d MB.", models.ShellMaxBytes>>20)
	case now.Sub(w.active) >= s.e.times.ShellIdle:
		return "Nothing happened in it for " + duration(s.e.times.ShellIdle) + "."
	case now.Sub(s.began) >= s.e.times.ShellAbsolute:
		return "It has been open for " + duration(s.e.times.ShellAbsolute) + ", which is the most."
	}
	return ""
}

// record stores what waits, or at least that the shell lives.
func (s *Shell) record(ctx context.Context, now time.Time) error {
	s.seen = now
	chunk, ok := s.rec.take(s.ID)
	if !ok {
		return s.e.store.Shells.Seen(ctx, s.ID, now)
	}
	return s.e.store.Shells.Append(ctx, chunk, s.shown, now)
}

// duration is a time as people say it.
func duration(d time.Duration) string {
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	return strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
}
