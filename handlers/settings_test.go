package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/views"
)

// shopReal is the console over the real engine, with its administrator.
func shopReal(t *testing.T) (*realConsole, *fleet, *browser) {
	t.Helper()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	return c, c.fleet, c.as("root")
}

func (c *realConsole) storedStack(id models.StackID) *models.Stack {
	c.t.Helper()
	s, err := c.store.Stacks.Get(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *realConsole) storedLayer(id models.LayerID) *models.Layer {
	c.t.Helper()
	l, err := c.store.Layers.Get(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// Every attribute of a stack goes through its form and comes back.
func TestStackFormHasEveryAttribute(t *testing.T) {
	t.Parallel()
	c, _, root := shopReal(t)
	form := []string{
		"form", "whole", "Name", "legacy", "Provider", "sim", "Color", "rgb(45, 114, 184)", "ConfigurationManager", "Chef 11.10",
		"ManageBerkshelf", "on", "BerkshelfVersion", "3.2.0", "UseCustomCookbooks", "on", "SourceType", "git", "SourceUrl", "https://git.example/c.git",
		"SourceRevision", "main", "SourceUsername", "u", "SourcePassword", "p", "CustomJson", "{\r\n\"a\": 1}", "HostnameTheme", "Wild_Cats",
		"DefaultOs", "Amazon Linux 2018.03", "DefaultRootDeviceType", "ebs", "DefaultAvailabilityZone", "eu-west-1a", "DefaultSubnetId", "subnet-1",
		"DefaultSshKeyName", "ops", "Region", "eu-west-1", "VpcId", "vpc-1", "UseOpsworksSecurityGroups", "on",
		"ServiceRoleArn", "arn:aws:iam::123456789012:role/opsworks", "DefaultInstanceProfileArn", "arn:aws:iam::123456789012:instance-profile/web", "AgentVersion", "LATEST",
	}
	made := root.post("/stacks", form...)
	id := models.StackID(strings.TrimPrefix(made.location, "/stacks/"))
	made.wantLocation(t, views.StackHref(id))
	s := c.storedStack(id)
	got := fmt.Sprint(s.Name, s.Provider, s.Attributes, s.ConfigurationManager, s.ChefConfiguration, s.UseCustomCookbooks, s.CustomCookbooksSource, s.CustomJSON,
		s.HostnameTheme, s.DefaultOs, s.DefaultRootDeviceType, s.DefaultAvailabilityZone, s.DefaultSubnetID, s.DefaultSSHKeyName, s.Region, s.VpcID,
		s.UseOpsworksSecurityGroups, s.ServiceRoleArn, s.DefaultInstanceProfileArn, s.AgentVersion)
	want := "legacysimmap[Color:rgb(45, 114, 184)]Chef 11.10{true 3.2.0}true{git https://git.example/c.git u p  main}{\n\"a\": 1}" +
		"Wild_CatsAmazon Linux 2018.03ebseu-west-1asubnet-1opseu-west-1vpc-1truearn:aws:iam::123456789012:role/opsworksarn:aws:iam::123456789012:instance-profile/webLATEST"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	page := root.get(views.StackHref(id) + "/settings")
	page.want(t, http.StatusOK, `value="rgb(45, 114, 184)" checked`, `value="Chef 11.10" checked`, `value="3.2.0"`, "Wild Cats: bobcat, caracal, cheetah",
		`value="Wild_Cats" selected`, "Fixed at creation: provider sim, region eu-west-1, vpc-1", models.Filtered, "eu-west-1, vpc-1, built-in security groups")
	settings := views.StackHref(id) + "/settings"
	root.post(settings, form...).wantLocation(t, settings)
	if again := c.storedStack(id); fmt.Sprint(again.Attributes, again.CustomCookbooksSource) != fmt.Sprint(s.Attributes, s.CustomCookbooksSource) {
		t.Errorf("saving the form as it was changed the stack: %+v", again)
	}
}

// What is refused stands beside its field, its group is open, and nothing that
// was typed is lost.
func TestStackFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	_, f, root := shopReal(t)
	for _, wrong := range []struct {
		name, value, says, at string
	}{
		{"CustomJson", `{"a": `, "is not a JSON object", `id="CustomJson-error"`},
		{"Color", "url(x)", "write it like rgb", `id="Color-error"`},
		{"ServiceRoleArn", "nonsense", "is not the ARN of a role", `id="advanced-set" open`},
		{"ConfigurationManager", "Chef 13", "must be of version", `id="ConfigurationManager-error"`},
		{"SourceUrl", "-x", "is not an address", `id="Custom cookbooks source-error"`},
	} {
		values := map[string]string{"Name": "typed name", "ConfigurationManager": "Shell", "HostnameTheme": "Fruits", "DefaultSshKeyName": "typed-key", "SourceType": "git",
			"SourceUrl": "https://git.example/c.git"}
		values[wrong.name] = wrong.value
		var form []string
		for name, value := range values {
			form = append(form, name, value)
		}
		got := root.post(f.at("/settings"), form...)
		got.want(t, http.StatusUnprocessableEntity, wrong.says, wrong.at, `value="typed name"`, `value="typed-key"`, `value="Fruits" selected`)
	}
	root.post("/stacks", "Name", "x", "Provider", "sim", "Region", "No Region").want(t, http.StatusUnprocessableEntity, `id="network-set" open`, `value="No Region"`)
}

func TestCloneStack(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	root.get(f.at("")).want(t, http.StatusOK, f.at("/clone"))
	root.get("/stacks").want(t, http.StatusOK, `aria-label="Clone shop-prod"`)
	root.get(f.at("/clone")).want(t, http.StatusOK, `value="shop-prod copy"`, "7 layers with recipes", "storefront", "The 5 people with a level")
	root.post(f.at("/clone"), "Name", strings.Repeat("x", 65), "CloneAppIds", string(f.app.ID)).want(t, http.StatusUnprocessableEntity, "is too long", `value="`+string(f.app.ID)+`" checked`)
	made := root.post(f.at("/clone"), "Name", "shop-two", "CloneAppIds", string(f.app.ID), "ClonePermissions", "on")
	id := models.StackID(strings.TrimPrefix(made.location, "/stacks/"))
	if s := c.storedStack(id); s.Name != "shop-two" || s.CustomJSON != f.stack.CustomJSON {
		t.Errorf("got %+v", s)
	}
	layers, err := c.store.Layers.InStack(t.Context(), id)
	if err != nil || len(layers) != len(f.layers) {
		t.Errorf("got %d layers, %v", len(layers), err)
	}
	apps, err := c.store.Apps.InStack(t.Context(), id)
	if err != nil || len(apps) != 1 || apps[0].Name != "storefront" {
		t.Errorf("got %+v, %v", apps, err)
	}
	c.as("manage").get(views.StackHref(id)).want(t, http.StatusOK, "shop-two")
}

func TestTagEditors(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	arn := "arn:aws:opsworks:local:000000000000:"
	s, l := c.storedStack(f.stack.ID), c.storedLayer(f.layers[1].ID)
	s.Arn, l.Arn = arn+"stack/"+string(s.ID)+"/", arn+"layer/"+string(l.ID)
	f.must(c.store.Stacks.Save(t.Context(), s))
	f.must(c.store.Layers.Save(t.Context(), l))

	root.post(f.at("/tags"), "TagKey", "team", "TagValue", "checkout", "TagKey", "", "TagValue", "", "TagKey", " stage ", "TagValue", "prod").wantLocation(t, f.at("/tags"))
	if got := c.storedStack(s.ID).Tags; fmt.Sprint(got) != "map[stage:prod team:checkout]" {
		t.Errorf("got %v", got)
	}
	root.post(f.at("/tags"), "do", "add", "TagKey", "team", "TagValue", "x").want(t, http.StatusOK, `aria-label="Key of tag 2"`, `value="x"`)
	root.post(f.at("/tags"), "do", "remove 0", "TagKey", "team", "TagValue", "x", "TagKey", "other", "TagValue", "y").want(t, http.StatusOK, `value="other"`, `aria-label="Key of tag 1"`)
	root.post(f.at("/tags"), "TagKey", "aws:x", "TagValue", "1").want(t, http.StatusUnprocessableEntity, "are reserved", `value="aws:x"`)
	root.post(f.at("/tags"), "TagKey", "a", "TagValue", "1", "TagKey", "a", "TagValue", "2").want(t, http.StatusUnprocessableEntity, "is given twice")

	page := views.LayerHref(s.ID, l.ID)
	root.get(page+"?tab=tags").want(t, http.StatusOK, "From the stack", `value="checkout"`, "inherited")
	root.post(page+"/tags", "InheritedKey", "stage", "InheritedValue", "prod", "InheritedKey", "team", "InheritedValue", "data", "TagKey", "own", "TagValue", "1").
		wantLocation(t, page+"?tab=tags")
	if got := c.storedLayer(l.ID).Tags; fmt.Sprint(got) != "map[own:1 team:data]" {
		t.Errorf("got %v", got)
	}
	root.get(page+"?tab=tags").want(t, http.StatusOK, "own value; the stack's is checkout")
	c.as("show").get(page+"?tab=tags").want(t, http.StatusOK, "data (the stack&#39;s is checkout)", "prod (from the stack)")
	root.post(page+"/tags", "InheritedKey", "team", "InheritedValue", "checkout").wantLocation(t, page+"?tab=tags")
	if got := c.storedLayer(l.ID).Tags; len(got) != 0 {
		t.Errorf("own tags remain: %v", got)
	}
}

// Each page of a layer's settings stores its part and leaves the others alone.
func TestLayerParts(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	db := f.layers[5]
	page := views.LayerHref(f.stack.ID, db.ID)
	root.get(page+"?tab=volumes").want(t, http.StatusOK, `value="/vol/mysql"`)
	root.post(page+"/volumes", "do", "add", "MountPoint", "/vol/mysql", "Size", "10").want(t, http.StatusOK, `id="MountPoint-1"`, `value="10"`)
	root.post(page+"/volumes", "MountPoint", "/vol/a", "Size", "many").want(t, http.StatusUnprocessableEntity, "Volume 1: its size must be a whole number.", `value="many"`)
	root.post(page+"/volumes", "MountPoint", "/srv/www", "Size", "10").want(t, http.StatusUnprocessableEntity, "is reserved")
	root.post(page+"/volumes", "MountPoint", "/vol/a", "Size", "100", "NumberOfDisks", "4", "RaidLevel", "10", "VolumeType", "io1", "Iops", "500", "Encrypted", "yes").wantLocation(t, page+"?tab=volumes")
	root.post(page+"/logs", "Enabled", "on", "File", "/var/log/x.log", "LogGroupName", "shop/x", "BufferDuration", "6000", "TimeZone", "UTC").wantLocation(t, page+"?tab=logs")
	root.post(page+"/logs", "do", "remove 0", "File", "/var/log/x.log").want(t, http.StatusOK, "No log streams.")
	root.post(page+"/network", "AutoAssignElasticIps", "on").wantLocation(t, page+"?tab=network")
	root.post(page+"/security", "CustomSecurityGroupIds", "sg-1\r\nsg-2", "CustomInstanceProfileArn", "arn:aws:iam::1:instance-profile/db").wantLocation(t, page+"?tab=security")
	root.post(page+"/security", "CustomInstanceProfileArn", "x").want(t, http.StatusUnprocessableEntity, `id="CustomInstanceProfileArn-error"`)
	root.post(page+"/json", "CustomJson", `{"shop": {"cache_ttl": 5}}`).wantLocation(t, page+"?tab=json")
	root.get(page+"?tab=json").want(t, http.StatusOK, "&#34;cache_ttl&#34;: 5")
	root.post(page+"/settings", "Name", "Database", "ExecutionTimeout", "90", "attr-MysqlRootPassword", "hunter2", "attr-MysqlRootPasswordUbiquitous", "").wantLocation(t, page+"?tab=settings")

	l := c.storedLayer(db.ID)
	v := l.VolumeConfigurations[0]
	got := fmt.Sprint(v.MountPoint, v.Size, v.NumberOfDisks, *v.RaidLevel, v.VolumeType, *v.Iops, *v.Encrypted, l.CloudWatchLogsConfiguration.Enabled, l.CloudWatchLogsConfiguration.LogStreams[0].File,
		l.CloudWatchLogsConfiguration.LogStreams[0].BufferDuration, l.AutoAssignElasticIPs, l.AutoAssignPublicIPs, l.CustomSecurityGroupIDs, l.CustomInstanceProfileArn, l.CustomJSON,
		l.Shutdown.ExecutionTimeout, l.Attributes)
	if want := `/vol/a 100 4 10 io1 500 true true /var/log/x.log 6000 true false [sg-1 sg-2] arn:aws:iam::1:instance-profile/db {"shop": {"cache_ttl": 5}} 90 map[MysqlRootPassword:hunter2 MysqlRootPasswordUbiquitous:false]`; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	viewer := c.as("show")
	viewer.get(page+"?tab=volumes").want(t, http.StatusOK, "100 GiB, 4 disks, io1, RAID 10, 500 IOPS, encrypted")
	viewer.get(page+"?tab=security").want(t, http.StatusOK, "sg-1, sg-2")
	if body := mainOf(viewer.get(page + "?tab=json").body); strings.Contains(body, "cache_ttl") {
		t.Error("a viewer sees custom JSON")
	}
	for _, tab := range views.LayerTabs {
		if body := mainOf(viewer.get(page + "?tab=" + tab.Key).body); strings.Contains(body, `method="post"`) {
			t.Errorf("the tab %s offers a viewer a form", tab.Key)
		}
	}
}

func TestNewLayerByType(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	root.get(f.at("/layers/new")).want(t, http.StatusOK, "This stack already has one.", "No built-in recipes in this version", f.at("/layers/new?type=rails-app"))
	root.get(f.at("/layers/new?type=rails-app")).want(t, http.StatusOK, "Rails app server", `value="5.0.28"`, "apache_passenger")
	made := root.post(f.at("/layers"), "form", "whole", "Type", "rails-app", "HealingMode", "notify", "attr-RubyVersion", "2.6", "attr-RailsStack", "nginx_unicorn")
	id := models.LayerID(strings.TrimPrefix(made.location, f.at("/layers/")))
	l := c.storedLayer(id)
	if l.Name != "Rails app server" || l.Attributes["RubyVersion"] != "2.6" || l.Attributes["RailsStack"] != "nginx_unicorn" || l.On("ManageBundler") || l.HealingMode() != models.HealingNotify {
		t.Errorf("got %+v", l)
	}
	root.post(f.at("/layers"), "form", "whole", "Type", "java-app", "Name", "Java", "attr-JvmOptions", "a\x01b").want(t, http.StatusUnprocessableEntity, `id="attr-JvmOptions-error"`, `value="Java"`)

	chef := root.post("/stacks", "Name", "chef", "Provider", "sim", "ConfigurationManager", "Chef 12", "UseOpsworksSecurityGroups", "on")
	root.get(chef.location+"/layers/new").want(t, http.StatusOK, "This stack runs Chef 12, which has no built-in layers", "do not support built-in layers such as lb", chef.location+"/layers/new?type=custom", chef.location+"/layers/new?type=ecs-cluster")
	root.get(chef.location+"/layers/new?type=lb").want(t, http.StatusOK, "This stack cannot have it.")
}

func TestLoadBasedScalingForm(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	id := f.layers[1].ID
	page := views.LayerHref(f.stack.ID, id)
	root.get(page+"?tab=scaling").want(t, http.StatusOK, "Load-based scaling is off.", `name="UpScaling.CpuThreshold" type="text" value="80" placeholder="off"`, "no load-based instance")
	form := func(more ...string) []string {
		form := []string{"Enable", "on"}
		for _, d := range []string{"UpScaling", "DownScaling"} {
			form = append(form, d+".InstanceCount", "2", d+".ThresholdsWaitTime", "7", d+".IgnoreMetricsTime", "8", d+".Alarms", "")
		}
		return append(form, more...)
	}
	root.post(page+"/scaling", form("UpScaling.CpuThreshold", "lots")...).want(t, http.StatusUnprocessableEntity, `id="UpScaling.CpuThreshold-error"`, `value="lots"`)
	root.post(page+"/scaling", form("DownScaling.MemoryThreshold", "140")...).want(t, http.StatusUnprocessableEntity, `id="DownScaling.MemoryThreshold-error"`)
	root.post(page+"/scaling", form("UpScaling.CpuThreshold", "72.5 %", "DownScaling.LoadThreshold", "1.5")...).wantLocation(t, page+"?tab=scaling")
	got, err := c.store.LoadBasedAutoScaling.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	up, down := got.UpScaling, got.DownScaling
	if !got.Enable || *up.CPUThreshold != 72.5 || up.MemoryThreshold != nil || *down.CPUThreshold != models.Disabled || *down.LoadThreshold != 1.5 || up.InstanceCount != 2 || down.IgnoreMetricsTime != 8 {
		t.Errorf("got %+v", got)
	}
	c.as("show").get(page+"?tab=scaling").want(t, http.StatusOK, "CPU above 72.5% for 7 min: start 2", "load below 1.5 for 7 min")
}

func TestServiceErrorsAreShown(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	root.get(f.at("/errors")).want(t, http.StatusOK, "There are no service errors.")
	if body := root.get(f.at("")).body; strings.Contains(body, `id="errors-h"`) {
		t.Error("the overview has a head over no errors")
	}
	for n := range 60 {
		e := models.ServiceError{ID: models.NewID[models.ServiceErrorID](), StackID: f.stack.ID, InstanceID: f.instances[0].ID, Type: "InstanceStop",
			Message: fmt.Sprintf("trouble <%d>", n), CreatedAt: c.h.Now().Add(-time.Duration(n*4) * time.Hour)}
		if n == 1 {
			e.InstanceID = "gone"
		}
		f.must(c.store.ServiceErrors.Create(t.Context(), &e))
	}
	overview := root.get(f.at(""))
	overview.want(t, http.StatusOK, "trouble &lt;0&gt;", "A deleted instance", "42 in 7 days", views.InstanceHref(f.instances[0].ID), f.at("/errors"))
	if strings.Contains(overview.body, "trouble &lt;3&gt;") {
		t.Error("the overview lists more than the newest")
	}
	root.get(f.at("/errors")).want(t, http.StatusOK, "60 service errors.", "1 to 50 of 60", "InstanceStop", "deleted")
	root.get(f.at("/errors?offset=50")).want(t, http.StatusOK, "51 to 60 of 60", "trouble &lt;59&gt;")
}

func TestPlatformPage(t *testing.T) {
	t.Parallel()
	_, f, root := shopReal(t)
	page := root.get(f.at("/platform"))
	page.want(t, http.StatusOK, "can be asked for with Shell", "Debian 12", "opsworks-agent-installer.tgz", "wait_between_runs")
	if strings.Contains(page.body, "Windows Server") {
		t.Error("Windows is offered to a stack of shell recipes")
	}
	root.get(f.at("/platform?all=1")).want(t, http.StatusOK, "Microsoft Windows Server 2012 R2 Base")
}
