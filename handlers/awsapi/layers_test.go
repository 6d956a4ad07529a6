package awsapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

func newLayer(stack, kind, name string, changes ...func(*opsworks.CreateLayerInput)) *opsworks.CreateLayerInput {
	in := &opsworks.CreateLayerInput{StackId: &stack, Type: &kind, Name: &name, Shortname: aws.String(strings.ToLower(name))}
	for _, change := range changes {
		change(in)
	}
	return in
}

func (w *world) createdLayer(t testing.TB, in *opsworks.CreateLayerInput) *opsworks.Layer {
	t.Helper()
	return w.describedLayer(t, must(w.admin.CreateLayer(in))(t).LayerId)
}

func (w *world) describedLayer(t testing.TB, id *string) *opsworks.Layer {
	t.Helper()
	return must(w.admin.DescribeLayers(&opsworks.DescribeLayersInput{LayerIds: []*string{id}}))(t).Layers[0]
}

// TestLayersOverTheAPI keeps the golden pairs of what is done with layers.
func TestLayersOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "CreateLayer", "UpdateLayer", "DescribeLayers", "DeleteLayer", "GetHostnameSuggestion")
	stack := string(w.stack(t).ID)
	least := w.createdLayer(t, newLayer(stack, "custom", "Least"))
	if !*least.EnableAutoHealing || !*least.InstallUpdatesOnBoot || *least.AutoAssignElasticIps || *least.UseEbsOptimizedInstances ||
		*least.LifecycleEventConfiguration.Shutdown.ExecutionTimeout != 120 || !*least.LifecycleEventConfiguration.Shutdown.DelayUntilElbConnectionsDrained ||
		*least.DefaultSecurityGroupNames[0] != "AWS-OpsWorks-Custom-Server" || least.CloudWatchLogsConfiguration != nil || least.Packages == nil || least.CustomRecipes.Setup == nil {
		t.Errorf("defaults: %v", least)
	}
	lb := w.createdLayer(t, newLayer(stack, "lb", "HAProxy"))
	if !*lb.AutoAssignElasticIps || *lb.Shortname != "lb" || *lb.Attributes["HaproxyStatsPassword"] != models.Filtered || *lb.Attributes["HaproxyStatsUrl"] != "/haproxy?stats" {
		t.Errorf("the balancer: %v", lb)
	}
	if *lb.DefaultRecipes.Setup[len(lb.DefaultRecipes.Setup)-1] != "haproxy::default" {
		t.Errorf("its recipes: %v", lb.DefaultRecipes)
	}
	most := w.createdLayer(t, newLayer(stack, "rails-app", "Rails", func(in *opsworks.CreateLayerInput) {
		in.Attributes = map[string]*string{"RubyVersion": aws.String("2.6.1"), "RailsStack": aws.String("nginx_unicorn"), "ManageBundler": aws.String("false"), "PassengerVersion": aws.String("")}
		in.CustomInstanceProfileArn, in.CustomJson = aws.String(someProfile), aws.String(`{"a":1}`)
		in.CustomSecurityGroupIds, in.Packages = aws.StringSlice([]string{"sg-1", ""}), aws.StringSlice([]string{"jq"})
		in.VolumeConfigurations = []*opsworks.VolumeConfiguration{
			{MountPoint: aws.String("/data"), NumberOfDisks: aws.Int64(2), Size: aws.Int64(100), RaidLevel: aws.Int64(0), VolumeType: aws.String("io1"), Iops: aws.Int64(1000), Encrypted: aws.Bool(true)},
		}
		in.EnableAutoHealing, in.AutoAssignElasticIps, in.AutoAssignPublicIps = aws.Bool(false), aws.Bool(true), aws.Bool(true)
		in.CustomRecipes = &opsworks.Recipes{Setup: aws.StringSlice([]string{"a::setup"}), Shutdown: aws.StringSlice([]string{"a::bye", "b"})}
		in.InstallUpdatesOnBoot, in.UseEbsOptimizedInstances = aws.Bool(false), aws.Bool(true)
		in.LifecycleEventConfiguration = &opsworks.LifecycleEventConfiguration{Shutdown: &opsworks.ShutdownEventConfiguration{ExecutionTimeout: aws.Int64(300), DelayUntilElbConnectionsDrained: aws.Bool(false)}}
		in.CloudWatchLogsConfiguration = &opsworks.CloudWatchLogsConfiguration{Enabled: aws.Bool(true), LogStreams: []*opsworks.CloudWatchLogsLogStream{{File: aws.String("/var/log/*.log"), LogGroupName: aws.String("shop/rails"), TimeZone: aws.String("UTC")}}}
	}))
	stream := most.CloudWatchLogsConfiguration.LogStreams[0]
	if *stream.BatchCount != 1000 || *stream.BatchSize != 32768 || *stream.BufferDuration != 5000 || *stream.Encoding != "utf_8" || *stream.InitialPosition != "start_of_file" || *stream.FileFingerprintLines != "1" {
		t.Errorf("the log stream: %v", stream)
	}
	if *most.Attributes["PassengerVersion"] != "5.0.28" || *most.Attributes["ManageBundler"] != "false" || len(most.CustomSecurityGroupIds) != 1 || *most.VolumeConfigurations[0].Iops != 1000 {
		t.Errorf("the maximal layer: %v", most)
	}
	must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{
		LayerId: most.LayerId, Name: aws.String("App"), VolumeConfigurations: []*opsworks.VolumeConfiguration{}, CustomRecipes: &opsworks.Recipes{Deploy: aws.StringSlice([]string{"a::go"})},
		Attributes: map[string]*string{"BundlerVersion": aws.String("")},
	}))(t)
	now := w.describedLayer(t, most.LayerId)
	if *now.Name != "App" || len(now.VolumeConfigurations) != 0 || *now.CustomRecipes.Setup[0] != "a::setup" || *now.CustomRecipes.Deploy[0] != "a::go" || *now.CustomJson != `{"a":1}` || now.Attributes["BundlerVersion"] != nil || *now.Attributes["RubyVersion"] != "2.6.1" {
		t.Errorf("after the update: %v", now)
	}
	if got := must(w.admin.GetHostnameSuggestion(&opsworks.GetHostnameSuggestionInput{LayerId: most.LayerId}))(t); *got.Hostname != "rails-app1" {
		t.Errorf("hostname %s", *got.Hostname)
	}
	all := must(w.admin.DescribeLayers(&opsworks.DescribeLayersInput{StackId: &stack}))(t).Layers
	if len(all) != 3 {
		t.Errorf("%d layers", len(all))
	}
	w.instance(t, must(w.store.Layers.Get(w.ctx, models.LayerID(*least.LayerId)))(t))
	_, err := w.admin.DeleteLayer(&opsworks.DeleteLayerInput{LayerId: least.LayerId})
	wantError(t, err, "ValidationException", "still has 1 instance")
	must(w.admin.DeleteLayer(&opsworks.DeleteLayerInput{LayerId: lb.LayerId}))(t)
	_, err = w.admin.DescribeLayers(&opsworks.DescribeLayersInput{LayerIds: []*string{lb.LayerId}})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID "+*lb.LayerId)
}

// The API's flag says whether a layer heals, and writing back what was read
// changes nothing, whichever of the console's modes the layer has.
func TestAutoHealingOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.createdLayer(t, newLayer(string(w.stack(t).ID), "custom", "Workers"))
	for _, step := range []struct{ mode, want models.HealingMode }{
		{models.HealingHeal, models.HealingHeal}, {models.HealingNotify, models.HealingNotify}, {models.HealingOff, models.HealingOff},
	} {
		must(w.engine.UpdateLayer(w.ctx, models.LayerID(*l.LayerId), func(l *models.Layer) error { l.SetHealingMode(step.mode); return nil }))(t)
		for _, flag := range []*bool{w.describedLayer(t, l.LayerId).EnableAutoHealing, nil} {
			must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, EnableAutoHealing: flag}))(t)
			if got := must(w.store.Layers.Get(w.ctx, models.LayerID(*l.LayerId)))(t).HealingMode(); got != step.want {
				t.Errorf("%s became %s", step.mode, got)
			}
		}
		must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, EnableAutoHealing: aws.Bool(true)}))(t)
		if got := must(w.store.Layers.Get(w.ctx, models.LayerID(*l.LayerId)))(t).HealingMode(); got != models.HealingHeal {
			t.Errorf("%s became %s although the client wants it healed", step.mode, got)
		}
	}
	must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, EnableAutoHealing: aws.Bool(false)}))(t)
	if got := w.describedLayer(t, l.LayerId); *got.EnableAutoHealing {
		t.Error("it heals although the client turned it off")
	}
}

func TestLayersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := string(w.stack(t).ID)
	w.createdLayer(t, newLayer(stack, "custom", "Workers"))
	w.createdLayer(t, newLayer(stack, "lb", "HAProxy"))
	volume := func(v opsworks.VolumeConfiguration) func(*opsworks.CreateLayerInput) {
		return func(in *opsworks.CreateLayerInput) { in.VolumeConfigurations = []*opsworks.VolumeConfiguration{&v} }
	}
	stream := func(s opsworks.CloudWatchLogsLogStream) func(*opsworks.CreateLayerInput) {
		return func(in *opsworks.CreateLayerInput) {
			in.CloudWatchLogsConfiguration = &opsworks.CloudWatchLogsConfiguration{LogStreams: []*opsworks.CloudWatchLogsLogStream{&s}}
		}
	}
	one := aws.Int64(1)
	for what, test := range map[string]struct {
		change func(*opsworks.CreateLayerInput)
		says   string
	}{
		"type":            {func(in *opsworks.CreateLayerInput) { in.Type = aws.String("mail") }, "type"},
		"name":            {func(in *opsworks.CreateLayerInput) { in.Name = aws.String("") }, "Name"},
		"long name":       {func(in *opsworks.CreateLayerInput) { in.Name = aws.String(strings.Repeat("x", 33)) }, "too long"},
		"same name":       {func(in *opsworks.CreateLayerInput) { in.Name = aws.String("Workers") }, `There is already a layer named "Workers" for this stack`},
		"same short name": {func(in *opsworks.CreateLayerInput) { in.Shortname = aws.String("workers") }, `There is already a layer with shortname "workers" for this stack`},
		"short name":      {func(in *opsworks.CreateLayerInput) { in.Shortname = aws.String("Upper Case") }, "Shortname"},
		"second balancer": {func(in *opsworks.CreateLayerInput) { in.Type = aws.String("lb") }, "already has a lb layer"},
		"attribute":       {func(in *opsworks.CreateLayerInput) { in.Attributes = map[string]*string{"Colour": aws.String("red")} }, "EcsClusterArn"},
		"of another type": {func(in *opsworks.CreateLayerInput) {
			in.Attributes = map[string]*string{"RubyVersion": aws.String("2.3")}
		}, "not an attribute of custom layers"},
		"JSON":    {func(in *opsworks.CreateLayerInput) { in.CustomJson = aws.String("nope") }, "Custom json"},
		"profile": {func(in *opsworks.CreateLayerInput) { in.CustomInstanceProfileArn = aws.String("nope") }, "instance profile"},
		"group":   {func(in *opsworks.CreateLayerInput) { in.CustomSecurityGroupIds = aws.StringSlice([]string{"a b"}) }, "security group"},
		"package": {func(in *opsworks.CreateLayerInput) { in.Packages = aws.StringSlice([]string{"--all"}) }, "Packages"},
		"recipe": {func(in *opsworks.CreateLayerInput) {
			in.CustomRecipes = &opsworks.Recipes{Setup: aws.StringSlice([]string{"a b"})}
		}, "recipe"},
		"shutdown": {func(in *opsworks.CreateLayerInput) {
			in.LifecycleEventConfiguration = &opsworks.LifecycleEventConfiguration{Shutdown: &opsworks.ShutdownEventConfiguration{ExecutionTimeout: aws.Int64(0)}}
		}, "Shutdown timeout"},
		"reserved mount": {volume(opsworks.VolumeConfiguration{MountPoint: aws.String("/srv/www"), NumberOfDisks: one, Size: one}), "reserved"},
		"large volume":   {volume(opsworks.VolumeConfiguration{MountPoint: aws.String("/a"), NumberOfDisks: one, Size: aws.Int64(1025)}), "1 to 1024 GiB"},
		"volume type":    {volume(opsworks.VolumeConfiguration{MountPoint: aws.String("/a"), NumberOfDisks: one, Size: one, VolumeType: aws.String("tape")}), "volume type"},
		"iops":           {volume(opsworks.VolumeConfiguration{MountPoint: aws.String("/a"), NumberOfDisks: one, Size: aws.Int64(4), VolumeType: aws.String("io1")}), "needs iops"},
		"stream without": {stream(opsworks.CloudWatchLogsLogStream{}), "path of its file"},
		"short buffer":   {stream(opsworks.CloudWatchLogsLogStream{File: aws.String("/x"), BufferDuration: aws.Int64(4999)}), "5000"},
		"batch":          {stream(opsworks.CloudWatchLogsLogStream{File: aws.String("/x"), BatchCount: aws.Int64(10001)}), "10000"},
		"encoding":       {stream(opsworks.CloudWatchLogsLogStream{File: aws.String("/x"), Encoding: aws.String("morse")}), "encoding"},
		"cluster":        {func(in *opsworks.CreateLayerInput) { in.Type = aws.String("ecs-cluster") }, "EcsClusterArn"},
		"filtered password": {func(in *opsworks.CreateLayerInput) {
			in.Type, in.Attributes = aws.String("db-master"), map[string]*string{"MysqlRootPassword": aws.String(models.Filtered)}
		}, "no stored value"},
	} {
		_, err := w.admin.CreateLayer(newLayer(stack, "custom", "New", test.change))
		t.Run(what, func(t *testing.T) { wantError(t, err, "ValidationException", test.says) })
	}
	none := "00000000-0000-0000-0000-000000000001"
	_, err := w.admin.CreateLayer(newLayer(none, "custom", "New"))
	wantError(t, err, "ResourceNotFoundException", none)
	_, err = w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: &none})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID "+none)
	_, err = w.admin.DeleteLayer(&opsworks.DeleteLayerInput{LayerId: &none})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID "+none)
	_, err = w.admin.GetHostnameSuggestion(&opsworks.GetHostnameSuggestionInput{LayerId: &none})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID "+none)
}

// Every type can be made, with its short name, its volumes and its attributes;
// those that are not set are null, not missing.
func TestLayerTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t)
	check(t, w.engine.RegisterEcsCluster(w.ctx, s.ID, "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"))
	for _, kind := range models.LayerTypes {
		in := newLayer(string(s.ID), string(kind), string(kind))
		if kind == models.LayerECSCluster {
			in.Attributes = map[string]*string{"EcsClusterArn": aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/jobs")}
		}
		l := w.createdLayer(t, in)
		if *l.Shortname != string(kind) || len(l.DefaultSecurityGroupNames) != 1 || len(l.Attributes) != len(kind.Attributes()) || len(l.VolumeConfigurations) != len(kind.DefaultVolumes()) {
			t.Errorf("%s: %v", kind, l)
		}
	}
	_, answer := w.raw(t, w.key, "DescribeLayers", fmt.Sprintf(`{"StackId":%q}`, s.ID))
	var raw struct {
		Layers []struct {
			Type       string
			Attributes map[string]*string
		}
	}
	check(t, json.Unmarshal([]byte(answer), &raw))
	java := slices.IndexFunc(raw.Layers, func(l struct {
		Type       string
		Attributes map[string]*string
	}) bool {
		return l.Type == "java-app"
	})
	if value, there := raw.Layers[java].Attributes["JvmOptions"]; !there || value != nil {
		t.Errorf("JvmOptions is %v, there: %t", value, there)
	}
}

// A layer that was read can be written back: its password stays what it was.
func TestFilteredAttributesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.createdLayer(t, newLayer(string(w.stack(t).ID), "db-master", "MySQL", func(in *opsworks.CreateLayerInput) {
		in.Attributes = map[string]*string{"MysqlRootPassword": aws.String("hush")}
	}))
	must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, Attributes: l.Attributes}))(t)
	if stored := must(w.store.Layers.Get(w.ctx, models.LayerID(*l.LayerId)))(t); stored.Attributes["MysqlRootPassword"] != "hush" {
		t.Errorf("the password became %q", stored.Attributes["MysqlRootPassword"])
	}
}

func TestSecurityGroupSwitchOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Shop"))
	l := w.createdLayer(t, newLayer(*s.StackId, "custom", "Workers"))
	_, err := w.admin.UpdateStack(&opsworks.UpdateStackInput{StackId: s.StackId, UseOpsworksSecurityGroups: aws.Bool(false)})
	wantError(t, err, "ValidationException", "Use opsworks security groups")
	must(w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, CustomSecurityGroupIds: aws.StringSlice([]string{"sg-1"})}))(t)
	must(w.admin.UpdateStack(&opsworks.UpdateStackInput{StackId: s.StackId, UseOpsworksSecurityGroups: aws.Bool(false)}))(t)
	if now := w.describedLayer(t, l.LayerId); len(now.DefaultSecurityGroupNames) != 0 || len(now.CustomSecurityGroupIds) != 1 {
		t.Errorf("%v", now)
	}
	_, err = w.admin.CreateLayer(newLayer(*s.StackId, "custom", "More"))
	wantError(t, err, "ValidationException", "at least one of its own")
}

func TestPitfall16Chef12HasNoBuiltInLayers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Twelve"))
	_, err := w.admin.CreateLayer(newLayer(*s.StackId, "php-app", "PHP"))
	wantError(t, err, "ValidationException", "Chef 12 stacks do not support built-in layers")
	l := w.createdLayer(t, newLayer(*s.StackId, "custom", "Mine", func(in *opsworks.CreateLayerInput) { in.Packages = aws.StringSlice([]string{"jq"}) }))
	if len(l.DefaultRecipes.Setup)+len(l.DefaultRecipes.Configure)+len(l.DefaultRecipes.Shutdown) != 0 {
		t.Errorf("default recipes: %v", l.DefaultRecipes)
	}
	_, err = w.admin.UpdateLayer(&opsworks.UpdateLayerInput{LayerId: l.LayerId, VolumeConfigurations: []*opsworks.VolumeConfiguration{
		{MountPoint: aws.String("/a"), NumberOfDisks: aws.Int64(2), Size: aws.Int64(2), RaidLevel: aws.Int64(1)},
	}})
	wantError(t, err, "ValidationException", "RAID")
	const cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
	check(t, w.engine.RegisterEcsCluster(w.ctx, models.StackID(*s.StackId), cluster))
	w.createdLayer(t, newLayer(*s.StackId, "ecs-cluster", "ECS", func(in *opsworks.CreateLayerInput) {
		in.Attributes = map[string]*string{"EcsClusterArn": aws.String(cluster)}
	}))
	// Our own extension is asked for by another configuration manager.
	ours := w.created(t, newStack("Ours", func(in *opsworks.CreateStackInput) {
		in.ConfigurationManager = &opsworks.StackConfigurationManager{Name: aws.String("Shell")}
	}))
	w.createdLayer(t, newLayer(*ours.StackId, "php-app", "PHP"))
}

func TestPitfall20LayersTakeOneSelector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t)
	l := w.layer(t, s, models.LayerCustom)
	stack, layer := aws.String(string(s.ID)), []*string{aws.String(string(l.ID))}
	for _, in := range []*opsworks.DescribeLayersInput{{}, {StackId: stack, LayerIds: layer}} {
		_, err := w.admin.DescribeLayers(in)
		wantError(t, err, "ValidationException", "Please provide one or more layer IDs or a stack ID")
	}
	ben := w.user(t, "ben", models.LevelIAMOnly, s)
	_, err := ben.DescribeLayers(&opsworks.DescribeLayersInput{LayerIds: layer})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID "+string(l.ID))
}
