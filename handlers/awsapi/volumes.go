package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) volumeOperations() operations {
	return operations{
		"RegisterVolume":   on(a.registerVolume),
		"DeregisterVolume": do(a.deregisterVolume),
		"AssignVolume":     do(a.assignVolume),
		"UnassignVolume":   do(a.unassignVolume),
		"UpdateVolume":     do(a.updateVolume),
		"DescribeVolumes":  on(a.describeVolumes),
	}
}

func (a *API) registerVolume(ctx context.Context, in *wire.RegisterVolumeRequest) (*wire.RegisterVolumeResult, error) {
	v, err := a.Engine.RegisterVolume(ctx, id[models.StackID](in.StackId), text(in.Ec2VolumeId))
	if err != nil {
		return nil, err
	}
	return &wire.RegisterVolumeResult{VolumeId: str(v.ID)}, nil
}

func (a *API) deregisterVolume(ctx context.Context, in *wire.DeregisterVolumeRequest) error {
	return a.Engine.DeregisterVolume(ctx, id[models.VolumeID](in.VolumeId))
}

func (a *API) assignVolume(ctx context.Context, in *wire.AssignVolumeRequest) error {
	return a.Engine.AssignVolume(ctx, id[models.VolumeID](in.VolumeId), id[models.InstanceID](in.InstanceId))
}

func (a *API) unassignVolume(ctx context.Context, in *wire.UnassignVolumeRequest) error {
	return a.Engine.UnassignVolume(ctx, id[models.VolumeID](in.VolumeId))
}

func (a *API) updateVolume(ctx context.Context, in *wire.UpdateVolumeRequest) error {
	return a.Engine.UpdateVolume(ctx, id[models.VolumeID](in.VolumeId), func(v *models.Volume) error {
		put(&v.Name, in.Name)
		put(&v.MountPoint, in.MountPoint)
		return nil
	})
}

func (a *API) describeVolumes(ctx context.Context, in *wire.DescribeVolumesRequest) (*wire.DescribeVolumesResult, error) {
	if err := selectAtMostOne("Please provide either one or more volume IDs or one stack ID or one instance ID or one RAID array ID",
		has(in.InstanceId), has(in.StackId), has(in.RaidArrayId), len(in.VolumeIds) > 0); err != nil {
		return nil, err
	}
	list, err := a.volumesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeVolumesResult{Volumes: shown(list, volumeShown)}, nil
}

func (a *API) volumesOf(ctx context.Context, in *wire.DescribeVolumesRequest) ([]models.Volume, error) {
	switch {
	case has(in.InstanceId):
		wanted := id[models.InstanceID](in.InstanceId)
		if err := a.seeInstance(ctx, wanted); err != nil {
			return nil, err
		}
		return a.Store.Volumes.OfInstance(ctx, wanted)
	case has(in.RaidArrayId):
		wanted := id[models.RaidArrayID](in.RaidArrayId)
		if _, err := a.raidArraysByID(ctx, []models.RaidArrayID{wanted}); err != nil {
			return nil, err
		}
		return a.Store.Volumes.OfRaidArray(ctx, wanted)
	case len(in.VolumeIds) > 0:
		return see(ctx, a, nounVolume, ids[models.VolumeID](in.VolumeIds), a.Store.Volumes.ByIDs)
	}
	stacks, err := a.stacksFor(ctx, in.StackId)
	if err != nil {
		return nil, err
	}
	return a.Store.Volumes.InStack(ctx, stacks...)
}

func volumeShown(v *models.Volume) wire.Volume {
	out := wire.Volume{
		VolumeId: str(v.ID), Ec2VolumeId: str(v.Ec2VolumeID), Name: str(v.Name), RaidArrayId: str(v.RaidArrayID), InstanceId: str(v.InstanceID),
		Status: str(v.Status), Device: str(v.Device), MountPoint: str(v.MountPoint), Region: str(v.Region), AvailabilityZone: str(v.AvailabilityZone),
		VolumeType: str(v.VolumeType), Iops: optional(v.Iops), Encrypted: yes(v.Encrypted),
	}
	if v.Size > 0 { // of a registered one only the cloud could tell it
		out.Size = num(v.Size)
	}
	return out
}
