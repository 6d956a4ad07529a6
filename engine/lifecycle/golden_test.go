package lifecycle

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"opsyard/models"
)

// threeTier is a stack with all that OpsWorks told recipes about: a balancer, a
// Rails app with an RDS database behind an Elastic Load Balancer, a database
// layer, users, and custom JSON. Secrets hold the canary.
func threeTier(manager models.ConfigurationManager) (d Deploying, instances []models.Instance, r Resources) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d.Stack = models.Stack{
		ID: "stack-1", Name: "Shop", Arn: "arn:aws:opsworks:us-east-1:123456789012:stack/stack-1/", Region: "us-east-1", VpcID: "vpc-1",
		DefaultOs: "Amazon Linux 2", ConfigurationManager: manager, UseCustomCookbooks: true,
		CustomCookbooksSource: models.Source{Type: models.SourceGit, URL: "https://git.example/cookbooks.git", Revision: "main", Username: "ci", Password: canary + "-cookbooks"},
		CustomJSON:            `{"shop": {"theme": "dark", "depth": {"stack": 1, "layer": 1}}, "opsworks": {"data_bags": {"staff": {"ann": {"shell": "zsh"}}}}}`,
	}
	d.Layers = []models.Layer{
		{ID: "layer-lb", Type: models.LayerLB, Name: "Balancer", Shortname: "lb", Attributes: map[string]string{"HaproxyStatsPassword": canary + "-stats"}},
		{ID: "layer-app", Type: models.LayerRailsApp, Name: "Rails App Server", Shortname: "rails-app", Packages: []string{"imagemagick"},
			Attributes:           map[string]string{"RubyVersion": "2.6"},
			CustomJSON:           `{"shop": {"depth": {"layer": 2, "deployment": 2}}, "deploy": {"shop": {"keep_releases": 2, "environment_variables": {"MODE": "from custom JSON"}}}}`,
			VolumeConfigurations: []models.VolumeConfiguration{{MountPoint: "/srv/uploads", NumberOfDisks: 1, Size: 10, VolumeType: "gp2"}}},
		{ID: "layer-db", Type: models.LayerDBMaster, Name: "MySQL", Shortname: "db-master", Attributes: map[string]string{"MysqlRootPassword": canary + "-root"}},
	}
	instances = []models.Instance{
		{ID: "instance-lb1", Hostname: "lb1", Status: models.InstanceOnline, LayerIDs: []models.LayerID{"layer-lb"}, PrivateIP: "10.0.0.1", PublicIP: "198.51.100.1", ElasticIP: "198.51.100.1", CreatedAt: created},
		{
			ID: "instance-app1", Hostname: "rails-app1", Status: models.InstanceOnline, LayerIDs: []models.LayerID{"layer-app"}, PrivateIP: "10.0.0.2",
			AmiID: "ami-1", Architecture: "x86_64", AvailabilityZone: "us-east-1a", Ec2InstanceID: "i-0123456789abcdef0", InfrastructureClass: "ec2",
			InstanceType: "c5.large", Os: "Amazon Linux 2", PrivateDNS: "ip-10-0-0-2.ec2.internal", PublicDNS: "ec2-198-51-100-2.example", PublicIP: "198.51.100.2",
			RootDeviceType: "ebs", RootDeviceVolumeID: "vol-root", SSHHostRsaKeyFingerprint: "aa:bb", SubnetID: "subnet-1", VirtualizationType: "hvm",
			CreatedAt: created, StatusSince: created.Add(time.Minute),
		},
		{ID: "instance-app2", Hostname: "rails-app2", Status: models.InstanceStopped, LayerIDs: []models.LayerID{"layer-app"}, AutoScalingType: "load", CreatedAt: created},
		{ID: "instance-db1", Hostname: "db-master1", Status: models.InstanceOnline, LayerIDs: []models.LayerID{"layer-db"}, PrivateIP: "10.0.0.3", CreatedAt: created},
	}
	shop := models.App{
		ID: "app-1", Name: "Shop", Shortname: "shop", Type: models.AppRails, Domains: []string{"shop.example"}, EnableSsl: true,
		AppSource:        models.Source{Type: models.SourceGit, URL: "git@git.example:shop.git", Revision: "v2", Username: "ci", Password: canary + "-source", SSHKey: canary + "-deploy-key"},
		DataSources:      []models.DataSource{{Type: models.DataSourceRds, Arn: ordersArn, DatabaseName: "shop"}},
		SslConfiguration: models.SslConfiguration{Certificate: "the certificate", PrivateKey: canary + "-tls", Chain: "the chain"},
		Attributes:       map[string]string{"DocumentRoot": "public", "AutoBundleOnDeploy": "true"},
		Environment:      []models.EnvironmentVariable{{Key: "MODE", Value: "production"}, {Key: "TOKEN", Value: canary + "-token", Secure: true}},
	}
	tools := models.App{ID: "app-2", Name: "Tools", Shortname: "tools", Type: models.AppPHP, AppSource: models.Source{Type: models.SourceArchive, URL: "https://files.example/tools.tgz"},
		Environment: []models.EnvironmentVariable{{Key: "TOOLS", Value: canary + "-tools"}}}
	d.Apps = []models.App{shop, tools}
	d.Deployment = models.Deployment{
		ID: "deployment-1", CommandName: models.CommandDeploy, AppID: shop.ID, IamUserArn: "arn:aws:iam::123456789012:user/ana", CreatedAt: created,
		Command: models.DeploymentCommand{Name: models.CommandDeploy, Args: map[string][]string{"migrate": {"true"}}}, CustomJSON: `{"shop": {"depth": {"deployment": 3}}}`,
	}
	r = Resources{
		LoadBalancers: []models.ElasticLoadBalancer{{Name: "front", LayerID: "layer-app", DNSName: "front.example"}},
		Databases: []models.RdsDbInstance{{
			Arn: ordersArn, DbInstanceIdentifier: "orders", Region: "us-east-1", DbUser: "app", DbPassword: canary + "-orders", Address: "orders.example", Engine: "mysql",
		}},
		EcsClusters: []models.EcsCluster{{Arn: "arn:aws:ecs:us-east-1:123456789012:cluster/jobs", Name: "jobs"}},
		Volumes:     []models.Volume{{ID: "v1", InstanceID: "instance-db1", Ec2VolumeID: "vol-1", Name: "data", MountPoint: "/vol/mysql", Device: "/dev/sdi", Size: 10, VolumeType: "gp2"}},
		Users: []SSHUser{{Sudo: true, User: models.User{
			SSHUsername: "ana", Email: "ana@example.com", SSHPublicKey: "ssh-ed25519 AAAA ana", UnixUID: 2001, IamUserArn: "arn:aws:iam::123456789012:user/ana",
		}}},
	}
	return d, instances, r
}

// documents are what an agent is sent for a Deploy of the stack's Rails app on
// rails-app1; agent/recipe/chef takes them from there.
type documents struct {
	Attributes        []any    `json:"attributes"`
	PrivateAttributes any      `json:"private_attributes,omitempty"`
	DataBags          DataBags `json:"data_bags,omitempty"`
	PrivateDataBags   DataBags `json:"private_data_bags,omitempty"`
}

func made(t *testing.T, manager models.ConfigurationManager) documents {
	t.Helper()
	d, instances, r := threeTier(manager)
	if manager.IsChef12() {
		for n := range d.Layers {
			d.Layers[n].Type, d.Layers[n].Attributes = models.LayerCustom, nil
		}
	}
	var online []models.Instance
	for _, i := range instances {
		if i.Status == models.InstanceOnline {
			online = append(online, i)
		}
	}
	own, all := d.Layers[1:2], d.Apps
	d.Apps, d.Databases = all[:1], Servers{Registered: r.Databases}
	state, err := State(d.Stack, d.Layers, online, all, r)
	if err != nil {
		t.Fatal(err)
	}
	custom, err := CustomJSON(d.Stack, own, d.Deployment.CustomJSON)
	if err != nil {
		t.Fatal(err)
	}
	docs := documents{Attributes: []any{json.RawMessage(state), Activity(d.Deployment.CommandName, own), d.Attributes(), custom}}
	if manager.IsChef12() {
		docs.DataBags = SharedDataBags(d.Stack, d.Layers, instances, all, r)
		docs.PrivateDataBags = PrivateDataBags(d.Stack, own, all, r.Databases)
	} else {
		docs.PrivateAttributes = PrivateAttributes(own, d.Layers, d.Apps, d.Databases)
	}
	return docs
}

// What recipes of Chef read is what OpsWorks gave them.
func TestChefGolden(t *testing.T) {
	t.Parallel()
	for file, version := range map[string]string{"chef11.json": models.Chef1110, "chef12.json": models.Chef12} {
		docs := made(t, models.ConfigurationManager{Name: models.ManagerChef, Version: version})
		golden(t, file, docs)
		docs.PrivateAttributes, docs.PrivateDataBags = nil, nil
		shared, err := json.Marshal(docs)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(shared, []byte(canary)) {
			t.Errorf("%s: a secret is in what many share: %s", file, shared)
		}
	}
}

// TestPrivateIsForThoseServed: an instance is told no secret that it has no use
// for.
func TestPrivateIsForThoseServed(t *testing.T) {
	t.Parallel()
	d, _, r := threeTier(models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef1110})
	lb, app, db := d.Layers[:1], d.Layers[1:2], d.Layers[2:]
	if got := PrivateDataBags(models.Stack{}, lb, nil, r.Databases); len(got) != 0 {
		t.Errorf("a layer that serves no app is told %v", got)
	}
	if got := PrivateDataBags(models.Stack{}, app, d.Apps[1:], r.Databases); len(got[BagRds]) != 0 || len(got[BagApp]) != 1 {
		t.Errorf("a layer that serves the tools is told %v", got)
	}
	for _, c := range []struct {
		who        string
		own        []models.Layer
		ubiquitous string
		engine     string
		knows      bool
	}{
		{"the balancer", lb, "true", "", true},
		{"the balancer", lb, "false", "", false},
		{"an app server", app, "false", "", true},
		{"the database", db, "false", "", true},
		{"an app server beside PostgreSQL", app, "true", models.EnginePostgresql, false},
	} {
		d.Layers[2].Attributes["MysqlRootPasswordUbiquitous"], d.Layers[2].Engine = c.ubiquitous, c.engine
		if got := RootPassword(c.own, d.Layers) != ""; got != c.knows {
			t.Errorf("%s knows the root password: %v (ubiquitous %s)", c.who, got, c.ubiquitous)
		}
	}
	if PrivateAttributes(lb, lb, nil, Servers{}) != nil {
		t.Error("a balancer alone has private attributes")
	}
}

// golden compares what v is as JSON with a file of testdata.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is not what it was; if that is right, run the test with -update:\n%s", file, got.Bytes())
	}
}
