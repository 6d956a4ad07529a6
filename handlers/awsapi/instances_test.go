package awsapi

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// described is one instance as the API shows it.
func described(t testing.TB, client *opsworks.OpsWorks, id string) *opsworks.Instance {
	t.Helper()
	list := must(client.DescribeInstances(&opsworks.DescribeInstancesInput{InstanceIds: []*string{&id}}))(t).Instances
	if len(list) != 1 {
		t.Fatalf("got %d instances with ID %s", len(list), id)
	}
	return list[0]
}

func hostnames(list []*opsworks.Instance) []string {
	var names []string
	for _, i := range list {
		names = append(names, *i.Hostname)
	}
	return names
}

func TestInstanceOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "CreateInstance", "UpdateInstance", "DescribeInstances", "DeleteInstance", "StartInstance", "StopInstance", "RebootInstance")
	stack := w.stack(t, func(s *models.Stack) {
		s.Region, s.VpcID, s.DefaultSubnetID, s.DefaultOs, s.DefaultSSHKeyName = "us-east-1", "vpc-1", "subnet-1", "Ubuntu 22.04 LTS", "team"
		s.DefaultInstanceProfileArn = "arn:aws:iam::123456789012:instance-profile/web"
	})
	web := w.layer(t, stack, models.LayerWeb, func(l *models.Layer) {
		l.UseEbsOptimizedInstances, l.CustomSecurityGroupIDs = true, []string{"sg-1", "sg-2"}
	})
	own := w.layer(t, stack, models.LayerCustom)

	least := must(w.admin.CreateInstance(&opsworks.CreateInstanceInput{
		StackId: str(stack.ID), LayerIds: []*string{str(web.ID)}, InstanceType: aws.String("t2.micro"),
	}))(t).InstanceId
	got := described(t, w.admin, *least)
	for name, pair := range map[string][2]*string{
		"Hostname": {got.Hostname, aws.String("web1")}, "Status": {got.Status, aws.String("stopped")}, "Os": {got.Os, aws.String("Ubuntu 22.04 LTS")},
		"RootDeviceType": {got.RootDeviceType, aws.String("ebs")}, "SshKeyName": {got.SshKeyName, aws.String("team")}, "SubnetId": {got.SubnetId, aws.String("subnet-1")},
		"Architecture": {got.Architecture, aws.String("x86_64")}, "AgentVersion": {got.AgentVersion, aws.String("INHERIT")}, "Tenancy": {got.Tenancy, aws.String("default")},
		"VirtualizationType": {got.VirtualizationType, aws.String("hvm")}, "InfrastructureClass": {got.InfrastructureClass, aws.String("ec2")},
		"InstanceProfileArn": {got.InstanceProfileArn, &stack.DefaultInstanceProfileArn}, "InstanceType": {got.InstanceType, aws.String("t2.micro")},
		"Platform": {got.Platform, aws.String("linux")},
	} {
		if aws.StringValue(pair[0]) != *pair[1] {
			t.Errorf("%s is %q, want %q", name, aws.StringValue(pair[0]), *pair[1])
		}
	}
	if !*got.InstallUpdatesOnBoot || !*got.EbsOptimized || got.AutoScalingType != nil || got.ReportedOs == nil || got.ReportedOs.Family != nil ||
		got.PrivateIp != nil || got.LastServiceErrorId != nil || !slices.Equal(aws.StringValueSlice(got.SecurityGroupIds), []string{"sg-1", "sg-2"}) {
		t.Errorf("a new instance is %v", got)
	}
	if !strings.HasSuffix(*got.Arn, ":instance/"+*least) || !strings.HasSuffix(*got.CreatedAt, "+00:00") {
		t.Errorf("ARN %s, created at %s", *got.Arn, *got.CreatedAt)
	}

	most := must(w.admin.CreateInstance(&opsworks.CreateInstanceInput{
		StackId: str(stack.ID), LayerIds: []*string{str(web.ID), str(own.ID)}, InstanceType: aws.String("m5.large"), AutoScalingType: aws.String("timer"),
		Hostname: aws.String("DB-Primary"), Os: aws.String("Ubuntu 18.04 LTS"), SshKeyName: aws.String("mine"), SubnetId: aws.String("subnet-2"),
		VirtualizationType: aws.String("paravirtual"), Architecture: aws.String("i386"), RootDeviceType: aws.String("instance-store"),
		BlockDeviceMappings: []*opsworks.BlockDeviceMapping{
			{DeviceName: aws.String("/dev/sdb"), VirtualName: aws.String("ephemeral0")},
			{DeviceName: aws.String("/dev/sdc"), Ebs: &opsworks.EbsBlockDevice{
				SnapshotId: aws.String("snap-1"), VolumeSize: aws.Int64(100), VolumeType: aws.String("io1"), Iops: aws.Int64(1000), DeleteOnTermination: aws.Bool(true),
			}},
		},
		InstallUpdatesOnBoot: aws.Bool(false), EbsOptimized: aws.Bool(false), AgentVersion: aws.String("INHERIT"), Tenancy: aws.String("dedicated"),
	}))(t).InstanceId
	full := described(t, w.admin, *most)
	if *full.Hostname != "db-primary" || *full.AutoScalingType != "timer" || *full.InstallUpdatesOnBoot || *full.EbsOptimized || *full.Tenancy != "dedicated" ||
		len(full.BlockDeviceMappings) != 2 || *full.BlockDeviceMappings[1].Ebs.Iops != 1000 || *full.SubnetId != "subnet-2" || *full.Architecture != "i386" ||
		*full.RootDeviceType != "instance-store" || *full.SshKeyName != "mine" || !slices.Equal(aws.StringValueSlice(full.LayerIds), []string{string(web.ID), string(own.ID)}) {
		t.Errorf("a full instance is %v", full)
	}

	_, err := w.admin.UpdateInstance(&opsworks.UpdateInstanceInput{
		InstanceId: most, LayerIds: []*string{str(own.ID)}, InstanceType: aws.String("c5.large"), AutoScalingType: aws.String("load"), Hostname: aws.String("worker-1"),
		Os: aws.String("Ubuntu 22.04 LTS"), SshKeyName: aws.String("other"), Architecture: aws.String("x86_64"), InstallUpdatesOnBoot: aws.Bool(true),
		EbsOptimized: aws.Bool(true), AgentVersion: aws.String("INHERIT"),
	})
	check(t, err)
	full = described(t, w.admin, *most)
	if *full.Hostname != "worker-1" || *full.AutoScalingType != "load" || *full.InstanceType != "c5.large" || *full.Os != "Ubuntu 22.04 LTS" || *full.EbsOptimized ||
		!*full.InstallUpdatesOnBoot || *full.SshKeyName != "other" || !slices.Equal(aws.StringValueSlice(full.LayerIds), []string{string(own.ID)}) {
		t.Errorf("updated to %v", full)
	}
	_, err = w.admin.UpdateInstance(&opsworks.UpdateInstanceInput{InstanceId: most, Hostname: aws.String(""), Os: aws.String(""), SshKeyName: aws.String("")})
	check(t, err)
	if again := described(t, w.admin, *most); *again.Hostname != "worker-1" || *again.SshKeyName != "other" {
		t.Errorf("empty members changed it to %v", again)
	}

	start := func(id *string) error {
		_, err := w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: id})
		return err
	}
	stop := func(id *string, force bool) error {
		_, err := w.admin.StopInstance(&opsworks.StopInstanceInput{InstanceId: id, Force: &force})
		return err
	}
	check(t, start(least))
	w.becomes(t, models.InstanceID(*least), models.InstanceOnline)
	if i := described(t, w.admin, *least); i.PrivateIp == nil || i.Ec2InstanceId == nil || *i.ReportedOs.Family != "debian" || i.ReportedAgentVersion == nil {
		t.Errorf("online it is %v", i)
	}
	_, err = w.admin.RebootInstance(&opsworks.RebootInstanceInput{InstanceId: least})
	check(t, err)
	if path := w.path(t, must(w.store.Instances.Get(w.ctx, models.InstanceID(*least)))(t)); !slices.Contains(path, "rebooting") {
		t.Errorf("it was not rebooted: %v", path)
	}
	w.becomes(t, models.InstanceID(*least), models.InstanceOnline)
	wantError(t, start(least), invalid, "only a stopped instance")
	_, err = w.admin.UpdateInstance(&opsworks.UpdateInstanceInput{InstanceId: least, Hostname: aws.String("other")})
	wantError(t, err, invalid, "stop it before you change it")
	_, err = w.admin.DeleteInstance(&opsworks.DeleteInstanceInput{InstanceId: least})
	wantError(t, err, invalid, "stop it before you delete it")
	check(t, stop(least, false))
	w.becomes(t, models.InstanceID(*least), models.InstanceStopped)
	wantError(t, stop(least, true), invalid, "cannot be stopped")
	_, err = w.admin.RebootInstance(&opsworks.RebootInstanceInput{InstanceId: least})
	wantError(t, err, invalid, "only an online instance")
	_, err = w.admin.DeleteInstance(&opsworks.DeleteInstanceInput{InstanceId: least, DeleteElasticIp: aws.Bool(true), DeleteVolumes: aws.Bool(true)})
	check(t, err)

	_, err = w.admin.DescribeInstances(&opsworks.DescribeInstancesInput{InstanceIds: []*string{least}})
	wantError(t, err, notFound, "Unable to find instance with ID "+*least)
	for name, err := range map[string]error{"start": start(least), "stop": stop(least, false)} {
		t.Run("ErrGone/"+name, func(t *testing.T) { wantError(t, err, notFound, "Unable to find instance with ID "+*least) })
	}
}

func TestCreateInstanceRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack, other := w.stack(t), w.stack(t, func(s *models.Stack) { s.Name = "Other" })
	web, foreign := w.layer(t, stack, models.LayerWeb), w.layer(t, other, models.LayerWeb)
	w.instance(t, web, func(i *models.Instance) { i.Hostname = "taken" })
	for name, c := range map[string]struct {
		change func(*opsworks.CreateInstanceInput)
		code   string
		text   string
	}{
		"unknown stack":         {func(in *opsworks.CreateInstanceInput) { in.StackId = aws.String("none") }, notFound, "Unable to find stack with ID none"},
		"unknown layer":         {func(in *opsworks.CreateInstanceInput) { in.LayerIds = []*string{aws.String("none")} }, notFound, "Unable to find layer with ID none"},
		"no layer":              {func(in *opsworks.CreateInstanceInput) { in.LayerIds = []*string{} }, invalid, "Layer ids"},
		"another stack's layer": {func(in *opsworks.CreateInstanceInput) { in.LayerIds = []*string{str(foreign.ID)} }, invalid, "Please only provide layer IDs from the same stack"},
		"unknown type":          {func(in *opsworks.CreateInstanceInput) { in.InstanceType = aws.String("x1.enormous") }, invalid, "Instance Type: is not supported for"},
		"taken hostname":        {func(in *opsworks.CreateInstanceInput) { in.Hostname = aws.String("TAKEN") }, invalid, `already an instance with hostname "taken"`},
		"bad hostname":          {func(in *opsworks.CreateInstanceInput) { in.Hostname = aws.String("a_b") }, invalid, "Hostname:"},
		"long hostname":         {func(in *opsworks.CreateInstanceInput) { in.Hostname = aws.String(strings.Repeat("a", 64)) }, invalid, "Hostname:"},
		"bad scaling":           {func(in *opsworks.CreateInstanceInput) { in.AutoScalingType = aws.String("always") }, invalid, "utoScalingType"},
		"bad architecture":      {func(in *opsworks.CreateInstanceInput) { in.Architecture = aws.String("vax") }, invalid, "rchitecture"},
		"bad root device":       {func(in *opsworks.CreateInstanceInput) { in.RootDeviceType = aws.String("tape") }, invalid, "ootDeviceType"},
		"bad tenancy":           {func(in *opsworks.CreateInstanceInput) { in.Tenancy = aws.String("shared") }, invalid, "Tenancy: must be"},
		"bad virtualization":    {func(in *opsworks.CreateInstanceInput) { in.VirtualizationType = aws.String("full") }, invalid, "irtualization"},
		"bad agent version":     {func(in *opsworks.CreateInstanceInput) { in.AgentVersion = aws.String("newest") }, invalid, "Agent version"},
		"unknown agent version": {func(in *opsworks.CreateInstanceInput) { in.AgentVersion = aws.String("3451") }, invalid, "is not offered here"},
		"Windows among Linux":   {func(in *opsworks.CreateInstanceInput) { in.Os = aws.String("Microsoft Windows Server 2012 R2 Base") }, invalid, "all Linux or all Windows"},
		"a system of the past":  {func(in *opsworks.CreateInstanceInput) { in.Os = aws.String("Ubuntu 12.04 LTS") }, invalid, "no longer supported"},
		"AMI without Custom":    {func(in *opsworks.CreateInstanceInput) { in.AmiId = aws.String("ami-1") }, invalid, "Os: must be Custom"},
		"Custom without AMI":    {func(in *opsworks.CreateInstanceInput) { in.Os = aws.String("Custom") }, invalid, "Ami id: is needed"},
		"disks with an AMI": {func(in *opsworks.CreateInstanceInput) {
			in.Os, in.AmiId = aws.String("Custom"), aws.String("ami-1")
			in.BlockDeviceMappings = []*opsworks.BlockDeviceMapping{{DeviceName: aws.String("/dev/sdb"), VirtualName: aws.String("ephemeral0")}}
		}, invalid, "cannot be used with a custom AMI"},
		"small root": {root(7, "gp2"), invalid, "8 to 16384 GiB"}, "large root": {root(16385, "gp2"), invalid, "8 to 16384 GiB"},
		"large magnetic root": {root(1025, "standard"), invalid, "8 to 1024 GiB"},
		"subnet without VPC":  {func(in *opsworks.CreateInstanceInput) { in.SubnetId = aws.String("subnet-1") }, invalid, "not in a VPC"},
		"zone elsewhere":      {func(in *opsworks.CreateInstanceInput) { in.AvailabilityZone = aws.String("mars-1a") }, invalid, "Availability zone"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &opsworks.CreateInstanceInput{StackId: str(stack.ID), LayerIds: []*string{str(web.ID)}, InstanceType: aws.String("t2.micro")}
			c.change(in)
			_, err := w.admin.CreateInstance(in)
			wantError(t, err, c.code, c.text)
		})
	}
	for name, size := range map[string]int64{"least": 8, "most": 1024} {
		in := &opsworks.CreateInstanceInput{StackId: str(stack.ID), LayerIds: []*string{str(web.ID)}, InstanceType: aws.String("t2.micro")}
		root(size, "standard")(in)
		if _, err := w.admin.CreateInstance(in); err != nil {
			t.Errorf("%s root: %v", name, err)
		}
	}
}

func root(size int64, kind string) func(*opsworks.CreateInstanceInput) {
	return func(in *opsworks.CreateInstanceInput) {
		in.BlockDeviceMappings = []*opsworks.BlockDeviceMapping{{
			DeviceName: aws.String(models.RootDevice), Ebs: &opsworks.EbsBlockDevice{VolumeSize: &size, VolumeType: &kind},
		}}
	}
}

func TestUpdateInstanceRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t, func(s *models.Stack) { s.DefaultOs = "Ubuntu 22.04 LTS" })
	web := w.layer(t, stack, models.LayerWeb)
	disk, image := w.instance(t, web), w.instance(t, web, func(i *models.Instance) { i.Os, i.AmiID = models.OSCustom, "ami-1" })
	swap := w.instance(t, web, func(i *models.Instance) { i.RootDeviceType = models.RootDeviceInstanceStore })
	update := func(id models.InstanceID, change func(*opsworks.UpdateInstanceInput)) error {
		in := &opsworks.UpdateInstanceInput{InstanceId: str(id)}
		change(in)
		_, err := w.admin.UpdateInstance(in)
		return err
	}
	newOS := func(os string) func(*opsworks.UpdateInstanceInput) {
		return func(in *opsworks.UpdateInstanceInput) { in.Os = &os }
	}
	wantError(t, update(disk.ID, newOS("Ubuntu 18.04 LTS")), invalid, "keeps the operating system")
	wantError(t, update(swap.ID, newOS("Microsoft Windows Server 2012 R2 Base")), invalid, "all Linux or all Windows")
	check(t, update(swap.ID, newOS("Ubuntu 18.04 LTS")))
	wantError(t, update(image.ID, func(in *opsworks.UpdateInstanceInput) { in.Hostname = aws.String("other") }), invalid, "custom AMI")
	wantError(t, update(disk.ID, func(in *opsworks.UpdateInstanceInput) { in.AmiId = aws.String("ami-2") }), invalid, "Os: must be Custom")
	wantError(t, update(disk.ID, func(in *opsworks.UpdateInstanceInput) { in.LayerIds = []*string{} }), invalid, "choose at least one layer")
	wantError(t, update(disk.ID, func(in *opsworks.UpdateInstanceInput) { in.InstanceType = aws.String("none.large") }), invalid, "Instance Type: is not supported for")
	wantError(t, update(disk.ID, func(in *opsworks.UpdateInstanceInput) { in.Hostname = &swap.Hostname }), invalid, "already an instance")
	wantError(t, update("none", func(*opsworks.UpdateInstanceInput) {}), notFound, "Unable to find instance with ID none")
}

func TestDescribeInstancesBySelector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	web, own := w.layer(t, stack, models.LayerWeb), w.layer(t, stack, models.LayerCustom)
	a, b := w.instance(t, web), w.instance(t, own)
	describe := func(in opsworks.DescribeInstancesInput) ([]string, error) {
		out, err := w.admin.DescribeInstances(&in)
		if err != nil {
			return nil, err
		}
		return hostnames(out.Instances), nil
	}
	for name, c := range map[string]struct {
		in   opsworks.DescribeInstancesInput
		want []string
	}{
		"stack": {opsworks.DescribeInstancesInput{StackId: str(stack.ID)}, []string{"web1", "workers1"}},
		"layer": {opsworks.DescribeInstancesInput{LayerId: str(own.ID)}, []string{"workers1"}},
		"ids":   {opsworks.DescribeInstancesInput{InstanceIds: []*string{str(b.ID), str(a.ID)}}, []string{"workers1", "web1"}},
	} {
		if got, err := describe(c.in); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
	for _, in := range []opsworks.DescribeInstancesInput{
		{}, {StackId: str(stack.ID), LayerId: str(web.ID)}, {StackId: str(stack.ID), InstanceIds: []*string{str(a.ID)}},
	} {
		_, err := describe(in)
		wantError(t, err, invalid, instanceSelectors)
	}
	for _, in := range []opsworks.DescribeInstancesInput{
		{StackId: aws.String("none")}, {LayerId: aws.String("none")}, {InstanceIds: []*string{str(a.ID), aws.String("none")}},
	} {
		_, err := describe(in)
		wantError(t, err, notFound, "none")
	}
	stranger := w.user(t, "eve", models.LevelShow, w.stack(t, func(s *models.Stack) { s.Name = "Other" }))
	for _, in := range []opsworks.DescribeInstancesInput{{StackId: str(stack.ID)}, {LayerId: str(web.ID)}, {InstanceIds: []*string{str(a.ID)}}} {
		_, err := stranger.DescribeInstances(&in)
		wantError(t, err, notFound, "Unable to find")
	}
}

// Clients' waiters read the status as soon as the verb has answered.
func TestPitfall04StatusChangesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	id := str(w.instance(t, w.layer(t, stack, models.LayerWeb)).ID)
	_, err := w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: id})
	check(t, err)
	if got := *described(t, w.admin, *id).Status; got == "stopped" || got == "start_failed" {
		t.Errorf("right after StartInstance the status is %s", got)
	}
	often := request.WithWaiterDelay(request.ConstantWaiterDelay(20 * time.Millisecond))
	check(t, w.admin.WaitUntilInstanceOnlineWithContext(t.Context(), &opsworks.DescribeInstancesInput{InstanceIds: []*string{id}}, often, request.WithWaiterMaxAttempts(1000)))
	_, err = w.admin.StopInstance(&opsworks.StopInstanceInput{InstanceId: id})
	check(t, err)
	if got := *described(t, w.admin, *id).Status; !slices.Contains([]string{"stopping", "shutting_down", "stopped"}, got) {
		t.Errorf("right after StopInstance the status is %s", got)
	}
	w.becomes(t, models.InstanceID(*id), models.InstanceStopped)
	_, err = w.admin.DeleteInstance(&opsworks.DeleteInstanceInput{InstanceId: id})
	check(t, err)
	check(t, w.admin.WaitUntilInstanceTerminatedWithContext(t.Context(), &opsworks.DescribeInstancesInput{InstanceIds: []*string{id}}, often))
}

// A stop goes stopping or terminating, then shutting_down, then stopped.
func TestPitfall05OrderOfAStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerWeb)
	for root, want := range map[string][]string{
		models.RootDeviceEBS:           {"stopping", "shutting_down", "stopped"},
		models.RootDeviceInstanceStore: {"terminating", "shutting_down", "terminated", "stopped"},
	} {
		i := w.instance(t, layer, func(i *models.Instance) { i.RootDeviceType = root })
		check(t, w.engine.StartInstance(w.ctx, i.ID))
		w.becomes(t, i.ID, models.InstanceOnline)
		_, err := w.admin.StopInstance(&opsworks.StopInstanceInput{InstanceId: str(i.ID)})
		check(t, err)
		w.becomes(t, i.ID, models.InstanceStopped)
		if got := w.path(t, i); !slices.Equal(got[len(got)-len(want):], want) {
			t.Errorf("%s: it went %v, want %v at the end", root, got, want)
		}
	}
}

// path is the states that an instance has been in, from the stack's timeline.
func (w *world) path(t testing.TB, i *models.Instance) []string {
	t.Helper()
	var states []string
	for _, e := range must(w.store.Events.OfInstance(w.ctx, i.ID, 0, 100))(t) {
		if state, ok := strings.CutPrefix(e.Text, i.Hostname+" is "); ok && e.Kind == "instance" {
			states = append(states, state)
		}
	}
	return states
}

// The API's root device is instance-store unless somebody asks for EBS.
func TestPitfall19RootDeviceOfInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := must(w.admin.CreateStack(&opsworks.CreateStackInput{
		Name: aws.String("Plain"), Region: aws.String("us-east-1"), ServiceRoleArn: aws.String("arn:aws:iam::123456789012:role/ow"),
		DefaultInstanceProfileArn: aws.String("arn:aws:iam::123456789012:instance-profile/ow"),
	}))(t)
	layer := must(w.admin.CreateLayer(&opsworks.CreateLayerInput{StackId: made.StackId, Type: aws.String("custom"), Name: aws.String("Own"), Shortname: aws.String("own")}))(t)
	i := must(w.admin.CreateInstance(&opsworks.CreateInstanceInput{StackId: made.StackId, LayerIds: []*string{layer.LayerId}, InstanceType: aws.String("c3.large")}))(t)
	if got := described(t, w.admin, *i.InstanceId); *got.RootDeviceType != "instance-store" || *got.Os != "Amazon Linux 2" {
		t.Errorf("root device %s, os %s", *got.RootDeviceType, *got.Os)
	}
}

func TestTimeBasedInstancesAreNotStartedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	layer := w.layer(t, w.stack(t), models.LayerWeb)
	timer := w.instance(t, layer, func(i *models.Instance) { i.AutoScalingType = models.ScalingTimer })
	_, err := w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: str(timer.ID)})
	wantError(t, err, invalid, "schedule")
	load := w.instance(t, layer, func(i *models.Instance) { i.AutoScalingType = models.ScalingLoad })
	_, err = w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: str(load.ID)})
	check(t, err)
}
