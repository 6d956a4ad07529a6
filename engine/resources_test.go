package engine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

const (
	rdsArn = "arn:aws:rds:us-east-1:123456789012:db:orders"
	ecsArn = "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// configures is how many Configures an instance was sent.
func (w *world) configures(i *models.Instance) int {
	n := 0
	for _, c := range w.commands(i) {
		if c.Type == models.CommandConfigure {
			n++
		}
	}
	return n
}

// cause is why an instance's latest Configure ran.
func (w *world) cause(i *models.Instance) models.Cause {
	w.t.Helper()
	all := w.commands(i)
	return must(w.store.Deployments.Get(w.ctx, all[len(all)-1].DeploymentID))(w.t).Cause
}

// Addresses and balancers fire Configure on every online instance when they
// come and go; volumes, names and registrations do not.
func TestPitfall07ResourcesThatFireConfigure(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i, other := w.online(w.web), w.online(w.lb)
		stopped := w.instance(w.web)
		fires := func(text string, deed func() error) {
			t.Helper()
			before := []int{w.configures(i), w.configures(other)}
			ok(t, deed())
			w.eventually(text, func() bool { return w.configures(i) > before[0] && w.configures(other) > before[1] })
			w.drain()
			if c := w.cause(i); c.Kind != models.CauseChange || c.Text != text {
				t.Errorf("the cause is %s %q, want %q", c.Kind, c.Text, text)
			}
		}
		const ip = "192.0.2.7"
		var volume *models.Volume
		quiet := []func() error{
			func() error { return w.engine.RegisterElasticIP(w.ctx, w.stack.ID, ip) },
			func() error { return w.engine.UpdateElasticIP(w.ctx, ip, "front") },
			func() (err error) { volume, err = w.engine.RegisterVolume(w.ctx, w.stack.ID, "vol-1"); return err },
			func() error {
				return w.engine.UpdateVolume(w.ctx, volume.ID, func(v *models.Volume) error { v.MountPoint = "/vol/data"; return nil })
			},
			func() error { return w.engine.AssignVolume(w.ctx, volume.ID, stopped.ID) },
			func() error { return w.engine.UnassignVolume(w.ctx, volume.ID) },
			func() error {
				return w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{StackID: w.stack.ID, Arn: rdsArn, DbUser: "u", DbPassword: "p"})
			},
			func() error { return w.engine.RegisterEcsCluster(w.ctx, w.stack.ID, ecsArn) },
		}
		before := w.configures(i)
		for _, deed := range quiet {
			ok(t, deed())
		}
		fires("Elastic IP "+ip+" was associated with "+i.Hostname, func() error { return w.engine.AssociateElasticIP(w.ctx, ip, i.ID) })
		if got := w.configures(i); got != before+1 {
			t.Errorf("%d Configures ran for registrations and volumes", got-before-1)
		}
		fires("Elastic IP "+ip+" was moved from "+i.Hostname+" to "+other.Hostname, func() error { return w.engine.AssociateElasticIP(w.ctx, ip, other.ID) })
		fires("Elastic IP "+ip+" was disassociated from "+other.Hostname, func() error { return w.engine.DisassociateElasticIP(w.ctx, ip) })
		fires("load balancer front was attached to layer Web", func() error { return w.engine.AttachElasticLoadBalancer(w.ctx, "front", w.web.ID) })
		fires("load balancer front was detached from layer Web", func() error { return w.engine.DetachElasticLoadBalancer(w.ctx, "front", w.web.ID) })
		// Several at once are one run that tells of all.
		text := "load balancer a was attached to layer Web; load balancer b was attached to layer Balancer"
		fires(text, func() error {
			return w.engine.tx(w.ctx, func(tx *tx) error {
				if err := tx.noteChange(w.ctx, w.stack.ID, "load balancer a was attached to layer Web"); err != nil {
					return err
				}
				return tx.noteChange(w.ctx, w.stack.ID, "load balancer b was attached to layer Balancer")
			})
		})
	})
}

// An instance has one address; another one takes its place.
func TestOneElasticIPPerInstance(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.instance(w.web)
		for _, ip := range []string{"192.0.2.7", "192.0.2.8"} {
			ok(t, w.engine.RegisterElasticIP(w.ctx, w.stack.ID, ip))
			ok(t, w.engine.AssociateElasticIP(w.ctx, ip, i.ID))
		}
		has := must(w.store.ElasticIPs.OfInstance(w.ctx, i.ID))(t)
		if len(has) != 1 || has[0].IP != "192.0.2.8" || must(w.store.Instances.Get(w.ctx, i.ID))(t).ElasticIP != "192.0.2.8" {
			t.Errorf("the instance has %v", has)
		}
		ok(t, w.engine.DeregisterElasticIP(w.ctx, "192.0.2.7")) // nobody has it
		// A changed instance keeps its address.
		must(w.engine.UpdateInstance(w.ctx, i.ID, func(i *models.Instance) error { i.Hostname = "renamed"; return nil }))(t)
		if got := must(w.store.Instances.Get(w.ctx, i.ID))(t).ElasticIP; got != "192.0.2.8" {
			t.Errorf("after a change of the instance its address is %q", got)
		}
		wantRefusal(t, w.engine.RegisterElasticIP(w.ctx, w.stack.ID, "::1"), models.CodeInvalid, "Elastic ip:")
	})
}

// Each resource belongs to one stack at a time.
func TestOneStackPerResource(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := must(w.engine.CreateStack(w.ctx, models.Stack{Name: "Other", DefaultOs: w.stack.DefaultOs}))(t)
		var volume *models.Volume
		for _, c := range []struct {
			what     string
			register func(models.StackID) error
			release  func() error
		}{
			{"address", func(s models.StackID) error { return w.engine.RegisterElasticIP(w.ctx, s, "192.0.2.7") },
				func() error { return w.engine.DeregisterElasticIP(w.ctx, "192.0.2.7") }},
			{"volume", func(s models.StackID) error {
				v, err := w.engine.RegisterVolume(w.ctx, s, "vol-1")
				if err == nil {
					volume = v
				}
				return err
			}, func() error { return w.engine.DeregisterVolume(w.ctx, volume.ID) }},
			{"database", func(s models.StackID) error {
				return w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{StackID: s, Arn: rdsArn, DbUser: "u", DbPassword: "p"})
			}, func() error { return w.engine.DeregisterRdsDbInstance(w.ctx, rdsArn) }},
			{"cluster", func(s models.StackID) error { return w.engine.RegisterEcsCluster(w.ctx, s, ecsArn) },
				func() error { return w.engine.DeregisterEcsCluster(w.ctx, ecsArn) }},
		} {
			ok(t, c.register(w.stack.ID))
			wantRefusal(t, c.register(other.ID), models.CodeInvalid, "is already registered with a stack: deregister it there first")
			ok(t, c.release())
			ok(t, c.register(other.ID))
			if err := c.release(); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			if err := c.release(); models.CodeOf(err) != models.CodeNotFound {
				t.Errorf("%s that is gone: %v", c.what, err)
			}
		}
	})
}

// The provider is told of the disks that layers ask for and of those that were
// assigned; Windows and Chef 12 have their limits.
func TestMachinesGetTheirDisks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		level := 0
		must(w.engine.UpdateLayer(w.ctx, w.web.ID, func(l *models.Layer) error {
			l.VolumeConfigurations = []models.VolumeConfiguration{
				{MountPoint: "/vol/one", NumberOfDisks: 1, Size: 10},
				{MountPoint: "/vol/array", NumberOfDisks: 2, Size: 20, RaidLevel: &level},
			}
			return nil
		}))(t)
		i := w.instance(w.web)
		spare := must(w.engine.RegisterVolume(w.ctx, w.stack.ID, "vol-spare"))(t)
		ok(t, w.engine.UpdateVolume(w.ctx, spare.ID, func(v *models.Volume) error { v.MountPoint = "/vol/spare"; return nil }))
		ok(t, w.engine.AssignVolume(w.ctx, spare.ID, i.ID))
		w.start(i)
		mounts := func() (at []string) {
			for _, v := range w.provider.disks(i.ID) {
				at = append(at, v.MountPoint)
			}
			slices.Sort(at)
			return at
		}
		want := []string{"/vol/array", "/vol/one", "/vol/spare"}
		if got := mounts(); !slices.Equal(got, want) {
			t.Errorf("the machine has %v, want %v", got, want)
		}
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
		w.drain()
		first := must(w.store.Volumes.OfInstance(w.ctx, i.ID))(t)
		ok(t, w.engine.StopInstance(w.ctx, i.ID, true))
		w.becomes(i, models.InstanceStopped)
		ok(t, w.engine.UnassignVolume(w.ctx, spare.ID))
		ok(t, w.engine.StartInstance(w.ctx, i.ID))
		w.eventually("the machine runs without the spare disk", func() bool { return slices.Equal(mounts(), want[:2]) })
		if again := must(w.store.Volumes.OfInstance(w.ctx, i.ID))(t); len(first) != 4 || len(again) != 3 {
			t.Errorf("it has %d volumes, and %d after the restart", len(first), len(again))
		}

		// Kept or deleted, as the one who deletes the instance wishes.
		array := string(must(w.store.RaidArrays.OfInstance(w.ctx, i.ID))(t)[0].ID)
		ok(t, w.engine.StopInstance(w.ctx, i.ID, true))
		w.becomes(i, models.InstanceStopped)
		ok(t, w.engine.DeleteInstance(w.ctx, i.ID, DeleteOptions{DeleteVolumes: true}))
		for _, disk := range []string{first[0].Ec2VolumeID, first[1].Ec2VolumeID, array, spare.Ec2VolumeID} {
			single := slices.ContainsFunc(first, func(v models.Volume) bool { return v.Ec2VolumeID == disk && v.RaidArrayID == "" })
			if want := disk == array || single && disk != spare.Ec2VolumeID; w.provider.did("delete volume", models.InstanceID(disk)) != want {
				t.Errorf("disk %s was deleted: %v", disk, !want)
			}
		}

		windows := must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{w.lb.ID}}))(t)
		if err := w.store.SQL().QueryRowContext(w.ctx, "UPDATE instances SET os = 'Microsoft Windows Server 2012 R2 Base' WHERE hostname = '"+windows.Hostname+"' RETURNING id").Scan(new(string)); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, w.engine.AssignVolume(w.ctx, spare.ID, windows.ID), models.CodeInvalid, "Linux instances only")
	})
}

// What the agents of different layers are told of a database.
func TestDatabasesOfCommands(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ok(t, w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{
			StackID: w.stack.ID, Arn: rdsArn, DbUser: "app", DbPassword: "canary-9", Address: "orders.example", Engine: "postgres",
		}))
		must(w.engine.CreateApp(w.ctx, models.App{
			StackID: w.stack.ID, Name: "Shop", Type: models.AppStatic,
			DataSources: []models.DataSource{{Type: models.DataSourceRds, Arn: rdsArn, DatabaseName: "shop"}},
		}))(t)
		served, balancer := w.instance(w.web), w.instance(w.lb)
		w.start(served)
		w.start(balancer)
		run := w.sent(served, models.CommandSetup)
		if len(run.Apps) != 1 || run.Apps[0].Database == nil || run.Apps[0].Database.Password != "canary-9" || run.Apps[0].Database.Database != "shop" ||
			run.RdsDbInstances["orders"].Host != "orders.example" {
			t.Errorf("the app's instance is told of %+v and %+v", run.Apps, run.RdsDbInstances)
		}
		if !slices.ContainsFunc(run.Secrets, func(s protocol.Secret) bool { return s.Value == "canary-9" }) {
			t.Error("its agent does not know that the password is a secret")
		}
		text := string(must(json.Marshal(w.sent(balancer, models.CommandSetup)))(t))
		if strings.Contains(text, "canary-9") {
			t.Errorf("the balancer knows the password: %s", text)
		}
		wantRefusal(t, w.engine.UpdateRdsDbInstance(w.ctx, rdsArn, func(r *models.RdsDbInstance) error { r.Port = 70000; return nil }), models.CodeInvalid, "Port:")
	})
}
