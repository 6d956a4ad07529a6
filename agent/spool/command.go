// Package spool keeps commands on the disk of the machine: what was asked,
// which process runs it, how it ended. The agent and the supervisor of a
// command, two processes, meet in these files alone.
package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"opsyard/agent/atomicfile"
	"opsyard/agent/logship"
	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

// Command is a command's directory.
type Command struct {
	Dir        string
	Order      int64
	AcceptedAt time.Time
	Run        protocol.Run
	// Cleared says that the command came with apps, which went with their
	// secrets when the server had its result.
	Cleared bool
}

// Process is what runs the command.
type Process struct {
	proc.ID
	BootID  string    `json:"boot_id"`
	Started time.Time `json:"started"`
}

// Result is how the command ended.
type Result struct {
	Outcome  protocol.Outcome `json:"outcome"`
	ExitCode int              `json:"exit_code"`
	Message  string           `json:"message,omitempty"`
	At       time.Time        `json:"at"`
}

// Cancel is the wish to end the command.
type Cancel struct {
	Reason string `json:"reason"`
}

const (
	commandFile = "command.json"
	// stateFile has a page for each of Process, Result and Cancel. It is
	// written whole when the command is accepted, so that a full disk cannot
	// keep the truth about the run from being written into it later.
	stateFile = "state"
	pageSize  = 4096
)

const (
	processPage = iota
	resultPage
	cancelPage
	pages
)

// envelope is the content of command.json.
type envelope struct {
	Order      int64        `json:"order"`
	AcceptedAt time.Time    `json:"accepted_at"`
	Run        protocol.Run `json:"run"`
	Cleared    bool         `json:"cleared,omitempty"`
}

// OpenCommand reads a command's directory.
func OpenCommand(dir string) (*Command, error) {
	raw, err := os.ReadFile(filepath.Join(dir, commandFile))
	if err != nil {
		return nil, fmt.Errorf("open command: %w", err)
	}
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("open command %s: %w", filepath.Base(dir), err)
	}
	return &Command{Dir: dir, Order: e.Order, AcceptedAt: e.AcceptedAt, Run: e.Run, Cleared: e.Cleared}, nil
}

// save makes the command durable: the state first, since a directory with a
// command.json counts as accepted.
func (c *Command) save() error {
	f, err := os.OpenFile(filepath.Join(c.Dir, stateFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, pages*pageSize))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := logship.Create(c.Dir); err != nil {
		return err
	}
	return c.saveEnvelope()
}

func (c *Command) saveEnvelope() error {
	raw, err := json.Marshal(envelope{c.Order, c.AcceptedAt, c.Run, c.Cleared})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(c.Dir, commandFile), raw)
}

// Lock makes the caller the only supervisor; the process's end unlocks too.
func (c *Command) Lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.Dir, stateFile), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("lock command: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock command: %w", err)
	}
	return func() {
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // a child that was just forked has the file open as well
		f.Close()
	}, nil
}

// Process returns what runs or ran the command, or false before its start.
func (c *Command) Process() (p Process, ok bool) { return p, c.read(processPage, &p) }

// Result returns how the command ended, or false before its end.
func (c *Command) Result() (r Result, ok bool) { return r, c.read(resultPage, &r) }

// CancelReason returns the wish to end the command, if there is one.
func (c *Command) CancelReason() (reason string, ok bool) {
	var w Cancel
	ok = c.read(cancelPage, &w)
	return w.Reason, ok
}

// SetProcess notes what runs the command.
func (c *Command) SetProcess(p Process) error { return c.write(processPage, p) }

// SetResult notes how it ended. Too long a message is cut.
func (c *Command) SetResult(r Result) error {
	r.Message = cut(r.Message)
	return c.write(resultPage, r)
}

// SourcesFile is the file that helpers add what they fetched to, a line of JSON
// each, in the directory of a command.
const SourcesFile = "sources.jsonl"

// Sources are what was fetched for the command. A line that a power cut or a
// full disk left unfinished is not there.
func (c *Command) Sources() []protocol.Fetched {
	raw, err := os.ReadFile(filepath.Join(c.Dir, SourcesFile))
	if err != nil {
		return nil
	}
	var all []protocol.Fetched
	for line := range bytes.Lines(raw) {
		var f protocol.Fetched
		if json.Unmarshal(line, &f) == nil {
			all = append(all, f)
		}
	}
	return all
}

// RebootFile is the file that a helper makes to have the host rebooted when the
// command has ended, in the directory of the command.
const RebootFile = "reboot"

// RebootOf is the boot that the command wants to be the last, empty when it wants
// no reboot.
func (c *Command) RebootOf() string {
	if _, err := os.Lstat(filepath.Join(c.Dir, RebootFile)); err != nil {
		return ""
	}
	p, _ := c.Process()
	return p.BootID
}

// SetCancel notes the wish to end it.
func (c *Command) SetCancel(reason string) error {
	return c.write(cancelPage, Cancel{cut(reason)})
}

func (c *Command) read(page int64, v any) bool {
	f, err := os.Open(filepath.Join(c.Dir, stateFile))
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, pageSize)
	if _, err := f.ReadAt(b, page*pageSize); err != nil {
		return false
	}
	b = bytes.TrimRight(b, "\x00")
	return len(b) > 0 && json.Unmarshal(b, v) == nil // torn by a power cut: as if never written
}

func (c *Command) write(page int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("note the state of command %s: %w", c.Run.CommandID, err)
	}
	if len(raw) > pageSize {
		return fmt.Errorf("note the state of command %s: %d bytes are too many", c.Run.CommandID, len(raw))
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, stateFile), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("note the state of command %s: %w", c.Run.CommandID, err)
	}
	b := make([]byte, pageSize)
	copy(b, raw)
	_, err = f.WriteAt(b, page*pageSize)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note the state of command %s: %w", c.Run.CommandID, err)
	}
	return nil
}

// cut shortens a text so that its JSON fits a page even if every byte is escaped.
func cut(s string) string {
	const most = 600
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " …"
}
