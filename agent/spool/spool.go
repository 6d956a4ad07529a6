package spool

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"opsyard/agent/atomicfile"
	"opsyard/agent/protocol"
)

// What is kept of finished commands: OpsWorks kept the last 30 on the machine.
const (
	KeepCommands = 30
	KeepBytes    = 512 << 20
	// keepIDs is how many finished commands are remembered, to answer a repeat.
	keepIDs = 2000
)

// ErrBadID means that a command's id cannot be a file name.
var ErrBadID = errors.New("the command's id is not valid")

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Spool is the directory of all commands. It is not safe for concurrent use.
type Spool struct {
	dir      string
	held     []*Command               // accepted and not confirmed, in order
	finished map[string]protocol.Done // confirmed
	journal  *os.File
	order    int64
}

// Open reads what an earlier agent left.
func Open(dir string) (*Spool, error) {
	s := &Spool{dir: dir, finished: map[string]protocol.Done{}}
	if err := os.MkdirAll(filepath.Join(dir, "commands"), 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := s.readJournal(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := s.readCommands(); err != nil {
		s.journal.Close()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

func (s *Spool) readCommands() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "commands"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(s.dir, "commands", e.Name())
		c, err := OpenCommand(dir)
		if errors.Is(err, fs.ErrNotExist) {
			os.RemoveAll(dir) // cut while it was being accepted: the server will send it again
			continue
		}
		if err != nil {
			return err
		}
		s.order = max(s.order, c.Order)
		if _, done := s.finished[c.Run.CommandID]; !done {
			s.held = append(s.held, c)
		}
	}
	slices.SortFunc(s.held, func(a, b *Command) int { return cmp.Compare(a.Order, b.Order) })
	return nil
}

// readJournal loads the finished commands and keeps the last of them.
func (s *Spool) readJournal() error {
	path := filepath.Join(s.dir, "finished.jsonl")
	raw, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var all []protocol.Done
	if err == nil {
		lines := bufio.NewScanner(raw)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var d protocol.Done
			if json.Unmarshal(lines.Bytes(), &d) == nil { // else torn by a power cut
				all = append(all, d)
			}
		}
		raw.Close()
	}
	if len(all) > keepIDs {
		all = all[len(all)-keepIDs:]
		var text []byte
		for _, d := range all {
			text = append(text, line(d)...)
		}
		if err := atomicfile.Write(path, text); err != nil {
			return err
		}
	}
	for _, d := range all {
		s.finished[d.CommandID] = d
	}
	s.journal, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return err
}

func line(d protocol.Done) []byte {
	b, _ := json.Marshal(d) // strings, numbers and a time: always works
	return append(b, '\n')
}

// Held are the commands that are accepted and not yet confirmed, in order.
func (s *Spool) Held() []*Command { return s.held }

// Find returns a held command, or nil.
func (s *Spool) Find(id string) *Command {
	for _, c := range s.held {
		if c.Run.CommandID == id {
			return c
		}
	}
	return nil
}

// Finished returns how a confirmed command ended.
func (s *Spool) Finished(id string) (protocol.Done, bool) {
	d, ok := s.finished[id]
	return d, ok
}

// Accept makes a command durable.
func (s *Spool) Accept(run protocol.Run, at time.Time) (*Command, error) {
	if !validID.MatchString(run.CommandID) {
		return nil, ErrBadID
	}
	c := &Command{Dir: filepath.Join(s.dir, "commands", run.CommandID), Order: s.order + 1, AcceptedAt: at, Run: run}
	err := s.keep(c)
	if full(err) && s.dropFinished() == nil { // work comes before history
		err = s.keep(c)
	}
	if err != nil {
		return nil, fmt.Errorf("keep command %s: %w", run.CommandID, err)
	}
	s.order++
	s.held = append(s.held, c)
	return c, nil
}

func (s *Spool) keep(c *Command) error {
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return err
	}
	err := c.save()
	if err == nil {
		err = atomicfile.SyncDir(filepath.Join(s.dir, "commands"))
	}
	if err != nil {
		os.RemoveAll(c.Dir)
	}
	return err
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// dropFinished removes the files of all finished commands.
func (s *Spool) dropFinished() error {
	var errs []error
	for id := range s.finished {
		errs = append(errs, os.RemoveAll(filepath.Join(s.dir, "commands", id)))
	}
	return errors.Join(errs...)
}

// Confirm forgets a command whose end the server has stored: its id and its
// result stay, its secrets go, its files go when they are too many.
func (s *Spool) Confirm(c *Command, done protocol.Done) error {
	err := s.note(line(done))
	if full(err) { // the server has all of it: its files are not needed
		os.RemoveAll(c.Dir)
		err = s.note(append([]byte{'\n'}, line(done)...)) // after a torn line
	}
	if err != nil {
		return fmt.Errorf("confirm command %s: %w", done.CommandID, err)
	}
	s.finished[done.CommandID] = done
	s.held = slices.DeleteFunc(s.held, func(h *Command) bool { return h == c })
	c.ForgetSecrets()
	return s.prune()
}

func (s *Spool) note(text []byte) error {
	if _, err := s.journal.Write(text); err != nil {
		return err
	}
	return s.journal.Sync()
}

// prune removes the oldest finished commands beyond what is kept.
func (s *Spool) prune() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "commands"))
	if err != nil {
		return fmt.Errorf("prune commands: %w", err)
	}
	type old struct {
		dir   string
		order int64
		bytes int64
	}
	var done []old
	for _, e := range entries {
		if _, ok := s.finished[e.Name()]; !ok {
			continue
		}
		dir := filepath.Join(s.dir, "commands", e.Name())
		o := old{dir: dir, bytes: treeSize(dir)}
		if c, err := OpenCommand(dir); err == nil {
			o.order = c.Order
		}
		done = append(done, o)
	}
	slices.SortFunc(done, func(a, b old) int { return cmp.Compare(b.order, a.order) })
	var total int64
	var errs []error
	for i, o := range done {
		total += o.bytes
		if i >= KeepCommands || total > KeepBytes {
			errs = append(errs, os.RemoveAll(o.dir))
		}
	}
	return errors.Join(errs...)
}

func treeSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// Close releases the journal.
func (s *Spool) Close() error { return s.journal.Close() }
