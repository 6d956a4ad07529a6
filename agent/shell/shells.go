// Package shell opens terminals on the agent's machine for people who sit at
// the server's console, and runs the login shell of their own account in them.
//
// Shells belong to one session with the server: what ends the session ends
// them. Their output is sent only as far as the server has room for it, so that
// one that floods fills no queue and delays nothing else on the line.
package shell

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"

	"opsyard/agent/protocol"
)

// Config is what Serve needs.
type Config struct {
	// Send passes a message to the server; after an error the session ends.
	Send func(message any) error
	Log  *slog.Logger
	// Home is where shells of the agent's own user begin; empty: its own home.
	Home string
	// Passwd is /etc/passwd when empty; tests have others.
	Passwd string
}

// Shells are the shells of one session.
type Shells struct {
	send         func(any) error
	log          *slog.Logger
	home, passwd string
	uid          int // of the agent
	ctx          context.Context
	cancel       context.CancelFunc
	wait         sync.WaitGroup

	mu  sync.Mutex
	all map[string]*terminal
}

// Serve is ready for the shells of a session; Close ends them.
func Serve(ctx context.Context, c Config) *Shells {
	if c.Passwd == "" {
		c.Passwd = "/etc/passwd"
	}
	s := &Shells{send: c.Send, log: c.Log, home: c.Home, passwd: c.Passwd, uid: os.Getuid(), all: map[string]*terminal{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// Close ends all shells and returns when nothing of them is left.
func (s *Shells) Close() {
	s.cancel()
	s.wait.Wait()
}

// Handle does what a message asks for; it tells whether it is about shells. It
// does not wait.
func (s *Shells) Handle(message any) bool {
	switch m := message.(type) {
	case protocol.ShellOpen:
		s.open(m)
	case protocol.ShellInput:
		s.with(m.ID, func(t *terminal) { t.ask(request{data: m.Data}) })
	case protocol.ShellResize:
		if m.Plausible() {
			s.with(m.ID, func(t *terminal) { t.ask(request{columns: m.Columns, rows: m.Rows}) })
		}
	case protocol.ShellCredit:
		s.with(m.ID, func(t *terminal) { t.credit(m.Bytes) })
	case protocol.ShellClose:
		s.with(m.ID, func(t *terminal) { t.cancel() })
	default:
		return false
	}
	return true
}

// with does something with a shell that is still there.
func (s *Shells) with(id string, do func(*terminal)) {
	s.mu.Lock()
	t := s.all[id]
	s.mu.Unlock()
	if t != nil {
		do(t)
	}
}

func (s *Shells) open(o protocol.ShellOpen) {
	if !o.Plausible() {
		s.refuse(o.ID, refusal("The agent does not understand what it was asked for."))
		return
	}
	t := newTerminal(s, o)
	if err := s.add(t); err != nil {
		s.refuse(o.ID, err)
		return
	}
	s.wait.Go(func() { // shell: ends with the terminal
		ended := t.run()
		s.mu.Lock()
		delete(s.all, o.ID)
		s.mu.Unlock()
		_ = s.send(ended) // a line that broke ends the session
	})
}

func (s *Shells) add(t *terminal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all[t.open.ID] != nil:
		return refusal("There is a shell of this name already.")
	case len(s.all) >= protocol.ShellsAtOnce:
		return refusal("Too many shells are open on this instance. Close one first.")
	}
	s.all[t.open.ID] = t
	return nil
}

// refuse answers what never began.
func (s *Shells) refuse(id string, err error) { _ = s.send(s.failed(id, err)) }

// failed is the end of a shell that something went wrong with.
func (s *Shells) failed(id string, err error) protocol.ShellEnded {
	ended := protocol.ShellEnded{ID: id, ExitCode: -1, Message: "The shell could not be opened. The agent's log on the instance says why."}
	var no refusal
	if errors.As(err, &no) {
		ended.Message = no.Error()
		return ended
	}
	s.log.Error("open a shell", slog.String("shell_id", id), slog.Any("error", err))
	return ended
}
