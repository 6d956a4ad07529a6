package accounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"opsyard/agent/atomicfile"
	"opsyard/agent/protocol"
)

// state remembers across restarts what we made. An account is noted before it
// is made, so that a crash leaves none behind that we would take for another's.
type state struct {
	file string
	made []Made
}

func openState(dir string) (*state, error) {
	s := &state{file: filepath.Join(dir, "accounts.json")}
	raw, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	if err := json.Unmarshal(raw, &s.made); err != nil {
		return nil, fmt.Errorf("read the accounts: %s is damaged: remove it, and the accounts of group %s that are not needed: %w", s.file, Group, err)
	}
	s.made = slices.DeleteFunc(s.made, func(m Made) bool { return !(protocol.Account{Name: m.Name, UID: m.UID}).WellFormed() })
	return s, nil
}

func (s *state) add(m Made) error {
	if slices.Contains(s.made, m) {
		return nil
	}
	return s.save(append(slices.Clone(s.made), m))
}

func (s *state) drop(m Made) error {
	return s.save(slices.DeleteFunc(slices.Clone(s.made), func(o Made) bool { return o == m }))
}

func (s *state) save(made []Made) error {
	raw, err := json.Marshal(made)
	if err == nil {
		err = atomicfile.Write(s.file, raw)
	}
	if err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	s.made = made
	return nil
}
