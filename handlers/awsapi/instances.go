package awsapi

import (
	"context"

	"opsyard/engine"
	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/models/store"
)

func (a *API) instanceOperations() operations {
	return operations{
		"CreateInstance":    on(a.createInstance),
		"UpdateInstance":    do(a.updateInstance),
		"DescribeInstances": on(a.describeInstances),
		"DeleteInstance":    do(a.deleteInstance),
		"StartInstance":     do(a.startInstance),
		"StopInstance":      do(a.stopInstance),
		"RebootInstance":    do(a.rebootInstance),
	}
}

func (a *API) createInstance(ctx context.Context, in *wire.CreateInstanceRequest) (*wire.CreateInstanceResult, error) {
	i := models.Instance{
		StackID: id[models.StackID](in.StackId), LayerIDs: ids[models.LayerID](given(in.LayerIds)), InstanceType: text(in.InstanceType),
		AutoScalingType: text(in.AutoScalingType), Hostname: text(in.Hostname), Os: text(in.Os), AmiID: text(in.AmiId), SSHKeyName: text(in.SshKeyName),
		AvailabilityZone: text(in.AvailabilityZone), VirtualizationType: text(in.VirtualizationType), SubnetID: text(in.SubnetId),
		Architecture: text(in.Architecture), RootDeviceType: text(in.RootDeviceType), BlockDeviceMappings: mappingsFrom(in.BlockDeviceMappings),
		InstallUpdatesOnBoot: true, AgentVersion: text(in.AgentVersion), Tenancy: text(in.Tenancy),
	}
	put(&i.InstallUpdatesOnBoot, in.InstallUpdatesOnBoot)
	if in.EbsOptimized == nil {
		var err error
		if i.EbsOptimized, err = a.ebsOptimized(ctx, i.LayerIDs); err != nil {
			return nil, err
		}
	}
	put(&i.EbsOptimized, in.EbsOptimized)
	made, err := a.Engine.CreateInstance(ctx, i)
	if err != nil {
		return nil, err
	}
	return &wire.CreateInstanceResult{InstanceId: str(made.ID)}, nil
}

// ebsOptimized is what the layers say of instances that do not say it
// themselves. Layers that are not there are for the engine to refuse.
func (a *API) ebsOptimized(ctx context.Context, layers []models.LayerID) (bool, error) {
	for _, id := range layers {
		l, err := a.Store.Layers.Get(ctx, id)
		if err != nil && models.CodeOf(err) != models.CodeNotFound {
			return false, err
		}
		if err == nil && l.UseEbsOptimizedInstances {
			return true, nil
		}
	}
	return false, nil
}

func mappingsFrom(list []wire.BlockDeviceMapping) []models.BlockDeviceMapping {
	var out []models.BlockDeviceMapping
	for _, m := range list {
		mapping := models.BlockDeviceMapping{DeviceName: text(m.DeviceName), NoDevice: text(m.NoDevice), VirtualName: text(m.VirtualName)}
		if e := m.Ebs; e != nil {
			mapping.Ebs = &models.EbsBlockDevice{
				SnapshotID: text(e.SnapshotId), Iops: intOf(e.Iops), VolumeSize: intOf(e.VolumeSize), VolumeType: text(e.VolumeType),
				DeleteOnTermination: e.DeleteOnTermination,
			}
		}
		out = append(out, mapping)
	}
	return out
}

// updateInstance leaves EbsOptimized alone, as OpsWorks did: some clients send
// another member's value in it.
func (a *API) updateInstance(ctx context.Context, in *wire.UpdateInstanceRequest) error {
	_, err := a.Engine.UpdateInstance(ctx, id[models.InstanceID](in.InstanceId), func(i *models.Instance) error {
		for _, m := range []struct {
			field *string
			given *string
		}{
			{&i.InstanceType, in.InstanceType}, {&i.AutoScalingType, in.AutoScalingType}, {&i.Hostname, in.Hostname}, {&i.Os, in.Os},
			{&i.AmiID, in.AmiId}, {&i.SSHKeyName, in.SshKeyName}, {&i.Architecture, in.Architecture}, {&i.AgentVersion, in.AgentVersion},
		} {
			if text(m.given) != "" { // "" is how clients say that they set nothing
				*m.field = *m.given
			}
		}
		if in.LayerIds != nil {
			i.LayerIDs = ids[models.LayerID](given(in.LayerIds))
		}
		put(&i.InstallUpdatesOnBoot, in.InstallUpdatesOnBoot)
		return nil
	})
	return err
}

const instanceSelectors = "Please provide either one or more instance IDs or one stack ID or one layer ID"

func (a *API) describeInstances(ctx context.Context, in *wire.DescribeInstancesRequest) (*wire.DescribeInstancesResult, error) {
	wanted := given(in.InstanceIds)
	if err := selectOne(instanceSelectors, has(in.StackId), has(in.LayerId), len(wanted) > 0); err != nil {
		return nil, err
	}
	instances, err := a.selectInstances(ctx, in, ids[models.InstanceID](wanted))
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeInstancesResult{Instances: make([]wire.Instance, len(instances))}
	for n := range instances {
		out.Instances[n] = instanceShown(&instances[n])
	}
	return out, nil
}

func (a *API) selectInstances(ctx context.Context, in *wire.DescribeInstancesRequest, wanted []models.InstanceID) ([]models.Instance, error) {
	switch {
	case has(in.StackId):
		stack, err := a.show(ctx, id[models.StackID](in.StackId))
		if err != nil {
			return nil, err
		}
		return a.Store.Instances.Shown(ctx, store.InstanceSelector{StackID: stack.ID})
	case has(in.LayerId):
		layer, err := seeOne(ctx, a, nounLayer, id[models.LayerID](in.LayerId), a.Store.Layers.Places)
		if err != nil {
			return nil, err
		}
		return a.Store.Instances.Shown(ctx, store.InstanceSelector{LayerID: layer.ID})
	}
	return see(ctx, a, nounInstance, wanted, func(ctx context.Context, wanted []models.InstanceID) ([]models.Instance, error) {
		return a.Store.Instances.Shown(ctx, store.InstanceSelector{IDs: wanted})
	})
}

func instanceShown(i *models.Instance) wire.Instance {
	return wire.Instance{
		AgentVersion: str(i.AgentVersion), AmiId: str(i.AmiID), Architecture: architectureShown(i.Architecture), Arn: str(i.Arn),
		AutoScalingType: str(i.AutoScalingType), AvailabilityZone: str(i.AvailabilityZone), BlockDeviceMappings: mappingsShown(i.BlockDeviceMappings),
		CreatedAt: stamp(i.CreatedAt), EbsOptimized: yes(i.EbsOptimized), Ec2InstanceId: str(i.Ec2InstanceID), EcsClusterArn: str(i.EcsClusterArn),
		EcsContainerInstanceArn: str(i.EcsContainerInstanceArn), ElasticIp: str(i.ElasticIP), Hostname: str(i.Hostname),
		InfrastructureClass: str(i.InfrastructureClass), InstallUpdatesOnBoot: yes(i.InstallUpdatesOnBoot), InstanceId: str(i.ID),
		InstanceProfileArn: str(i.InstanceProfileArn), InstanceType: str(i.InstanceType), LastServiceErrorId: str(i.LastServiceErrorID),
		LayerIds: strs(i.LayerIDs), Os: str(i.Os), Platform: str(i.Platform), PrivateDns: str(i.PrivateDNS), PrivateIp: str(i.PrivateIP),
		PublicDns: str(i.PublicDNS), PublicIp: str(i.PublicIP), RegisteredBy: str(i.RegisteredBy), ReportedAgentVersion: str(i.ReportedAgentVersion),
		ReportedOs:     &wire.ReportedOs{Family: str(i.ReportedOs.Family), Name: str(i.ReportedOs.Name), Version: str(i.ReportedOs.Version)},
		RootDeviceType: str(i.RootDeviceType), RootDeviceVolumeId: str(i.RootDeviceVolumeID), SecurityGroupIds: strs(i.SecurityGroupIDs),
		SshHostDsaKeyFingerprint: str(i.SSHHostDsaKeyFingerprint), SshHostRsaKeyFingerprint: str(i.SSHHostRsaKeyFingerprint),
		SshKeyName: str(i.SSHKeyName), StackId: str(i.StackID), Status: str(i.Status), SubnetId: str(i.SubnetID), Tenancy: str(i.Tenancy),
		VirtualizationType: str(i.VirtualizationType),
	}
}

// architectureShown leaves out what OpsWorks never knew of.
func architectureShown(a string) *string {
	if a != models.Architecture64 && a != "i386" {
		return nil
	}
	return str(a)
}

func mappingsShown(list []models.BlockDeviceMapping) []wire.BlockDeviceMapping {
	out := make([]wire.BlockDeviceMapping, len(list))
	for n, m := range list {
		out[n] = wire.BlockDeviceMapping{DeviceName: str(m.DeviceName), NoDevice: str(m.NoDevice), VirtualName: str(m.VirtualName)}
		if e := m.Ebs; e != nil {
			out[n].Ebs = &wire.EbsBlockDevice{
				SnapshotId: str(e.SnapshotID), Iops: optional(e.Iops), VolumeSize: optional(e.VolumeSize), VolumeType: str(e.VolumeType),
				DeleteOnTermination: e.DeleteOnTermination,
			}
		}
	}
	return out
}

func (a *API) deleteInstance(ctx context.Context, in *wire.DeleteInstanceRequest) error {
	return a.Engine.DeleteInstance(ctx, id[models.InstanceID](in.InstanceId), engine.DeleteOptions{
		DeleteElasticIP: isSet(in.DeleteElasticIp), DeleteVolumes: isSet(in.DeleteVolumes),
	})
}

func (a *API) startInstance(ctx context.Context, in *wire.StartInstanceRequest) error {
	return a.Engine.StartInstance(ctx, id[models.InstanceID](in.InstanceId))
}

func (a *API) stopInstance(ctx context.Context, in *wire.StopInstanceRequest) error {
	return a.Engine.StopInstance(ctx, id[models.InstanceID](in.InstanceId), isSet(in.Force))
}

func (a *API) rebootInstance(ctx context.Context, in *wire.RebootInstanceRequest) error {
	return a.Engine.RebootInstance(ctx, id[models.InstanceID](in.InstanceId))
}
