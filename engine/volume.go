package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"opsyard/models"
)

func onVolume(v *models.Volume) target {
	name := v.Name
	if name == "" {
		name = v.Ec2VolumeID
	}
	return target{"volume", string(v.ID), name, v.StackID}
}

// RegisterVolume makes a disk one of the stack's, under an id of ours
// (OpsWorks: RegisterVolume).
func (e *Engine) RegisterVolume(ctx context.Context, stackID models.StackID, ec2VolumeID string) (*models.Volume, error) {
	stack, err := e.Authorize(ctx, stackID, "RegisterVolume")
	if err != nil {
		return nil, err
	}
	v := models.Volume{
		ID: models.NewID[models.VolumeID](), StackID: stack.ID, Ec2VolumeID: strings.TrimSpace(ec2VolumeID), Status: models.VolumeAvailable,
		Region: stack.Region, AvailabilityZone: stack.DefaultAvailabilityZone, CreatedAt: e.Clock(),
	}
	if err := v.Validate(); err != nil {
		return nil, err
	}
	err = e.tx(ctx, func(t *tx) error {
		if err := t.Volumes.Create(ctx, &v); err != nil {
			return err
		}
		t.tellStack(stack.ID)
		return t.audit(ctx, "RegisterVolume", onVolume(&v), nil, &v, models.Cause{})
	})
	return &v, err
}

// DeregisterVolume takes a disk that no instance has from its stack. What is on
// it stays; another stack may register it (OpsWorks: DeregisterVolume).
func (e *Engine) DeregisterVolume(ctx context.Context, id models.VolumeID) error {
	return e.onVolume(ctx, id, "DeregisterVolume", func(t *tx, stack *models.Stack, v *models.Volume) (any, error) {
		if v.InstanceID != "" {
			return nil, models.Invalid("Volume %s is assigned to %s: unassign it first.", onVolume(v).name, t.hostname(ctx, v.InstanceID))
		}
		if err := t.Volumes.Delete(ctx, v.ID); err != nil {
			return nil, err
		}
		t.tellStack(stack.ID)
		return nil, t.forgetEmptyArray(ctx, v.RaidArrayID)
	})
}

// forgetEmptyArray removes the record of an array whose volumes are gone.
func (t *tx) forgetEmptyArray(ctx context.Context, id models.RaidArrayID) error {
	if id == "" {
		return nil
	}
	left, err := t.Volumes.OfRaidArray(ctx, id)
	if err != nil || len(left) > 0 {
		return err
	}
	return t.RaidArrays.Delete(ctx, id)
}

// AssignVolume attaches a disk that has a mount point to a stopped instance;
// the machine finds it there when it starts (OpsWorks: AssignVolume).
func (e *Engine) AssignVolume(ctx context.Context, id models.VolumeID, instance models.InstanceID) error {
	return e.onVolume(ctx, id, "AssignVolume", func(t *tx, stack *models.Stack, v *models.Volume) (any, error) {
		if v.InstanceID != "" && v.InstanceID == instance {
			return v, nil
		}
		i, err := t.member(ctx, stack, instance)
		if err != nil {
			return nil, err
		}
		if err := t.canAssign(ctx, v, i); err != nil {
			return nil, err
		}
		others, err := t.Volumes.OfInstance(ctx, i.ID)
		if err != nil {
			return nil, err
		}
		v.InstanceID, v.Status, v.Device = i.ID, models.VolumeInUse, freeDevice(others)
		if i.AvailabilityZone != "" {
			v.AvailabilityZone = i.AvailabilityZone
		}
		t.tellInstance(i.StackID, i.ID)
		if err := t.Volumes.Save(ctx, v); err != nil {
			return nil, err
		}
		return v, t.changed(ctx, stack.ID, fmt.Sprintf("volume %s was assigned to %s", onVolume(v).name, i.Hostname))
	})
}

func (t *tx) canAssign(ctx context.Context, v *models.Volume, i *models.Instance) error {
	name := onVolume(v).name
	switch {
	case v.RaidArrayID != "":
		return models.Invalid("Volume %s is part of a RAID array: it cannot be assigned by itself.", name)
	case v.InstanceID != "":
		return models.Invalid("Volume %s is assigned to %s: unassign it first.", name, t.hostname(ctx, v.InstanceID))
	case v.MountPoint == "":
		return models.InvalidField("MountPoint", "Mount point: is missing: set the mount point of volume %s before it is assigned.", name)
	case i.InfrastructureClass == models.InfrastructureOnPremises:
		return models.Invalid("Instance %s is on-premises: it cannot have volumes.", i.Hostname)
	case models.IsWindows(i.Os):
		return models.Invalid("Instance %s runs Windows: volumes can be assigned to Linux instances only.", i.Hostname)
	case i.Status != models.InstanceStopped:
		return models.Invalid("Instance %s is %s: a volume can be assigned to a stopped instance only.", i.Hostname, i.Status)
	}
	taken, err := t.mountPoints(ctx, i.ID)
	if err != nil {
		return err
	}
	if slices.Contains(taken, v.MountPoint) {
		return models.InvalidField("MountPoint", "Mount point: %s is taken by another volume of %s.", v.MountPoint, i.Hostname)
	}
	return nil
}

// mountPoints are those that the instance's disks use.
func (t *tx) mountPoints(ctx context.Context, id models.InstanceID) ([]string, error) {
	volumes, err := t.Volumes.OfInstance(ctx, id)
	if err != nil {
		return nil, err
	}
	arrays, err := t.RaidArrays.OfInstance(ctx, id)
	var taken []string
	for _, v := range volumes {
		if v.MountPoint != "" {
			taken = append(taken, v.MountPoint)
		}
	}
	for _, a := range arrays {
		taken = append(taken, a.MountPoint)
	}
	return taken, err
}

// UnassignVolume takes a disk from a stopped instance; it stays registered
// (OpsWorks: UnassignVolume).
func (e *Engine) UnassignVolume(ctx context.Context, id models.VolumeID) error {
	return e.onVolume(ctx, id, "UnassignVolume", func(t *tx, stack *models.Stack, v *models.Volume) (any, error) {
		name := onVolume(v).name
		switch {
		case v.InstanceID == "":
			return nil, models.Invalid("Volume %s is not assigned to an instance.", name)
		case v.RaidArrayID != "":
			return nil, models.Invalid("Volume %s is part of a RAID array: it cannot be unassigned by itself.", name)
		}
		i, err := t.member(ctx, stack, v.InstanceID)
		if err != nil {
			return nil, err
		}
		if i.Status != models.InstanceStopped {
			return nil, models.Invalid("Instance %s is %s: a volume can be unassigned from a stopped instance only.", i.Hostname, i.Status)
		}
		v.InstanceID, v.Status, v.Device = "", models.VolumeAvailable, ""
		t.tellInstance(i.StackID, i.ID)
		if err := t.Volumes.Save(ctx, v); err != nil {
			return nil, err
		}
		return v, t.changed(ctx, stack.ID, fmt.Sprintf("volume %s was unassigned from %s", name, i.Hostname))
	})
}

// UpdateVolume lets change alter the name and, while no machine has the disk,
// its mount point (OpsWorks: UpdateVolume).
func (e *Engine) UpdateVolume(ctx context.Context, id models.VolumeID, change func(*models.Volume) error) error {
	return e.onVolume(ctx, id, "UpdateVolume", func(t *tx, stack *models.Stack, v *models.Volume) (any, error) {
		before := *v
		if err := change(v); err != nil {
			return nil, err
		}
		after := before
		after.Name, after.MountPoint = v.Name, v.MountPoint
		*v = after
		v.Normalize()
		if err := v.Validate(); err != nil {
			return nil, err
		}
		if v.MountPoint != before.MountPoint {
			if err := t.canRemount(ctx, v); err != nil {
				return nil, err
			}
		}
		if err := t.Volumes.Save(ctx, v); err != nil {
			return nil, err
		}
		return v, t.changed(ctx, stack.ID, "")
	})
}

func (t *tx) canRemount(ctx context.Context, v *models.Volume) error {
	if v.RaidArrayID != "" {
		return models.InvalidField("MountPoint", "Mount point: the volume is part of a RAID array, which has the mount point.")
	}
	if v.InstanceID == "" {
		return nil
	}
	i, err := t.Instances.GetForUpdate(ctx, v.InstanceID)
	if err != nil {
		return err
	}
	if i.Status != models.InstanceStopped {
		return models.InvalidField("MountPoint", "Mount point: instance %s is %s: the mount point of its volumes can be changed while it is stopped.", i.Hostname, i.Status)
	}
	if v.MountPoint == "" {
		return models.InvalidField("MountPoint", "Mount point: is missing: the volume is assigned to %s.", i.Hostname)
	}
	taken, err := t.mountPoints(ctx, i.ID)
	if err == nil && slices.Contains(taken, v.MountPoint) {
		return models.InvalidField("MountPoint", "Mount point: %s is taken by another volume of %s.", v.MountPoint, i.Hostname)
	}
	return err
}

// onVolume runs do on a volume, which it locks, and audits the change. do
// returns what is left of the volume, nil for nothing.
func (e *Engine) onVolume(ctx context.Context, id models.VolumeID, action string, do func(*tx, *models.Stack, *models.Volume) (any, error)) error {
	current, err := e.store.Volumes.Get(ctx, id)
	if err != nil {
		return err
	}
	stack, err := e.stackOf(ctx, current.StackID, models.Action(action), models.NotFound("volume", id))
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		v, err := t.Volumes.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		before := *v
		after, err := do(t, stack, v)
		if err != nil {
			return err
		}
		return t.audit(ctx, action, onVolume(&before), &before, after, models.Cause{})
	})
}

// freeDevice is the first device name that none of an instance's volumes has,
// from /dev/sdi on, as OpsWorks gave them.
func freeDevice(volumes []models.Volume) string {
	for n := 0; ; n++ {
		name := "/dev/sd" + deviceLetters(n)
		if !slices.ContainsFunc(volumes, func(v models.Volume) bool { return v.Device == name }) {
			return name
		}
	}
}

// deviceLetters counts i, j, … z, aa, ab, …
func deviceLetters(n int) string {
	const letters, first = 26, 'i' - 'a'
	if n += first; n < letters {
		return string(rune('a' + n))
	}
	n -= letters
	return string(rune('a'+n/letters)) + string(rune('a'+n%letters))
}

// releaseVolumes takes the disks of an instance that leaves its stack; forGood
// removes their records. Whoever wants what is on them removed, too, has done
// so before.
func (t *tx) releaseVolumes(ctx context.Context, i *models.Instance, forGood bool) error {
	volumes, err := t.Volumes.OfInstance(ctx, i.ID)
	if err != nil {
		return err
	}
	deed := "DeleteVolume"
	if i.Registered() {
		deed = "DeregisterVolume" // the disk is its host's
	}
	for n := range volumes {
		v, before := &volumes[n], volumes[n]
		if forGood {
			err = t.Volumes.Delete(ctx, v.ID)
			if err == nil {
				err = t.audit(ctx, deed, onVolume(v), &before, nil, models.Cause{})
			}
		} else {
			v.InstanceID, v.Status, v.Device = "", models.VolumeAvailable, ""
			err = t.Volumes.Save(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	arrays, err := t.RaidArrays.OfInstance(ctx, i.ID)
	if err != nil {
		return err
	}
	for n := range arrays {
		if forGood {
			err = t.RaidArrays.Delete(ctx, arrays[n].ID)
		} else {
			arrays[n].InstanceID, arrays[n].Device = "", ""
			err = t.RaidArrays.Save(ctx, &arrays[n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
