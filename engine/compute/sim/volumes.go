package sim

import (
	"context"
	"fmt"
	"slices"

	"opsyard/engine/compute"
)

// Volumes are the disks that a machine believes to have.
func (p *Provider) Volumes(id string) []compute.Volume {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.machines[id]; m != nil {
		return slices.Clone(m.rec.Volumes)
	}
	return nil
}

// DeleteVolume makes the stopped machine that had the disk forget it.
func (p *Provider) DeleteVolume(ctx context.Context, id string) error {
	if err := compute.CheckVolumeID(id); err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, m := range p.machines {
		n := slices.IndexFunc(m.rec.Volumes, func(v compute.Volume) bool { return v.ID == id })
		if n < 0 {
			continue
		}
		if m.rec.Running {
			return fmt.Errorf("delete volume %s: machine %s runs with it", id, m.rec.ID)
		}
		m.rec.Volumes = slices.Delete(m.rec.Volumes, n, n+1)
		if err := p.save(m); err != nil {
			return fmt.Errorf("delete volume %s: %w", id, err)
		}
	}
	return nil
}
