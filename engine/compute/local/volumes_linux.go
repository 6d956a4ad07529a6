package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
)

// A volume is a directory of the host that is mounted in the machine that has
// it. Its size is not limited.

const volumesName = "volumes"

func (p *Provider) volumeDir(id string) string { return filepath.Join(p.cfg.Dir, volumesName, id) }

// prepareVolumes makes the volumes that are not there yet and orders them for
// mounting.
func (p *Provider) prepareVolumes(machine string, volumes []compute.Volume) ([]compute.Volume, error) {
	if len(volumes) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(p.volumeDir(""), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the volumes: %w", err)
	}
	for _, v := range volumes {
		if user := p.userOf(v.ID); user != "" && user != machine {
			return nil, fmt.Errorf("volume %s is in use by machine %s", v.ID, user)
		}
		err := os.Mkdir(p.volumeDir(v.ID), 0o755)
		if err == nil {
			err = os.Chmod(p.volumeDir(v.ID), 0o755) // the umask took some
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("make volume %s: %w", v.ID, err)
		}
	}
	return compute.MountOrder(volumes), nil
}

// userOf is the running machine that has the volume, empty for none.
func (p *Provider) userOf(volume string) string {
	for _, m := range p.all() {
		m.mu.Lock()
		id := m.rec.ID
		uses := m.run != nil && slices.ContainsFunc(m.rec.Volumes, func(v compute.Volume) bool { return v.ID == volume })
		m.mu.Unlock()
		if uses {
			return id
		}
	}
	return ""
}

// mountVolumes mounts the volumes in a root that the machine may have filled
// with symlinks, so the mount points are found through an os.Root.
func (cfg bootConfig) mountVolumes(root string) error {
	inside, err := os.OpenRoot(root)
	if err != nil {
		return fmt.Errorf("open the machine's root: %w", err)
	}
	defer inside.Close()
	for _, v := range cfg.Volumes {
		if err := cfg.mountVolume(inside, v); err != nil {
			return fmt.Errorf("mount volume %s at %s: %w", v.ID, v.MountPoint, err)
		}
	}
	return nil
}

func (cfg bootConfig) mountVolume(inside *os.Root, v compute.Volume) error {
	name := strings.TrimPrefix(v.MountPoint, "/")
	if err := inside.MkdirAll(name, 0o755); err != nil {
		return err
	}
	place, err := inside.Open(name)
	if err != nil {
		return err
	}
	defer place.Close()
	return unix.Mount(filepath.Join(cfg.VolumesDir, v.ID), fmt.Sprintf("/proc/self/fd/%d", place.Fd()), "", unix.MS_BIND, "")
}

// DeleteVolume deletes a volume's directory.
func (p *Provider) DeleteVolume(ctx context.Context, id string) error {
	if err := compute.CheckVolumeID(id); err != nil {
		return err
	}
	_, end, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if user := p.userOf(id); user != "" {
		return fmt.Errorf("delete volume %s: machine %s runs with it", id, user)
	}
	// Renamed first: a server killed half-way leaves rubbish, not half a volume.
	trash := filepath.Join(p.cfg.Dir, "trash", "volume-"+id)
	err = errors.Join(os.RemoveAll(trash), os.MkdirAll(filepath.Dir(trash), 0o700))
	if err == nil {
		err = os.Rename(p.volumeDir(id), trash)
	}
	if err == nil {
		err = os.RemoveAll(trash)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	return nil
}
