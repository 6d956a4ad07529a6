package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"opsyard/engine/compute/internal/proc"
)

// hostDir is where the servers on this host tell each other of themselves.
const hostDir = "/run/opsyard"

// owner is the note of one provider. A killed server's machines wait for a
// server with the same directory; but an ephemeral one's directory is used once,
// so the next server, whichever it is, ends them.
type owner struct {
	Dir       string  `json:"dir"`
	Ephemeral bool    `json:"ephemeral"`
	Process   proc.ID `json:"process"`
}

func (p *Provider) ownerFile() string { return filepath.Join(hostDir, p.tag+".json") }

func (p *Provider) announce() error {
	id, err := proc.Of(os.Getpid())
	if err != nil {
		return err
	}
	b, _ := json.Marshal(owner{Dir: p.cfg.Dir, Ephemeral: p.cfg.Ephemeral, Process: id})
	if err := errors.Join(os.MkdirAll(hostDir, 0o700), writeWhole(p.ownerFile(), b)); err != nil {
		return fmt.Errorf("announce this server on the host: %w", err)
	}
	return nil
}

// removeAbandoned ends what ephemeral servers left that were killed.
func (p *Provider) removeAbandoned() {
	files, _ := filepath.Glob(filepath.Join(hostDir, "*.json"))
	for _, file := range files {
		var o owner
		b, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(b, &o) != nil || !o.Ephemeral || o.Process.Alive() || o.Dir == p.cfg.Dir {
			continue
		}
		p.log.Info("removing the local machines of a server that was killed", slog.String("dir", o.Dir))
		if err := removeOwned(o.Dir, p.log); err != nil {
			p.log.Warn("remove the local machines of a server that was killed", slog.String("dir", o.Dir), slog.Any("error", err))
			continue
		}
		_ = os.Remove(file)
	}
}

// removeOwned takes away all of the host that belongs to a directory.
func removeOwned(dir string, log *slog.Logger) error {
	tag := tagOf(dir)
	groups := findCgroups("opsyard-" + tag)
	for _, id := range groups.ids() {
		groups.remove(id)
	}
	groups.removeTop()
	n := &network{tag: tag, log: log}
	return errors.Join(n.removeOrphans(nil), n.down(),
		os.RemoveAll(filepath.Join(dir, "instances")), os.RemoveAll(filepath.Join(dir, "trash")),
		os.RemoveAll(filepath.Join(dir, volumesName)))
}
