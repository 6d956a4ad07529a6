package sim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/engine/compute"
)

// record is what the provider keeps of a machine, in DIR/ID.json, mode 0600
// for the token's sake. The agent's identity is in DIR/ID.key beside it.
type record struct {
	ID       string           `json:"id"`
	Hostname string           `json:"hostname"`
	Server   string           `json:"server"`
	Token    string           `json:"token"`
	IP       string           `json:"ip"`
	Running  bool             `json:"running"`
	Reason   string           `json:"reason,omitempty"`
	BootID   string           `json:"boot_id"`
	Started  time.Time        `json:"started"`
	Volumes  []compute.Volume `json:"volumes,omitempty"`
}

// machine is guarded by the provider's mutex; its disk belongs to the agent
// while that runs.
type machine struct {
	rec    record
	disk   *simulated.Disk
	cancel context.CancelFunc // nil: no agent runs
	done   chan struct{}
}

func (m *machine) view() compute.Machine {
	v := compute.Machine{ID: m.rec.ID, State: compute.Stopped, Reason: m.rec.Reason, PrivateIP: m.rec.IP, BootID: m.rec.BootID, Started: m.rec.Started}
	if m.rec.Running {
		v.State, v.Reason = compute.Running, ""
	}
	return v
}

// boot starts the machine with a new boot id and notes it.
func (p *Provider) boot(m *machine) error {
	m.rec.Running, m.rec.Reason = true, ""
	m.rec.BootID, m.rec.Started = rand.Text(), p.cfg.Now()
	if err := p.save(m); err != nil {
		m.rec.Running = false
		return err
	}
	p.play(m, p.cfg.Script.Boot)
	return nil
}

// play lets the machine's agent run.
func (p *Provider) play(m *machine, boot time.Duration) {
	if m.disk == nil {
		m.disk = &simulated.Disk{}
	}
	script := p.cfg.Script
	script.Boot = boot
	path, log := p.path(m.rec.ID, ".key"), p.cfg.Log
	agent := simulated.New(simulated.Config{
		Server: m.rec.Server, Token: m.rec.Token, Host: m.rec.Hostname,
		Script: &script, Disk: m.disk, BootID: m.rec.BootID,
		Facts: facts(m.rec), Received: p.cfg.Received,
		Enrolled: func(d simulated.Disk) {
			if err := write(path, d); err != nil {
				log.Error("keep the identity of a simulated machine", "error", err)
			}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.cancel, m.done = cancel, done
	go func() {
		defer close(done)
		agent.Run(ctx)
	}()
}

func facts(r record) *protocol.Facts {
	return &protocol.Facts{
		AgentVersion: "simulated", OSFamily: "debian", OSName: "Debian GNU/Linux", OSVersion: "12",
		Kernel: "6.1.0", Arch: "x86_64", CPUs: 2, MemoryBytes: 2 << 30, PrivateIP: r.IP,
	}
}

// quit asks the agent to end; end waits for it too.
func (m *machine) quit() {
	if m.cancel != nil {
		m.cancel()
	}
}

func (m *machine) end() {
	if m.cancel != nil {
		m.cancel()
		<-m.done
		m.cancel = nil
	}
}

func (p *Provider) halt(m *machine, reason string) error {
	if !m.rec.Running {
		return nil
	}
	m.end()
	m.rec.Running, m.rec.Reason = false, reason
	return p.save(m)
}

func (p *Provider) terminate(id string) error {
	m := p.machines[id]
	if m == nil {
		return nil
	}
	m.end()
	delete(p.machines, id)
	for _, ext := range []string{".key", ".json"} {
		if err := os.Remove(p.path(id, ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("terminate machine %s: %w", id, err)
		}
	}
	return nil
}

func (p *Provider) path(id, ext string) string { return filepath.Join(p.cfg.Dir, id+ext) }

func (p *Provider) save(m *machine) error { return write(p.path(m.rec.ID, ".json"), m.rec) }

func write(path string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func load(dir string) (map[string]*machine, error) {
	machines := map[string]*machine{}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		m := &machine{disk: &simulated.Disk{}}
		if err := read(f, &m.rec); err != nil {
			return nil, err
		}
		key := strings.TrimSuffix(f, ".json") + ".key"
		if err := read(key, m.disk); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		machines[m.rec.ID] = m
	}
	return machines, nil
}

func read(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
