package awsapi

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

func TestLoadBalancers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "AttachElasticLoadBalancer", "DetachElasticLoadBalancer", "DescribeElasticLoadBalancers")
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerCustom)
	bare := w.layer(t, stack, models.LayerCustom, func(l *models.Layer) { l.Name, l.Shortname = "Bare", "bare" })
	i := w.online(t, layer, 1)[0]
	w.instance(t, layer) // does not run
	attach := func(name string, layer models.LayerID) error {
		_, err := w.admin.AttachElasticLoadBalancer(&opsworks.AttachElasticLoadBalancerInput{ElasticLoadBalancerName: &name, LayerId: str(layer)})
		return err
	}
	check(t, attach("front", layer.ID))
	w.told(t, stack.ID, "load balancer front was attached to layer Workers by ana")
	wantError(t, attach("back", layer.ID), invalid, "The layer already has a load balancer")
	wantError(t, attach("front", bare.ID), invalid, "already attached to a layer")
	wantError(t, attach("not a name", bare.ID), invalid, "Elastic load balancer name:")
	wantError(t, attach("back", "nowhere"), notFound, "Unable to find layer with ID nowhere")

	check(t, w.engine.UpdateElasticLoadBalancer(w.ctx, "front", layer.ID, func(b *models.ElasticLoadBalancer) error {
		b.DNSName, b.AvailabilityZones = "front.example", []string{"us-east-1a"}
		return nil
	}))
	describe := func(in opsworks.DescribeElasticLoadBalancersInput) []*opsworks.ElasticLoadBalancer {
		t.Helper()
		return must(w.admin.DescribeElasticLoadBalancers(&in))(t).ElasticLoadBalancers
	}
	for _, in := range []opsworks.DescribeElasticLoadBalancersInput{
		{StackId: str(stack.ID)}, {LayerIds: []*string{str(bare.ID), str(layer.ID)}}, {},
	} {
		list := describe(in)
		if len(list) != 1 || aws.StringValue(list[0].DnsName) != "front.example" || len(list[0].Ec2InstanceIds) != 1 ||
			aws.StringValue(list[0].Ec2InstanceIds[0]) != i.Ec2InstanceID || aws.StringValue(list[0].Region) != stack.Region {
			t.Errorf("%v gives %v", in, list)
		}
	}
	if list := describe(opsworks.DescribeElasticLoadBalancersInput{LayerIds: []*string{str(bare.ID)}}); list == nil || len(list) != 0 {
		t.Errorf("of a layer without one: %v", list)
	}
	_, err := w.admin.DescribeElasticLoadBalancers(&opsworks.DescribeElasticLoadBalancersInput{StackId: str(stack.ID), LayerIds: []*string{str(layer.ID)}})
	wantError(t, err, invalid, "Please provide either one or more layer IDs or one stack ID")
	_, err = w.admin.DescribeElasticLoadBalancers(&opsworks.DescribeElasticLoadBalancersInput{LayerIds: aws.StringSlice([]string{"nowhere"})})
	wantError(t, err, notFound, "Unable to find layer with ID nowhere")
	ben := w.user(t, "ben", models.LevelDeploy, stack)
	_, err = ben.DetachElasticLoadBalancer(&opsworks.DetachElasticLoadBalancerInput{ElasticLoadBalancerName: aws.String("front"), LayerId: str(layer.ID)})
	wantError(t, err, denied)

	detach := func(name string, layer models.LayerID) error {
		_, err := w.admin.DetachElasticLoadBalancer(&opsworks.DetachElasticLoadBalancerInput{ElasticLoadBalancerName: &name, LayerId: str(layer)})
		return err
	}
	wantError(t, detach("back", layer.ID), notFound, "back")
	wantError(t, detach("front", bare.ID), notFound, "front")
	check(t, detach("front", layer.ID))
	w.told(t, stack.ID, "load balancer front was detached from layer Workers")
	check(t, attach("front", bare.ID))
}

func TestEcsClusters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "RegisterEcsCluster", "DeregisterEcsCluster")
	stack, other := w.stack(t), w.stack(t, func(s *models.Stack) { s.Name = "Other" })
	arn := func(name string) *string { return aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/" + name) }
	register := func(stack models.StackID, arn *string) error {
		out, err := w.admin.RegisterEcsCluster(&opsworks.RegisterEcsClusterInput{StackId: str(stack), EcsClusterArn: arn})
		if err == nil && aws.StringValue(out.EcsClusterArn) != *arn {
			t.Errorf("registered %v", out)
		}
		return err
	}
	check(t, register(stack.ID, arn("jobs")))
	wantError(t, register(stack.ID, arn("more")), invalid, "The stack already has an ECS cluster")
	wantError(t, register(other.ID, arn("jobs")), invalid, "already registered with a stack")
	wantError(t, register(other.ID, aws.String("jobs")), invalid, "Ecs cluster arn:")
	wantError(t, register("nowhere", arn("more")), notFound, "Unable to find stack with ID nowhere")
	ben := w.user(t, "ben", models.LevelManage, other)
	_, err := ben.DeregisterEcsCluster(&opsworks.DeregisterEcsClusterInput{EcsClusterArn: arn("jobs")})
	wantError(t, err, notFound)

	// The layer goes before the cluster or after it: Terraform and the guide differ.
	for _, layerFirst := range []bool{true, false} {
		layer := w.layer(t, stack, models.LayerECSCluster, func(l *models.Layer) { l.Attributes = map[string]string{"EcsClusterArn": *arn("jobs")} })
		steps := []func() error{
			func() error {
				_, err := w.admin.DeregisterEcsCluster(&opsworks.DeregisterEcsClusterInput{EcsClusterArn: arn("jobs")})
				return err
			},
			func() error { return w.engine.DeleteLayer(w.ctx, layer.ID) },
		}
		if layerFirst {
			steps[0], steps[1] = steps[1], steps[0]
		}
		for _, step := range steps {
			check(t, step())
		}
		check(t, register(stack.ID, arn("jobs")))
	}
	_, err = w.admin.DeregisterEcsCluster(&opsworks.DeregisterEcsClusterInput{EcsClusterArn: arn("never")})
	wantError(t, err, notFound, "cluster/never")
}

// Of all operations only this one has pages.
func TestPitfall20OnlyEcsClustersHavePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "DescribeEcsClusters")
	const many = 5
	var stacks []*models.Stack
	for n := range many {
		s := w.stack(t, func(s *models.Stack) { s.Name = fmt.Sprintf("Stack %d", n) })
		check(t, w.engine.RegisterEcsCluster(w.ctx, s.ID, fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:cluster/c%d", n)))
		stacks = append(stacks, s)
	}
	var seen []string
	var pages []int
	check(t, w.admin.DescribeEcsClustersPages(&opsworks.DescribeEcsClustersInput{MaxResults: aws.Int64(2)}, func(page *opsworks.DescribeEcsClustersOutput, last bool) bool {
		pages = append(pages, len(page.EcsClusters))
		for _, c := range page.EcsClusters {
			seen = append(seen, aws.StringValue(c.EcsClusterName))
		}
		return true
	}))
	if fmt.Sprint(seen, pages) != "[c0 c1 c2 c3 c4] [2 2 1]" {
		t.Errorf("pages of two: %v, %v", seen, pages)
	}
	one := must(w.admin.DescribeEcsClusters(&opsworks.DescribeEcsClustersInput{StackId: str(stacks[3].ID), MaxResults: aws.Int64(1)}))(t)
	if len(one.EcsClusters) != 1 || one.NextToken != nil || aws.StringValue(one.EcsClusters[0].StackId) != string(stacks[3].ID) {
		t.Errorf("of one stack: %v", one)
	}
	named := []*string{aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/c4"), aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/c1")}
	if got := must(w.admin.DescribeEcsClusters(&opsworks.DescribeEcsClustersInput{EcsClusterArns: named}))(t); len(got.EcsClusters) != 2 {
		t.Errorf("by ARN: %v", got)
	}
	for _, c := range []struct {
		in         opsworks.DescribeEcsClustersInput
		code, text string
	}{
		{opsworks.DescribeEcsClustersInput{StackId: str(stacks[0].ID), EcsClusterArns: named}, invalid, "Please provide either"},
		{opsworks.DescribeEcsClustersInput{MaxResults: aws.Int64(0)}, invalid, "Max results:"},
		{opsworks.DescribeEcsClustersInput{NextToken: aws.String("c2VjcmV0")}, invalid, "Next token:"},
		{opsworks.DescribeEcsClustersInput{EcsClusterArns: aws.StringSlice([]string{"arn:none"})}, notFound, "Unable to find ECS cluster with ID arn:none"},
		{opsworks.DescribeEcsClustersInput{StackId: aws.String("nowhere")}, notFound, "Unable to find stack with ID nowhere"},
	} {
		_, err := w.admin.DescribeEcsClusters(&c.in)
		wantError(t, err, c.code, c.text)
	}
	ben := w.user(t, "ben", models.LevelShow, stacks[1])
	if got := must(ben.DescribeEcsClusters(&opsworks.DescribeEcsClustersInput{MaxResults: aws.Int64(1)}))(t); len(got.EcsClusters) != 1 || got.NextToken != nil {
		t.Errorf("ben sees %v", got)
	}
}
