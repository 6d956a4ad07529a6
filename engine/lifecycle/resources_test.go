package lifecycle

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"opsyard/models"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ordersArn = "arn:aws:rds:us-east-1:123456789012:db:orders"

func sampleResources() Resources {
	level := 1
	return Resources{
		LoadBalancers: []models.ElasticLoadBalancer{{Name: "front", LayerID: "l1", DNSName: "front.example"}},
		Databases: []models.RdsDbInstance{
			{Arn: ordersArn, DbInstanceIdentifier: "orders", Region: "us-east-1", DbUser: "app", DbPassword: canary, Address: "orders.example", Engine: "postgres"},
			{Arn: "arn:aws:rds:eu-west-1:123456789012:db:orders", DbInstanceIdentifier: "orders", Region: "eu-west-1", DbUser: "app", DbPassword: canary},
		},
		EcsClusters: []models.EcsCluster{{Arn: "arn:aws:ecs:us-east-1:123456789012:cluster/jobs", Name: "jobs"}},
		Volumes: []models.Volume{
			{ID: "v1", InstanceID: "i2", Ec2VolumeID: "vol-1", Name: "data", MountPoint: "/vol/data", Device: "/dev/sdi", Size: 10, VolumeType: "gp2"},
			{ID: "v2", InstanceID: "i2", Ec2VolumeID: "vol-2", RaidArrayID: "r1", Device: "/dev/sdj"},
			{ID: "v3", Ec2VolumeID: "vol-3", MountPoint: "/vol/spare"},
		},
		RaidArrays: []models.RaidArray{{ID: "r1", InstanceID: "i2", Name: "Created for both", RaidLevel: level, MountPoint: "/vol/fast", Device: "/dev/md0", Size: 100, VolumeType: "standard"}},
	}
}

// What recipes read is a promise to those who wrote them.
func TestStateGolden(t *testing.T) {
	t.Parallel()
	stack, layers, online, apps := sample()
	online[0].ElasticIP = "192.0.2.7"
	doc, err := State(stack, layers, online, apps, sampleResources())
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/state.json"
	if *update {
		if err := os.WriteFile(file, append(got.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(got.Bytes(), '\n'), want) {
		t.Errorf("the state is not that of %s; if that is right, run the test with -update:\n%s", file, got.Bytes())
	}
}

func TestWhoMayKnowADatabase(t *testing.T) {
	t.Parallel()
	databases := sampleResources().Databases
	app := models.App{Shortname: "shop", DataSources: []models.DataSource{{Type: models.DataSourceRds, Arn: ordersArn, DatabaseName: "shop"}}}
	php, custom := models.Layer{Type: models.LayerPHPApp}, models.Layer{Type: models.LayerCustom}
	for _, c := range []struct {
		who    string
		layers []models.Layer
		served []models.App
		want   []string
	}{
		{"a layer that serves no app", []models.Layer{php}, nil, nil},
		{"a layer that serves an app without a database", []models.Layer{php}, []models.App{{}}, nil},
		{"a layer that serves the app", []models.Layer{php}, []models.App{app}, []string{"orders"}},
		{"a custom layer", []models.Layer{custom}, nil, []string{"arn:aws:rds:eu-west-1:123456789012:db:orders", "orders"}},
	} {
		var got []string
		for name, db := range DatabasesFor(c.layers, c.served, databases) {
			got = append(got, name)
			if db.Password != canary {
				t.Errorf("%s gets no password", c.who)
			}
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s knows %v, want %v", c.who, got, c.want)
		}
	}
	if db := AppDatabase(app, databases); db == nil || db.Database != "shop" || db.Port != 5432 || db.Adapter != "postgresql" || db.Host != "orders.example" {
		t.Errorf("the app's database is %+v", db)
	}
	if db := AppDatabase(app, nil); db != nil {
		t.Errorf("a database that is not registered gives %+v", db)
	}
}
