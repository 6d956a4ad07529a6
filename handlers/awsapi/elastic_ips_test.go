package awsapi

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// done is for calls whose answer is empty.
func done[T any](t testing.TB) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		check(t, err)
	}
}

// told waits for a Configure of the stack whose cause holds the text.
func (w *world) told(t testing.TB, stack models.StackID, text string) {
	t.Helper()
	eventually(t, "a Configure because "+text, func() bool {
		return w.configures(t, stack, text) > 0
	})
}

func (w *world) configures(t testing.TB, stack models.StackID, text string) int {
	t.Helper()
	n := 0
	for _, d := range must(w.store.Deployments.InStack(w.ctx, stack, 100, 0))(t) {
		if d.CommandName == models.CommandConfigure && strings.Contains(d.Cause.Text, text) {
			n++
		}
	}
	return n
}

const invalid, notFound, denied = "ValidationException", "ResourceNotFoundException", "AccessDeniedException"

func TestElasticIPs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "RegisterElasticIp", "DeregisterElasticIp", "AssociateElasticIp", "DisassociateElasticIp", "UpdateElasticIp", "DescribeElasticIps")
	stack := w.stack(t)
	other := w.stack(t, func(s *models.Stack) { s.Name, s.VpcID, s.DefaultSubnetID = "Other", "vpc-1", "subnet-1" })
	layer := w.layer(t, stack, models.LayerCustom)
	running := w.online(t, layer, 1)[0]
	stopped := w.instance(t, layer)
	const ip, second = "192.0.2.7", "192.0.2.8"

	// register
	made := must(w.admin.RegisterElasticIp(&opsworks.RegisterElasticIpInput{StackId: str(stack.ID), ElasticIp: aws.String(" " + ip)}))(t)
	if aws.StringValue(made.ElasticIp) != ip {
		t.Errorf("registered %v", made)
	}
	done[*opsworks.RegisterElasticIpOutput](t)(w.admin.RegisterElasticIp(&opsworks.RegisterElasticIpInput{StackId: str(other.ID), ElasticIp: aws.String(second)}))
	for _, c := range []struct {
		in         opsworks.RegisterElasticIpInput
		code, text string
	}{
		{opsworks.RegisterElasticIpInput{StackId: str(other.ID), ElasticIp: aws.String(ip)}, invalid, "already registered with a stack"},
		{opsworks.RegisterElasticIpInput{StackId: str(stack.ID), ElasticIp: aws.String("somewhere")}, invalid, "Elastic ip:"},
		{opsworks.RegisterElasticIpInput{StackId: aws.String("nowhere"), ElasticIp: aws.String("192.0.2.9")}, notFound, "Unable to find stack with ID nowhere"},
	} {
		_, err := w.admin.RegisterElasticIp(&c.in)
		wantError(t, err, c.code, c.text)
	}

	// update
	done[*opsworks.UpdateElasticIpOutput](t)(w.admin.UpdateElasticIp(&opsworks.UpdateElasticIpInput{ElasticIp: aws.String(ip), Name: aws.String(strings.Repeat("n", models.MaxElasticIPName))}))
	done[*opsworks.UpdateElasticIpOutput](t)(w.admin.UpdateElasticIp(&opsworks.UpdateElasticIpInput{ElasticIp: aws.String(ip)}))
	_, err := w.admin.UpdateElasticIp(&opsworks.UpdateElasticIpInput{ElasticIp: aws.String(ip), Name: aws.String(strings.Repeat("n", models.MaxElasticIPName+1))})
	wantError(t, err, invalid, "Name: is too long (maximum is 32 characters)")
	_, err = w.admin.UpdateElasticIp(&opsworks.UpdateElasticIpInput{ElasticIp: aws.String("192.0.2.9"), Name: aws.String("x")})
	wantError(t, err, notFound, "Unable to find elastic IP with ID 192.0.2.9")

	// associate: an instance that runs, one that does not, and neither of another stack
	associate := func(ip string, i models.InstanceID) error {
		_, err := w.admin.AssociateElasticIp(&opsworks.AssociateElasticIpInput{ElasticIp: &ip, InstanceId: str(i)})
		return err
	}
	check(t, associate(ip, running.ID))
	w.told(t, stack.ID, "Elastic IP "+ip+" was associated with "+running.Hostname+" by ana")
	check(t, associate(ip, running.ID)) // again: nothing happens
	if n := w.configures(t, stack.ID, "was associated with"); n != 1 {
		t.Errorf("%d Configures tell of one association", n)
	}
	if got := must(w.store.Instances.Get(w.ctx, running.ID))(t).ElasticIP; got != ip {
		t.Errorf("the instance shows %q", got)
	}
	wantError(t, associate(second, running.ID), notFound, "Unable to find instance with ID")
	wantError(t, associate(ip, ""), invalid, "Instance id: is missing")
	_, err = w.admin.DeregisterElasticIp(&opsworks.DeregisterElasticIpInput{ElasticIp: aws.String(ip)})
	wantError(t, err, invalid, "disassociate it first")

	describe := func(client *opsworks.OpsWorks, in opsworks.DescribeElasticIpsInput) []*opsworks.ElasticIp {
		t.Helper()
		return must(client.DescribeElasticIps(&in))(t).ElasticIps
	}
	if list := describe(w.admin, opsworks.DescribeElasticIpsInput{InstanceId: str(running.ID)}); len(list) != 1 || aws.StringValue(list[0].Ip) != ip || aws.StringValue(list[0].Domain) != "standard" {
		t.Errorf("of the instance: %v", list)
	}
	if list := describe(w.admin, opsworks.DescribeElasticIpsInput{StackId: str(other.ID)}); len(list) != 1 || aws.StringValue(list[0].Domain) != "vpc" {
		t.Errorf("of the other stack: %v", list)
	}
	if list := describe(w.admin, opsworks.DescribeElasticIpsInput{Ips: aws.StringSlice([]string{second, ip})}); len(list) != 2 || aws.StringValue(list[0].Ip) != second {
		t.Errorf("of the addresses, in their order: %v", list)
	}
	if list := describe(w.admin, opsworks.DescribeElasticIpsInput{}); len(list) != 2 {
		t.Errorf("of everything: %v", list)
	}
	ben := w.user(t, "ben", models.LevelShow, stack)
	if list := describe(ben, opsworks.DescribeElasticIpsInput{}); len(list) != 1 {
		t.Errorf("of everything that ben may see: %v", list)
	}
	_, err = ben.DescribeElasticIps(&opsworks.DescribeElasticIpsInput{Ips: aws.StringSlice([]string{ip, second})})
	wantError(t, err, notFound, "Unable to find elastic IP with ID "+second)
	_, err = ben.DisassociateElasticIp(&opsworks.DisassociateElasticIpInput{ElasticIp: aws.String(ip)})
	wantError(t, err, denied)
	_, err = ben.DeregisterElasticIp(&opsworks.DeregisterElasticIpInput{ElasticIp: aws.String(second)})
	wantError(t, err, notFound, "Unable to find elastic IP with ID "+second)
	_, err = w.admin.DescribeElasticIps(&opsworks.DescribeElasticIpsInput{StackId: str(stack.ID), InstanceId: str(running.ID)})
	wantError(t, err, invalid, "Please provide either")
	_, err = w.admin.DescribeElasticIps(&opsworks.DescribeElasticIpsInput{InstanceId: aws.String("nobody")})
	wantError(t, err, notFound, "Unable to find instance with ID nobody")

	// disassociate and deregister
	check(t, associate(ip, stopped.ID))
	w.told(t, stack.ID, "was moved from "+running.Hostname+" to "+stopped.Hostname)
	if got := must(w.store.Instances.Get(w.ctx, running.ID))(t).ElasticIP; got != "" {
		t.Errorf("the instance that lost it shows %q", got)
	}
	done[*opsworks.DisassociateElasticIpOutput](t)(w.admin.DisassociateElasticIp(&opsworks.DisassociateElasticIpInput{ElasticIp: aws.String(ip)}))
	w.told(t, stack.ID, "was disassociated from "+stopped.Hostname)
	_, err = w.admin.DisassociateElasticIp(&opsworks.DisassociateElasticIpInput{ElasticIp: aws.String(ip)})
	wantError(t, err, invalid, "is not associated")
	done[*opsworks.DeregisterElasticIpOutput](t)(w.admin.DeregisterElasticIp(&opsworks.DeregisterElasticIpInput{ElasticIp: aws.String(ip)}))
	_, err = w.admin.DeregisterElasticIp(&opsworks.DeregisterElasticIpInput{ElasticIp: aws.String(ip)})
	wantError(t, err, notFound, "Unable to find elastic IP with ID "+ip)
	done[*opsworks.RegisterElasticIpOutput](t)(w.admin.RegisterElasticIp(&opsworks.RegisterElasticIpInput{StackId: str(other.ID), ElasticIp: aws.String(ip)}))
}

// Terraform and others write "" for what is unset, and null into lists.
func TestPitfall27EmptyMembersOfResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	const arn = "arn:aws:rds:us-east-1:123456789012:db:orders"
	check(t, w.engine.RegisterElasticIP(w.ctx, stack.ID, "192.0.2.7"))
	check(t, w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{StackID: stack.ID, Arn: arn, DbUser: "app", DbPassword: "kept"}))
	layer := w.layer(t, stack, models.LayerCustom)
	for _, c := range []struct{ operation, body, says string }{
		{"DescribeElasticIps", `{"StackId": "STACK", "InstanceId": "", "Ips": [null]}`, "192.0.2.7"},
		{"DescribeVolumes", `{"StackId": "STACK", "InstanceId": "", "RaidArrayId": "", "VolumeIds": []}`, `{"Volumes":[]}`},
		{"DescribeRaidArrays", `{"StackId": "STACK", "InstanceId": ""}`, `{"RaidArrays":[]}`},
		{"DescribeRdsDbInstances", `{"StackId": "STACK", "RdsDbInstanceArns": [null]}`, arn},
		{"DescribeElasticLoadBalancers", `{"StackId": "", "LayerIds": ["LAYER", null]}`, `{"ElasticLoadBalancers":[]}`},
		{"DescribeEcsClusters", `{"StackId": "STACK", "EcsClusterArns": [], "NextToken": ""}`, `{"EcsClusters":[]}`},
		{"UpdateRdsDbInstance", `{"RdsDbInstanceArn": "` + arn + `", "DbUser": "", "DbPassword": ""}`, ""},
	} {
		body := strings.NewReplacer("STACK", string(stack.ID), "LAYER", string(layer.ID)).Replace(c.body)
		if status, answer := w.raw(t, w.key, c.operation, body); status != 200 || !strings.Contains(answer, c.says) {
			t.Errorf("%s %s: %d %s", c.operation, body, status, answer)
		}
	}
	if r := must(w.store.RdsDbInstances.Get(w.ctx, arn))(t); r.DbUser != "app" || r.DbPassword != "kept" {
		t.Errorf("nothing was given, and the database became %+v", r)
	}
}
