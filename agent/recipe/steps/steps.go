// Package steps carries the steps of a run from the helpers that a recipe calls
// to the runner that started it.
//
// A runner listens on a unix socket and names it in the environment. A helper
// connects, says what it begins, and is answered only when that is in the log:
// so what it prints then lies inside its step. One connection is one step.
package steps

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Variables in the environment of a recipe.
const (
	EnvSocket = "OPSYARD_REPORT" // path of the socket
	EnvParent = "OPSYARD_STEP"   // number of the step around, absent outside of one
)

// Result is how a step ended.
type Result struct {
	Error     string `json:"error,omitempty"`
	Skipped   bool   `json:"skipped,omitempty"`
	Changed   int    `json:"changed,omitempty"`
	Unchanged int    `json:"unchanged,omitempty"`
}

type request struct {
	Kind   string  `json:"kind,omitempty"`
	Name   string  `json:"name,omitempty"`
	Parent int     `json:"parent,omitempty"`
	End    *Result `json:"end,omitempty"`
}

type answer struct {
	ID int `json:"id"`
}

// answerTimeout bounds a helper's wait for its runner, which answers late only
// when the log's disk is slow.
const answerTimeout = time.Minute

// Step is an open step of this process.
type Step struct {
	conn net.Conn
	dec  *json.Decoder
	id   int
}

// Begin opens a step of kind "resource" with the runner that the environment
// names. Outside of a run it returns nil, on which End does nothing.
func Begin(name string) (*Step, error) {
	path := os.Getenv(EnvSocket)
	if path == "" {
		return nil, nil
	}
	conn, err := dial(path)
	if err != nil {
		return nil, fmt.Errorf("reach the runner: %w", err)
	}
	s := &Step{conn: conn, dec: json.NewDecoder(conn)}
	parent, _ := strconv.Atoi(os.Getenv(EnvParent))
	if err := s.ask(request{Kind: "resource", Name: name, Parent: parent}); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("report step %s: %w", name, err)
	}
	return s, nil
}

// Environ is what processes started within the step need to know of it.
func (s *Step) Environ() []string {
	if s == nil {
		return nil
	}
	return []string{EnvParent + "=" + strconv.Itoa(s.id)}
}

// End closes the step.
func (s *Step) End(r Result) error {
	if s == nil {
		return nil
	}
	defer func() { _ = s.conn.Close() }()
	if err := s.ask(request{End: &r}); err != nil {
		return fmt.Errorf("report the end of a step: %w", err)
	}
	return nil
}

func (s *Step) ask(r request) error {
	if err := s.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if err := json.NewEncoder(s.conn).Encode(r); err != nil {
		return err
	}
	var a answer
	if err := s.dec.Decode(&a); err != nil {
		return err
	}
	if r.End == nil {
		s.id = a.ID
	}
	return nil
}

func dial(path string) (conn net.Conn, err error) {
	err = shortly(path, func(short string) error {
		conn, err = net.Dial("unix", short)
		return err
	})
	return conn, err
}

// shortly calls f with another name of path: the kernel takes 107 bytes for a
// socket's address, and a run's directory may be deeper than that.
func shortly(path string, f func(short string) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}
