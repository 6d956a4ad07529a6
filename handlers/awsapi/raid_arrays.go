package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) raidArrayOperations() operations {
	return operations{"DescribeRaidArrays": on(a.describeRaidArrays)}
}

func (a *API) describeRaidArrays(ctx context.Context, in *wire.DescribeRaidArraysRequest) (*wire.DescribeRaidArraysResult, error) {
	if err := selectAtMostOne("Please provide either one or more RAID array IDs or one stack ID or one instance ID",
		has(in.InstanceId), has(in.StackId), len(in.RaidArrayIds) > 0); err != nil {
		return nil, err
	}
	list, err := a.raidArraysOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeRaidArraysResult{RaidArrays: shown(list, raidArrayShown)}, nil
}

func (a *API) raidArraysOf(ctx context.Context, in *wire.DescribeRaidArraysRequest) ([]models.RaidArray, error) {
	if wanted := id[models.InstanceID](in.InstanceId); wanted != "" {
		if err := a.seeInstance(ctx, wanted); err != nil {
			return nil, err
		}
		return a.Store.RaidArrays.OfInstance(ctx, wanted)
	}
	if len(in.RaidArrayIds) > 0 {
		return a.raidArraysByID(ctx, ids[models.RaidArrayID](in.RaidArrayIds))
	}
	stacks, err := a.stacksFor(ctx, in.StackId)
	if err != nil {
		return nil, err
	}
	return a.Store.RaidArrays.InStack(ctx, stacks...)
}

func (a *API) raidArraysByID(ctx context.Context, wanted []models.RaidArrayID) ([]models.RaidArray, error) {
	return see(ctx, a, nounRaidArray, wanted, a.Store.RaidArrays.ByIDs)
}

func raidArrayShown(r *models.RaidArray) wire.RaidArray {
	return wire.RaidArray{
		RaidArrayId: str(r.ID), InstanceId: str(r.InstanceID), Name: str(r.Name), RaidLevel: num(r.RaidLevel), NumberOfDisks: num(r.NumberOfDisks),
		Size: num(r.Size), Device: str(r.Device), MountPoint: str(r.MountPoint), AvailabilityZone: str(r.AvailabilityZone),
		CreatedAt: stamp(r.CreatedAt), StackId: str(r.StackID), VolumeType: str(r.VolumeType), Iops: optional(r.Iops),
	}
}
