package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"opsyard/agent/atomicfile"
)

// pending is a note that a change has not been made known yet. It lies in the
// agent's data directory from before the change until the command has ended
// that makes it known: a run that is killed in between, or a machine that goes
// down, would otherwise leave a service that never reads its new file.
type pending string

// pending is the note about a thing; "" where there is nothing to tell or, for a
// helper that somebody calls by hand, no place to keep it.
func (h *host) pending(thing, command string) pending {
	data := os.Getenv("OPSYARD_DATA")
	if data == "" || command == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(thing))
	return pending(filepath.Join(data, "notify", hex.EncodeToString(sum[:16])))
}

func (p pending) note(thing string) error {
	if p == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(string(p)), 0o700); err != nil {
		return fmt.Errorf("note what is to be made known: %w", err)
	}
	if err := atomicfile.Write(string(p), []byte(thing+"\n")); err != nil {
		return fmt.Errorf("note what is to be made known: %w", err)
	}
	return nil
}

func (p pending) settle() error {
	if p == "" {
		return nil
	}
	if err := os.Remove(string(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what was to be made known: %w", err)
	}
	return nil
}

func (p pending) owed() bool {
	if p == "" {
		return false
	}
	_, err := os.Lstat(string(p))
	return err == nil
}

// catchUp makes known what an earlier run has changed and was killed before it
// could tell. There is no older state to go back to: when the command fails, the
// next run tries again.
func (p pending) catchUp(ctx context.Context, h *host, thing, command string) error {
	if !p.owed() {
		return nil
	}
	return h.change(thing, "made known, which an earlier run did not come to", func() error {
		if err := h.shell(ctx, command); err != nil {
			return fmt.Errorf("notify: %w", err)
		}
		return p.settle()
	})
}

// during notes the thing, makes the change and forgets the note: a change that
// ends by itself has been made known, or undone.
func (p pending) during(thing string, change func() error) error {
	if err := p.note(thing); err != nil {
		return err
	}
	return errors.Join(change(), p.settle())
}
