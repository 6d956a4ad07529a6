package local

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/proc"
)

// record is what is known of a machine, on disk as state.json. The enrolment
// token is not in it.
type record struct {
	ID        string    `json:"id"`
	Hostname  string    `json:"hostname"`
	StackID   string    `json:"stack_id,omitempty"`
	Size      string    `json:"size"`
	ServerURL string    `json:"server_url"`
	Lower     []string  `json:"lower"` // layers below its disk, topmost first; never changed later
	IP        string    `json:"ip"`    // kept for good
	Prepared  bool      `json:"prepared"`
	Process   proc.ID   `json:"process"` // of its last run
	BootID    string    `json:"boot_id,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Reason    string    `json:"reason,omitempty"` // why it does not run

	Volumes []compute.Volume `json:"volumes,omitempty"` // of its latest start
}

// machine is one instance. Whoever has its turn may change it.
type machine struct {
	turn chan struct{} // one slot

	mu       sync.Mutex
	rec      record
	run      *run // nil when it does not run
	starting bool
}

// run is one life of a machine, from boot to end.
type run struct {
	process  *proc.Process
	expected atomic.Bool   // we asked for its end: no event
	done     chan struct{} // closed when it has ended and is cleaned up after
}

// view is the machine as callers of the provider see it.
func (m *machine) view() compute.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := compute.Machine{ID: m.rec.ID, PrivateIP: m.rec.IP, PublicIP: m.rec.IP, Note: shortfall(m.rec.Size)}
	switch {
	case m.starting:
		v.State = compute.Pending
	case m.run != nil:
		v.State, v.BootID, v.Started = compute.Running, m.rec.BootID, m.rec.Started
	default:
		v.State, v.Reason = compute.Stopped, m.rec.Reason
	}
	return v
}

func (m *machine) current() *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run
}

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)
	hostnamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

func validID(id string) bool { return idPattern.MatchString(id) }

// acquire waits for the machine's turn. Without create an unknown machine is nil.
func (p *Provider) acquire(ctx context.Context, id string, create bool) (*machine, func(), error) {
	for {
		p.mu.Lock()
		m := p.machines[id]
		if m == nil && create {
			m = &machine{turn: make(chan struct{}, 1), rec: record{ID: id}, starting: true}
			m.turn <- struct{}{} // ours from birth
			p.machines[id] = m
			p.mu.Unlock()
			return m, func() { <-m.turn }, nil
		}
		p.mu.Unlock()
		if m == nil {
			return nil, func() {}, nil
		}
		select {
		case m.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		p.mu.Lock()
		same := p.machines[id] == m
		p.mu.Unlock()
		if same {
			return m, func() { <-m.turn }, nil
		}
		<-m.turn // terminated while we waited
	}
}

func (p *Provider) forget(id string) {
	p.mu.Lock()
	delete(p.machines, id)
	p.mu.Unlock()
}

func (p *Provider) all() []*machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.machines))
}

func (p *Provider) dirOf(id string) string { return filepath.Join(p.cfg.Dir, "instances", id) }

// save writes the record so that a crash leaves the old one or the new one.
func (p *Provider) save(rec record) error {
	b, err := json.MarshalIndent(rec, "", "  ")
	if err == nil {
		err = writeWhole(filepath.Join(p.dirOf(rec.ID), "state.json"), b)
	}
	if err != nil {
		return fmt.Errorf("note the state of machine %s: %w", rec.ID, err)
	}
	return nil
}

func writeWhole(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
