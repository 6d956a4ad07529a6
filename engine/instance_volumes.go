package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"

	"opsyard/engine/compute"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// disksFor are the disks with which an instance's machine is started. Those
// that its layers ask for are made before its first start; later changes of a
// layer do not change existing instances (OpsWorks: VolumeConfigurations).
func (e *Engine) disksFor(ctx context.Context, stack *models.Stack, i *models.Instance) ([]compute.Volume, error) {
	var disks []compute.Volume
	err := e.tx(ctx, func(t *tx) error {
		if i.Ec2InstanceID == "" && !models.IsWindows(i.Os) {
			if err := t.makeLayerVolumes(ctx, stack, i); err != nil {
				return err
			}
		}
		var err error
		disks, err = disksOf(ctx, t.Store, i.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the volumes of %s: %w", i.Hostname, err)
	}
	return disks, nil
}

// disksOf lists what is mounted in an instance: single volumes, and arrays as
// one disk each.
func disksOf(ctx context.Context, s *store.Store, id models.InstanceID) ([]compute.Volume, error) {
	volumes, err := s.Volumes.OfInstance(ctx, id)
	if err != nil {
		return nil, err
	}
	arrays, err := s.RaidArrays.OfInstance(ctx, id)
	if err != nil {
		return nil, err
	}
	var disks []compute.Volume
	for _, v := range volumes {
		if v.RaidArrayID == "" {
			disks = append(disks, compute.Volume{ID: v.Ec2VolumeID, MountPoint: v.MountPoint, SizeGiB: v.Size})
		}
	}
	for _, a := range arrays {
		disks = append(disks, compute.Volume{ID: string(a.ID), MountPoint: a.MountPoint, SizeGiB: a.Size})
	}
	return disks, nil
}

// makeLayerVolumes writes the records of the disks that the instance's layers
// ask for and that it does not have yet. Of two layers that ask for the same
// mount point the first one counts.
func (t *tx) makeLayerVolumes(ctx context.Context, stack *models.Stack, i *models.Instance) error {
	if _, err := t.Instances.GetForUpdate(ctx, i.ID); err != nil {
		return err
	}
	all, err := t.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return err
	}
	taken, err := t.mountPoints(ctx, i.ID)
	if err != nil {
		return err
	}
	for _, layer := range lifecycle.LayersOf(*i, all) {
		for _, config := range layer.VolumeConfigurations {
			if slices.Contains(taken, config.MountPoint) {
				continue
			}
			taken = append(taken, config.MountPoint)
			if err := t.makeDisk(ctx, stack, i, config); err != nil {
				return err
			}
			told := fmt.Sprintf("%s got a disk of %d GiB at %s", i.Hostname, config.Size, config.MountPoint)
			if err := t.event(ctx, models.StackEvent{StackID: stack.ID, Kind: "change", InstanceID: i.ID, Text: told}); err != nil {
				return err
			}
			t.tellInstance(stack.ID, i.ID)
		}
	}
	return nil
}

// makeDisk makes one volume, or the volumes of an array. Arrays are for stacks
// whose configuration manager can have them (OpsWorks: Chef 11.10 and older).
func (t *tx) makeDisk(ctx context.Context, stack *models.Stack, i *models.Instance, config models.VolumeConfiguration) error {
	others, err := t.Volumes.OfInstance(ctx, i.ID)
	if err != nil {
		return err
	}
	v := models.Volume{
		StackID: stack.ID, InstanceID: i.ID, Name: "Created for " + i.Hostname, Status: models.VolumeInUse, Size: config.Size, MountPoint: config.MountPoint,
		Region: stack.Region, AvailabilityZone: zoneOf(stack, i), VolumeType: config.VolumeType, Iops: config.Iops,
		Encrypted: config.Encrypted != nil && *config.Encrypted, CreatedAt: t.e.Clock(),
	}
	if v.VolumeType == "" {
		v.VolumeType = "standard"
	}
	disks := 1
	if config.RaidLevel != nil && config.NumberOfDisks > 1 && !stack.ConfigurationManager.IsChef12() {
		if v.RaidArrayID, err = t.makeArray(ctx, &v, config); err != nil {
			return err
		}
		disks = config.NumberOfDisks
		v.Size, v.MountPoint = (config.Size+disks-1)/disks, ""
	}
	for range disks {
		v.ID, v.Ec2VolumeID, v.Device = models.NewID[models.VolumeID](), newEc2VolumeID(), freeDevice(others)
		if err := t.Volumes.Create(ctx, &v); err != nil {
			return err
		}
		others = append(others, v)
	}
	return nil
}

func (t *tx) makeArray(ctx context.Context, v *models.Volume, config models.VolumeConfiguration) (models.RaidArrayID, error) {
	others, err := t.RaidArrays.OfInstance(ctx, v.InstanceID)
	if err != nil {
		return "", err
	}
	a := models.RaidArray{
		ID: models.NewID[models.RaidArrayID](), StackID: v.StackID, InstanceID: v.InstanceID, Name: v.Name, RaidLevel: *config.RaidLevel,
		NumberOfDisks: config.NumberOfDisks, Size: config.Size, Device: fmt.Sprintf("/dev/md%d", len(others)), MountPoint: config.MountPoint,
		AvailabilityZone: v.AvailabilityZone, VolumeType: v.VolumeType, Iops: v.Iops, CreatedAt: v.CreatedAt,
	}
	return a.ID, t.RaidArrays.Create(ctx, &a)
}

func zoneOf(stack *models.Stack, i *models.Instance) string {
	if i.AvailabilityZone != "" {
		return i.AvailabilityZone
	}
	return stack.DefaultAvailabilityZone
}

// newEc2VolumeID makes an id in the form of EC2's.
func newEc2VolumeID() string {
	var b [9]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return "vol-" + hex.EncodeToString(b[:])[:17]
}

// deleteDisks removes what is on the disks of an instance that is about to be
// deleted with them. Where the provider keeps no disks there is nothing to do.
func (e *Engine) deleteDisks(ctx context.Context, i *models.Instance) error {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	p, err := e.provider(stack)
	if err != nil {
		return err
	}
	keeper, ok := p.(compute.VolumeKeeper)
	if !ok {
		return nil
	}
	disks, err := disksOf(ctx, e.store, i.ID)
	if err != nil {
		return err
	}
	for _, d := range disks {
		if err := keeper.DeleteVolume(ctx, d.ID); err != nil {
			return fmt.Errorf("delete the disk at %s: %w", d.MountPoint, err)
		}
	}
	return nil
}
