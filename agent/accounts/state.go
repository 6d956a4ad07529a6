package accounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	// keys are those that opened each account when it was last as wanted.
	keys map[Made][]string
}

// noted is an account in the file.
type noted struct {
	Made
	Keys []string `json:"keys,omitempty"`
}

func openState(dir string) (*state, error) {
	s := &state{file: filepath.Join(dir, "accounts.json"), keys: map[Made][]string{}}
	raw, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	var all []noted
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("read the accounts: %s is damaged: remove it, and the accounts of group %s that are not needed: %w", s.file, Group, err)
	}
	for _, n := range all {
		if (protocol.Account{Name: n.Name, UID: n.UID}).WellFormed() {
			s.made, s.keys[n.Made] = append(s.made, n.Made), n.Keys
		}
	}
	return s, nil
}

func (s *state) add(m Made) error {
	if slices.Contains(s.made, m) {
		return nil
	}
	return s.save(append(slices.Clone(s.made), m), s.keys)
}

func (s *state) drop(m Made) error {
	keys := maps.Clone(s.keys)
	delete(keys, m)
	return s.save(slices.DeleteFunc(slices.Clone(s.made), func(o Made) bool { return o == m }), keys)
}

// losesKey tells whether a key opened the account that is not among keys. The
// file in the home could not tell: its owner may have written anything there.
func (s *state) losesKey(m Made, keys []string) bool {
	return slices.ContainsFunc(s.keys[m], func(key string) bool { return !slices.Contains(keys, key) })
}

func (s *state) noteKeys(m Made, keys []string) error {
	if slices.Equal(s.keys[m], keys) {
		return nil
	}
	all := maps.Clone(s.keys)
	all[m] = keys
	err := s.save(s.made, all)
	s.keys = all // on a full disk logins must not be ended again at every look
	return err
}

func (s *state) save(made []Made, keys map[Made][]string) error {
	all := make([]noted, 0, len(made))
	for _, m := range made {
		all = append(all, noted{m, keys[m]})
	}
	raw, err := json.Marshal(all)
	if err == nil {
		err = atomicfile.Write(s.file, raw)
	}
	if err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	s.made, s.keys = made, keys
	return nil
}
