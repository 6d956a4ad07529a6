package awsapi

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// RegisterVolume gives an id of ours, the mount point comes before the
// instance, and the instance is stopped and runs Linux.
func TestPitfall23Volumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "RegisterVolume", "DeregisterVolume", "AssignVolume", "UnassignVolume", "UpdateVolume", "DescribeVolumes")
	stack := w.stack(t, func(s *models.Stack) { s.Region, s.DefaultAvailabilityZone = "us-east-1", "us-east-1a" })
	other := w.stack(t, func(s *models.Stack) { s.Name = "Other" })
	layer := w.layer(t, stack, models.LayerCustom)
	stopped := w.instance(t, layer)
	running := w.online(t, layer, 1)[0]
	const disk = "vol-0123456789abcdef0"

	// register
	register := func(stack models.StackID, ec2 *string) (*string, error) {
		out, err := w.admin.RegisterVolume(&opsworks.RegisterVolumeInput{StackId: str(stack), Ec2VolumeId: ec2})
		if err != nil {
			return nil, err
		}
		return out.VolumeId, nil
	}
	volume := must(register(stack.ID, aws.String(disk)))(t)
	if len(*volume) != 36 {
		t.Errorf("the id is %s, not a GUID of ours", *volume)
	}
	second := must(register(stack.ID, aws.String("vol-2")))(t)
	_, err := register(other.ID, aws.String(disk))
	wantError(t, err, invalid, "already registered with a stack")
	_, err = register(stack.ID, nil)
	wantError(t, err, invalid, "Ec2 volume id: is missing")
	_, err = register(stack.ID, aws.String("../disk"))
	wantError(t, err, invalid, "Ec2 volume id:")
	_, err = register("nowhere", aws.String("vol-3"))
	wantError(t, err, notFound, "Unable to find stack with ID nowhere")

	// update, then assign
	update := func(volume, name, mount *string) error {
		_, err := w.admin.UpdateVolume(&opsworks.UpdateVolumeInput{VolumeId: volume, Name: name, MountPoint: mount})
		return err
	}
	assign := func(volume *string, i models.InstanceID) error {
		_, err := w.admin.AssignVolume(&opsworks.AssignVolumeInput{VolumeId: volume, InstanceId: str(i)})
		return err
	}
	wantError(t, assign(volume, stopped.ID), invalid, "Mount point: is missing")
	check(t, update(volume, aws.String(strings.Repeat("n", models.MaxVolumeName)), aws.String("/vol/data")))
	check(t, update(second, nil, aws.String("/vol/data")))
	check(t, update(second, aws.String("spare"), nil))
	wantError(t, update(volume, aws.String(strings.Repeat("n", models.MaxVolumeName+1)), nil), invalid, "maximum is 128 characters")
	for _, mount := range append([]string{"/", "data", "/vol/../etc", "/etc/ssl"}, models.ReservedMountPoints...) {
		wantError(t, update(volume, nil, &mount), invalid, "Mount point: ")
	}
	wantError(t, update(aws.String("nothing"), nil, nil), notFound, "Unable to find volume with ID nothing")

	check(t, assign(volume, stopped.ID))
	check(t, assign(volume, stopped.ID)) // again
	wantError(t, assign(second, stopped.ID), invalid, "/vol/data is taken by another volume")
	wantError(t, assign(volume, running.ID), invalid, "is assigned to "+stopped.Hostname)
	wantError(t, assign(second, running.ID), invalid, "a volume can be assigned to a stopped instance only")
	wantError(t, assign(second, "nobody"), notFound, "Unable to find instance with ID nobody")
	wantError(t, assign(second, ""), invalid, "Instance id: is missing")
	_, err = w.admin.DeregisterVolume(&opsworks.DeregisterVolumeInput{VolumeId: volume})
	wantError(t, err, invalid, "unassign it first")

	// describe
	describe := func(in opsworks.DescribeVolumesInput) []*opsworks.Volume {
		t.Helper()
		return must(w.admin.DescribeVolumes(&in))(t).Volumes
	}
	got := describe(opsworks.DescribeVolumesInput{InstanceId: str(stopped.ID)})
	if len(got) != 1 || *got[0].VolumeId != *volume || *got[0].Ec2VolumeId != disk || *got[0].Status != "in-use" || *got[0].Device != "/dev/sdi" ||
		*got[0].MountPoint != "/vol/data" || *got[0].AvailabilityZone != "us-east-1a" || *got[0].Region != "us-east-1" {
		t.Errorf("of the instance: %v", got)
	}
	if got := describe(opsworks.DescribeVolumesInput{StackId: str(stack.ID)}); len(got) != 2 || *got[1].Status != "available" || got[1].InstanceId != nil {
		t.Errorf("of the stack: %v", got)
	}
	if got := describe(opsworks.DescribeVolumesInput{VolumeIds: []*string{second}}); len(got) != 1 || *got[0].Name != "spare" {
		t.Errorf("by id: %v", got)
	}
	if got := describe(opsworks.DescribeVolumesInput{}); len(got) != 2 {
		t.Errorf("of everything: %v", got)
	}
	for _, c := range []struct {
		in         opsworks.DescribeVolumesInput
		code, text string
	}{
		{opsworks.DescribeVolumesInput{StackId: str(stack.ID), RaidArrayId: aws.String("x")}, invalid, "Please provide either"},
		{opsworks.DescribeVolumesInput{VolumeIds: aws.StringSlice([]string{*volume, "a", "b"})}, notFound, "Unable to find volume with ID a, b"},
		{opsworks.DescribeVolumesInput{RaidArrayId: aws.String("x")}, notFound, "Unable to find RAID array with ID x"},
	} {
		_, err := w.admin.DescribeVolumes(&c.in)
		wantError(t, err, c.code, c.text)
	}
	ben := w.user(t, "ben", models.LevelManage, other)
	_, err = ben.UnassignVolume(&opsworks.UnassignVolumeInput{VolumeId: volume})
	wantError(t, err, notFound, "Unable to find volume with ID "+*volume)

	// it comes up with its instance, and stays there while that runs
	check(t, w.engine.StartInstance(w.ctx, stopped.ID))
	w.becomes(t, stopped.ID, models.InstanceOnline)
	_, err = w.admin.UnassignVolume(&opsworks.UnassignVolumeInput{VolumeId: volume})
	wantError(t, err, invalid, "a volume can be unassigned from a stopped instance only")
	wantError(t, update(volume, nil, aws.String("/vol/moved")), invalid, "can be changed while it is stopped")
	check(t, update(volume, aws.String("renamed"), nil))
	check(t, w.engine.StopInstance(w.ctx, stopped.ID, false))
	w.becomes(t, stopped.ID, models.InstanceStopped)

	unassign := func() error {
		_, err := w.admin.UnassignVolume(&opsworks.UnassignVolumeInput{VolumeId: volume})
		return err
	}
	check(t, unassign())
	wantError(t, unassign(), invalid, "is not assigned")
	for _, d := range must(w.store.Deployments.InStack(w.ctx, stack.ID, 100, 0))(t) {
		if strings.Contains(d.Cause.Text, "volume") {
			t.Errorf("a volume fired %s: %s", d.CommandName, d.Cause.Text)
		}
	}
	done[*opsworks.DeregisterVolumeOutput](t)(w.admin.DeregisterVolume(&opsworks.DeregisterVolumeInput{VolumeId: volume}))
	_, err = w.admin.DeregisterVolume(&opsworks.DeregisterVolumeInput{VolumeId: volume})
	wantError(t, err, notFound, "Unable to find volume with ID "+*volume)
	must(register(other.ID, aws.String(disk)))(t)
}

// A layer's volumes are made when an instance starts for the first time, and
// stay with it.
func TestVolumesOfLayers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "DescribeRaidArrays")
	level, iops := 10, 100
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerCustom, func(l *models.Layer) {
		l.VolumeConfigurations = []models.VolumeConfiguration{
			{MountPoint: "/vol/data", NumberOfDisks: 1, Size: 10},
			{MountPoint: "/vol/fast", NumberOfDisks: 4, Size: 401, RaidLevel: &level, VolumeType: "io1", Iops: &iops},
		}
	})
	i := w.online(t, layer, 1)[0]
	all := must(w.admin.DescribeVolumes(&opsworks.DescribeVolumesInput{InstanceId: str(i.ID)}))(t).Volumes
	if len(all) != 5 {
		t.Fatalf("the instance has %d volumes: %v", len(all), all)
	}
	if v := all[0]; *v.MountPoint != "/vol/data" || *v.Size != 10 || *v.VolumeType != "standard" || *v.Name != "Created for "+i.Hostname || *v.Status != "in-use" || v.RaidArrayId != nil {
		t.Errorf("the single volume is %v", v)
	}
	arrays := must(w.admin.DescribeRaidArrays(&opsworks.DescribeRaidArraysInput{InstanceId: str(i.ID)}))(t).RaidArrays
	if len(arrays) != 1 || *arrays[0].Name != "Created for "+i.Hostname || *arrays[0].Device != "/dev/md0" || *arrays[0].MountPoint != "/vol/fast" ||
		*arrays[0].RaidLevel != 10 || *arrays[0].NumberOfDisks != 4 || *arrays[0].Size != 401 || *arrays[0].Iops != 100 {
		t.Fatalf("the array is %v", arrays)
	}
	members := must(w.admin.DescribeVolumes(&opsworks.DescribeVolumesInput{RaidArrayId: arrays[0].RaidArrayId}))(t).Volumes
	if len(members) != 4 || *members[3].Size != 101 || *members[3].Iops != 100 || members[3].MountPoint != nil {
		t.Errorf("its volumes are %v", members)
	}
	for _, in := range []opsworks.DescribeRaidArraysInput{{StackId: str(stack.ID)}, {RaidArrayIds: []*string{arrays[0].RaidArrayId}}, {}} {
		if got := must(w.admin.DescribeRaidArrays(&in))(t).RaidArrays; len(got) != 1 {
			t.Errorf("%v gives %v", in, got)
		}
	}
	_, err := w.admin.DescribeRaidArrays(&opsworks.DescribeRaidArraysInput{StackId: str(stack.ID), InstanceId: str(i.ID)})
	wantError(t, err, invalid, "Please provide either")
	_, err = w.admin.DescribeRaidArrays(&opsworks.DescribeRaidArraysInput{RaidArrayIds: aws.StringSlice([]string{"x"})})
	wantError(t, err, notFound, "Unable to find RAID array with ID x")
	for _, deed := range []func() error{
		func() error {
			return w.engine.UpdateVolume(w.ctx, models.VolumeID(*members[0].VolumeId), func(v *models.Volume) error { v.MountPoint = "/mnt/x"; return nil })
		},
		func() error { return w.engine.UnassignVolume(w.ctx, models.VolumeID(*members[0].VolumeId)) },
	} {
		if err := deed(); err == nil || !strings.Contains(err.Error(), "RAID array") {
			t.Errorf("one volume of an array: %v", err)
		}
	}

	// A change of the layer changes no instance that is there; a restart keeps
	// what it has.
	must(w.engine.UpdateLayer(w.ctx, layer.ID, func(l *models.Layer) error {
		l.VolumeConfigurations = []models.VolumeConfiguration{{MountPoint: "/vol/new", NumberOfDisks: 1, Size: 1}}
		return nil
	}))(t)
	check(t, w.engine.StopInstance(w.ctx, i.ID, false))
	w.becomes(t, i.ID, models.InstanceStopped)
	check(t, w.engine.StartInstance(w.ctx, i.ID))
	w.becomes(t, i.ID, models.InstanceOnline)
	if again := must(w.admin.DescribeVolumes(&opsworks.DescribeVolumesInput{InstanceId: str(i.ID)}))(t).Volumes; len(again) != 5 || *again[0].VolumeId != *all[0].VolumeId {
		t.Errorf("after a restart: %v", again)
	}
}

// DeleteInstance keeps or deletes what the instance has.
func TestDeletedInstancesLeaveTheirResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerCustom, func(l *models.Layer) {
		l.VolumeConfigurations = []models.VolumeConfiguration{{MountPoint: "/vol/data", NumberOfDisks: 1, Size: 10}}
	})
	for _, forGood := range []bool{false, true} {
		i := w.online(t, layer, 1)[0]
		check(t, w.engine.RegisterElasticIP(w.ctx, stack.ID, "192.0.2.7"))
		check(t, w.engine.AssociateElasticIP(w.ctx, "192.0.2.7", i.ID))
		check(t, w.engine.StopInstance(w.ctx, i.ID, false))
		w.becomes(t, i.ID, models.InstanceStopped)
		done[*opsworks.DeleteInstanceOutput](t)(w.admin.DeleteInstance(&opsworks.DeleteInstanceInput{InstanceId: str(i.ID), DeleteElasticIp: &forGood, DeleteVolumes: &forGood}))
		addresses := must(w.store.ElasticIPs.InStack(w.ctx, stack.ID))(t)
		volumes := must(w.store.Volumes.InStack(w.ctx, stack.ID))(t)
		if forGood {
			if len(addresses) != 0 || len(volumes) != 0 {
				t.Errorf("left are %v and %v", addresses, volumes)
			}
			continue
		}
		if len(addresses) != 1 || addresses[0].InstanceID != "" || len(volumes) != 1 || volumes[0].InstanceID != "" || volumes[0].Status != models.VolumeAvailable {
			t.Errorf("kept are %v and %v", addresses, volumes)
		}
		check(t, w.engine.DeregisterElasticIP(w.ctx, "192.0.2.7"))
		check(t, w.engine.DeregisterVolume(w.ctx, volumes[0].ID))
	}
}
