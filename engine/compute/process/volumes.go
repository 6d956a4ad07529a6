package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"opsyard/engine/compute"
)

// volumesName is the directory, in that of the machines, of the disks; no
// machine can have this name. In a machine's own directory, "volumes" holds a
// link for each disk at its mount point.
const volumesName = ".volumes"

func (p *Provider) volumeDir(id string) string { return filepath.Join(p.cfg.Dir, volumesName, id) }

// attach makes the disks that are not there yet, and shows the machine its own.
func (p *Provider) attach(m *machine, volumes []compute.Volume) error {
	id := m.view().ID
	shown := filepath.Join(p.dirOf(id), "volumes")
	if err := os.RemoveAll(shown); err != nil { // links only
		return fmt.Errorf("take away the disks of before: %w", err)
	}
	for _, v := range compute.MountOrder(volumes) {
		if user := p.userOf(v.ID); user != "" && user != id {
			return fmt.Errorf("volume %s is in use by machine %s", v.ID, user)
		}
		place := filepath.Join(shown, v.MountPoint)
		if err := os.MkdirAll(p.volumeDir(v.ID), 0o700); err != nil {
			return fmt.Errorf("make volume %s: %w", v.ID, err)
		}
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return fmt.Errorf("show volume %s at %s: %w", v.ID, v.MountPoint, err)
		}
		if at, err := os.Lstat(place); err == nil && at.Mode()&os.ModeSymlink != 0 { // in another disk, since before
			_ = os.Remove(place)
		}
		if err := os.Symlink(p.volumeDir(v.ID), place); err != nil {
			return fmt.Errorf("show volume %s at %s: %w", v.ID, v.MountPoint, err)
		}
	}
	m.mu.Lock()
	m.rec.Volumes = idsOf(volumes)
	m.mu.Unlock()
	return nil
}

func idsOf(volumes []compute.Volume) []string {
	ids := make([]string, len(volumes))
	for n, v := range volumes {
		ids[n] = v.ID
	}
	return ids
}

// userOf is the running machine that has the disk, empty for none.
func (p *Provider) userOf(volume string) string {
	for _, m := range p.all() {
		m.mu.Lock()
		id, uses := m.rec.ID, m.run != nil && slices.Contains(m.rec.Volumes, volume)
		m.mu.Unlock()
		if uses {
			return id
		}
	}
	return ""
}

// DeleteVolume deletes a disk's directory.
func (p *Provider) DeleteVolume(_ context.Context, id string) error {
	if err := compute.CheckVolumeID(id); err != nil {
		return err
	}
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	if user := p.userOf(id); user != "" {
		return fmt.Errorf("delete volume %s: machine %s runs with it", id, user)
	}
	if err := os.RemoveAll(p.volumeDir(id)); err != nil {
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	return nil
}
