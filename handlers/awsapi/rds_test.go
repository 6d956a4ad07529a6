package awsapi

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
	"opsyard/models/store"
)

func TestRdsDbInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "RegisterRdsDbInstance", "UpdateRdsDbInstance", "DeregisterRdsDbInstance", "DescribeRdsDbInstances")
	stack, other := w.stack(t), w.stack(t, func(s *models.Stack) { s.Name = "Other" })
	arn := "arn:aws:rds:us-east-1:123456789012:db:orders"
	const password, newer = "canary-rds-1", "canary-rds-2"
	register := func(stack models.StackID, arn, user, password string) error {
		_, err := w.admin.RegisterRdsDbInstance(&opsworks.RegisterRdsDbInstanceInput{StackId: str(stack), RdsDbInstanceArn: &arn, DbUser: &user, DbPassword: &password})
		return err
	}
	check(t, register(stack.ID, arn, "app", password))
	wantError(t, register(other.ID, arn, "app", password), invalid, "already registered with a stack")
	wantError(t, register(other.ID, "orders", "app", password), invalid, "Rds db instance arn:")
	wantError(t, register(other.ID, arn+"2", "app", models.Filtered), invalid, "Db password: is missing")
	wantError(t, register("nowhere", arn, "app", password), notFound, "Unable to find stack with ID nowhere")

	describe := func() *opsworks.RdsDbInstance {
		t.Helper()
		list := must(w.admin.DescribeRdsDbInstances(&opsworks.DescribeRdsDbInstancesInput{StackId: str(stack.ID), RdsDbInstanceArns: []*string{&arn}}))(t).RdsDbInstances
		if len(list) != 1 {
			t.Fatalf("got %v", list)
		}
		return list[0]
	}
	if d := describe(); *d.DbInstanceIdentifier != "orders" || *d.Region != "us-east-1" || *d.DbUser != "app" || *d.DbPassword != models.Filtered ||
		!*d.MissingOnRds || d.Address != nil || *d.StackId != string(stack.ID) {
		t.Errorf("registered as %v", d)
	}
	// Where no cloud tells where it is, people may.
	check(t, w.engine.UpdateRdsDbInstance(w.ctx, arn, func(r *models.RdsDbInstance) error {
		r.Address, r.Engine = "orders.example", "mysql"
		return nil
	}))
	if d := describe(); *d.MissingOnRds || *d.Address != "orders.example" || *d.Engine != "mysql" {
		t.Errorf("found as %v", d)
	}

	stored := func() string { return must(w.store.RdsDbInstances.Get(w.ctx, arn))(t).DbPassword }
	update := func(client *opsworks.OpsWorks, arn string, user, password *string) error {
		_, err := client.UpdateRdsDbInstance(&opsworks.UpdateRdsDbInstanceInput{RdsDbInstanceArn: &arn, DbUser: user, DbPassword: password})
		return err
	}
	check(t, update(w.admin, arn, aws.String("boss"), aws.String(models.Filtered))) // as it was read
	if stored() != password {
		t.Errorf("the password written back became %q", stored())
	}
	check(t, update(w.admin, arn, aws.String(""), aws.String("")))
	check(t, update(w.admin, arn, nil, nil))
	check(t, update(w.admin, arn, nil, aws.String(newer)))
	if d := describe(); *d.DbUser != "boss" || stored() != newer {
		t.Errorf("updated to %v, %q", d, stored())
	}
	wantError(t, update(w.admin, arn, aws.String(strings.Repeat("u", 256)), nil), invalid, "DbUser: is too long")
	wantError(t, update(w.admin, arn+"2", nil, nil), notFound, "unable to find rds instance with ARN "+arn+"2")
	wantError(t, update(w.user(t, "ben", models.LevelManage, other), arn, nil, nil), notFound, "unable to find rds instance with ARN "+arn)
	wantError(t, update(w.user(t, "cat", models.LevelShow, stack), arn, nil, nil), denied)

	_, err := w.admin.DescribeRdsDbInstances(&opsworks.DescribeRdsDbInstancesInput{StackId: str(other.ID), RdsDbInstanceArns: []*string{&arn}})
	wantError(t, err, notFound, "unable to find rds instance with ARN "+arn)
	_, err = w.admin.DescribeRdsDbInstances(&opsworks.DescribeRdsDbInstancesInput{StackId: aws.String("nowhere")})
	wantError(t, err, notFound, "Unable to find stack with ID nowhere")
	if list := must(w.admin.DescribeRdsDbInstances(&opsworks.DescribeRdsDbInstancesInput{StackId: str(other.ID)}))(t).RdsDbInstances; len(list) != 0 {
		t.Errorf("the other stack has %v", list)
	}

	// An app's data source names a database of its own stack.
	app := func(stack models.StackID) error {
		_, err := w.admin.CreateApp(&opsworks.CreateAppInput{StackId: str(stack), Name: aws.String("Shop"), Type: aws.String("other"),
			DataSources: []*opsworks.DataSource{{Type: aws.String("RdsDbInstance"), Arn: &arn, DatabaseName: aws.String("shop")}}})
		return err
	}
	check(t, app(stack.ID))
	wantError(t, app(other.ID), notFound, "unable to find rds instance with ARN "+arn)

	deregister := func() error {
		_, err := w.admin.DeregisterRdsDbInstance(&opsworks.DeregisterRdsDbInstanceInput{RdsDbInstanceArn: &arn})
		return err
	}
	check(t, deregister())
	wantError(t, deregister(), notFound, "unable to find rds instance with ARN "+arn)
	check(t, register(other.ID, arn, "app", password))

	// The audit shows that a password changed, never which.
	for _, entry := range must(w.store.Audit.Page(w.ctx, models.AuditFilter{}, store.AuditCursor{}))(t) {
		if text := entry.Before + entry.After; strings.Contains(text, "canary-rds") {
			t.Errorf("the audit of %s holds the password: %s", entry.Action, text)
		}
	}
}

// DeleteStack lets go of everything that was registered with the stack.
func TestDeletedStacksDeregister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ip, disk, rds, ecs = "192.0.2.7", "vol-1", "arn:aws:rds:us-east-1:123456789012:db:orders", "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
	for range 2 { // the second time shows that the first let go
		stack := w.stack(t)
		check(t, w.engine.RegisterElasticIP(w.ctx, stack.ID, ip))
		must(w.engine.RegisterVolume(w.ctx, stack.ID, disk))(t)
		check(t, w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{StackID: stack.ID, Arn: rds, DbUser: "u", DbPassword: "p"}))
		check(t, w.engine.RegisterEcsCluster(w.ctx, stack.ID, ecs))
		done[*opsworks.DeleteStackOutput](t)(w.admin.DeleteStack(&opsworks.DeleteStackInput{StackId: str(stack.ID)}))
	}
}
