package compute

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Volume is a disk that is mounted in a machine. A provider that does not have
// it yet makes it, empty. Its size is a wish: not every provider can set one.
type Volume struct {
	ID         string `json:"id"`          // of the disk: it may come to another machine later
	MountPoint string `json:"mount_point"` // an absolute path
	SizeGiB    int    `json:"size_gib"`    // 0: not known
}

// VolumeKeeper is a provider that keeps the disks of Spec.Volumes. A machine
// has those of its latest Start; Terminate leaves them.
type VolumeKeeper interface {
	// DeleteVolume removes a disk that no running machine has, and all that is
	// on it; an absent one is fine.
	DeleteVolume(ctx context.Context, id string) error
}

var volumePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// CheckVolumeID refuses what could be something else than the name of a file.
func CheckVolumeID(id string) error {
	if !volumePattern.MatchString(id) {
		return fmt.Errorf("%w: %q is no volume id", ErrBadSpec, id)
	}
	return nil
}

// CheckVolumes refuses disks that no machine could have.
func CheckVolumes(volumes []Volume) error {
	seen := map[string]bool{}
	for _, v := range volumes {
		if err := CheckVolumeID(v.ID); err != nil {
			return err
		}
		if !path.IsAbs(v.MountPoint) || path.Clean(v.MountPoint) != v.MountPoint || v.MountPoint == "/" {
			return fmt.Errorf("%w: a volume cannot be mounted at %q", ErrBadSpec, v.MountPoint)
		}
		if seen[v.ID] || seen[v.MountPoint] {
			return fmt.Errorf("%w: volume %s, or its mount point, is given twice", ErrBadSpec, v.ID)
		}
		seen[v.ID], seen[v.MountPoint] = true, true
	}
	return nil
}

// MountOrder sorts disks for mounting: what is mounted in another one comes
// later.
func MountOrder(volumes []Volume) []Volume {
	return slices.SortedStableFunc(slices.Values(volumes), func(a, b Volume) int {
		return strings.Count(a.MountPoint, "/") - strings.Count(b.MountPoint, "/")
	})
}
