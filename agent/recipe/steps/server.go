package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"opsyard/agent/recipe"
)

// Beginner is the part of a recipe.Reporter that opens steps. Each call must
// first hand on all output written before it.
type Beginner interface {
	Begin(kind, name string) (end func(recipe.Result))
}

// Server takes the steps of one recipe and everything it starts.
type Server struct {
	out      Beginner
	listener net.Listener
	path     string
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	last   int
	open   []openStep // innermost last
	late   []lateStep
	totals recipe.Result
}

type openStep struct {
	id  int
	end func(recipe.Result)
}

// lateStep overlapped another one without being inside it, as helpers in the
// background do. Steps in a log nest, so it is shown, empty, after that one.
type lateStep struct {
	kind, name string
	result     recipe.Result
}

// errUnfinished is the result of a helper that was killed.
var errUnfinished = errors.New("ended without a result")

// Listen takes steps on a socket at path until Close.
func Listen(path string, out Beginner) (*Server, error) {
	s := &Server{out: out, path: path, conns: map[net.Conn]bool{}}
	err := shortly(path, func(short string) (err error) {
		s.listener, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for steps: %w", err)
	}
	s.listener.(*net.UnixListener).SetUnlinkOnClose(false) // its short name ends with Listen
	s.done.Go(s.accept)
	return s, nil
}

// Close ends all connections, which closes their steps as failed, and waits.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	_ = s.listener.Close()
	s.done.Wait()
	_ = os.Remove(s.path)
}

// Totals are the changes that all steps reported; Err is that of the step
// that failed last, or nil if another one succeeded after it.
func (s *Server) Totals() recipe.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		} else {
			s.conns[conn] = true
			s.done.Go(func() { s.serve(conn) })
		}
		s.mu.Unlock()
	}
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	dec, enc := json.NewDecoder(conn), json.NewEncoder(conn)
	var begin, end request
	if dec.Decode(&begin) != nil || begin.End != nil {
		return
	}
	id, opened := s.begin(begin)
	result := recipe.Result{Err: errUnfinished}
	if enc.Encode(answer{id}) == nil && dec.Decode(&end) == nil && end.End != nil {
		result = end.End.recipe()
	}
	s.end(id, opened, begin, result)
	_ = enc.Encode(answer{id})
}

// begin opens the step if it lies inside the innermost open one.
func (s *Server) begin(r request) (id int, opened bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	innermost := 0
	if n := len(s.open); n > 0 {
		innermost = s.open[n-1].id
	}
	if r.Parent != innermost {
		return s.last, false
	}
	s.open = append(s.open, openStep{s.last, s.out.Begin(r.Kind, r.Name)})
	return s.last, true
}

func (s *Server) end(id int, opened bool, r request, result recipe.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.Changed += result.Changed
	s.totals.Unchanged += result.Unchanged
	s.totals.Err = result.Err
	if opened {
		s.pop(id, result)
	} else {
		s.late = append(s.late, lateStep{r.Kind, r.Name, result})
	}
	if len(s.open) > 0 {
		return
	}
	for _, l := range s.late {
		s.out.Begin(l.kind, l.name)(l.result)
	}
	s.late = nil
}

// pop closes the step and whatever is still open inside it.
func (s *Server) pop(id int, result recipe.Result) {
	for n := len(s.open); n > 0; n = len(s.open) {
		step := s.open[n-1]
		if step.id < id {
			return // it was closed with the step around it
		}
		s.open = s.open[:n-1]
		if step.id == id {
			step.end(result)
			return
		}
		step.end(recipe.Result{Err: errUnfinished})
	}
}

func (r Result) recipe() recipe.Result {
	out := recipe.Result{Skipped: r.Skipped, Changed: r.Changed, Unchanged: r.Unchanged}
	if r.Error != "" {
		out.Err = errors.New(r.Error)
	}
	return out
}
