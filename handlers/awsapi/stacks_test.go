package awsapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

const (
	someRole    = "arn:aws:iam::123456789012:role/aws-opsworks-service-role"
	someProfile = "arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role"
)

// newStack is what CreateStack needs at the least.
func newStack(name string, changes ...func(*opsworks.CreateStackInput)) *opsworks.CreateStackInput {
	in := &opsworks.CreateStackInput{
		Name: &name, Region: aws.String("us-east-1"), ServiceRoleArn: aws.String(someRole), DefaultInstanceProfileArn: aws.String(someProfile),
	}
	for _, change := range changes {
		change(in)
	}
	return in
}

// created makes a stack through the API and reads it there.
func (w *world) created(t testing.TB, in *opsworks.CreateStackInput) *opsworks.Stack {
	t.Helper()
	return w.described(t, must(w.admin.CreateStack(in))(t).StackId)
}

func (w *world) described(t testing.TB, id *string) *opsworks.Stack {
	t.Helper()
	return must(w.admin.DescribeStacks(&opsworks.DescribeStacksInput{StackIds: []*string{id}}))(t).Stacks[0]
}

func chef(version string) func(*opsworks.CreateStackInput) {
	return func(in *opsworks.CreateStackInput) {
		in.ConfigurationManager = &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: &version}
	}
}

// TestStacksOverTheAPI keeps the golden pairs of what is done with stacks.
func TestStacksOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "CreateStack", "DescribeStacks", "UpdateStack", "CloneStack", "DescribeStackSummary",
		"DescribeStackProvisioningParameters", "StartStack", "StopStack", "DeleteStack")
	least := w.created(t, newStack("Least"))
	if *least.HostnameTheme != "Layer_Dependent" || !*least.UseOpsworksSecurityGroups || *least.UseCustomCookbooks || least.CustomJson != nil ||
		*least.AgentVersion != "LATEST" || *least.DefaultOs != "Amazon Linux 2" || *least.DefaultAvailabilityZone != "us-east-1a" || least.VpcId != nil {
		t.Errorf("defaults: %v", least)
	}
	if want := "arn:aws:opsworks:us-east-1:000000000000:stack/" + *least.StackId + "/"; *least.Arn != want {
		t.Errorf("ARN %s, want %s", *least.Arn, want)
	}
	most := w.created(t, &opsworks.CreateStackInput{
		Name: aws.String("Most"), Region: aws.String("eu-west-1"), VpcId: aws.String("vpc-1"), DefaultSubnetId: aws.String("subnet-1"),
		DefaultAvailabilityZone: aws.String("eu-west-1b"), ServiceRoleArn: aws.String(someRole), DefaultInstanceProfileArn: aws.String(someProfile),
		DefaultOs: aws.String("Ubuntu 14.04 LTS"), HostnameTheme: aws.String("Europe_Cities"), CustomJson: aws.String(`{"shop": {"a": 1}}`),
		ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("11.10")},
		ChefConfiguration:    &opsworks.ChefConfiguration{ManageBerkshelf: aws.Bool(true), BerkshelfVersion: aws.String("3.1.3")},
		UseCustomCookbooks:   aws.Bool(true), UseOpsworksSecurityGroups: aws.Bool(false), DefaultSshKeyName: aws.String("ana"),
		CustomCookbooksSource: &opsworks.Source{
			Type: aws.String("git"), Url: aws.String("https://git.example/cookbooks.git"), Username: aws.String("ana"),
			Password: aws.String("hush"), SshKey: aws.String("key"), Revision: aws.String("main"),
		},
		DefaultRootDeviceType: aws.String("ebs"), AgentVersion: aws.String("LATEST"), Attributes: map[string]*string{"Color": aws.String("rgb(45, 114, 184)")},
	})
	if *most.CustomCookbooksSource.Password != models.Filtered || *most.CustomCookbooksSource.SshKey != models.Filtered || *most.Attributes["Color"] != "rgb(45, 114, 184)" {
		t.Errorf("the maximal stack: %v", most)
	}
	must(w.admin.UpdateStack(&opsworks.UpdateStackInput{StackId: least.StackId, Name: aws.String("Less"), HostnameTheme: aws.String("Fruits")}))(t)
	all := must(w.admin.DescribeStacks(&opsworks.DescribeStacksInput{}))(t).Stacks
	if len(all) != 2 || *all[0].Name != "Less" || *all[0].HostnameTheme != "Fruits" || *all[0].DefaultOs != "Amazon Linux 2" {
		t.Errorf("after the update: %v", all)
	}
	clone := must(w.admin.CloneStack(&opsworks.CloneStackInput{SourceStackId: most.StackId, ServiceRoleArn: aws.String(someRole)}))(t)
	if c := w.described(t, clone.StackId); *c.Name != "Most copy" || *c.CustomJson != *most.CustomJson || *c.CustomCookbooksSource.Url != *most.CustomCookbooksSource.Url {
		t.Errorf("the clone: %v", c)
	}
	layer := must(w.admin.CreateLayer(&opsworks.CreateLayerInput{StackId: least.StackId, Type: aws.String("custom"), Name: aws.String("Web"), Shortname: aws.String("web")}))(t)
	instance := must(w.admin.CreateInstance(&opsworks.CreateInstanceInput{StackId: least.StackId, LayerIds: []*string{layer.LayerId}, InstanceType: aws.String("t2.micro")}))(t)
	timed := must(w.admin.CreateInstance(&opsworks.CreateInstanceInput{StackId: least.StackId, LayerIds: []*string{layer.LayerId}, InstanceType: aws.String("t2.micro"), AutoScalingType: aws.String("timer")}))(t)
	count := func() *opsworks.InstancesCount {
		return must(w.admin.DescribeStackSummary(&opsworks.DescribeStackSummaryInput{StackId: least.StackId}))(t).StackSummary.InstancesCount
	}
	if c := count(); *c.Stopped != 2 || *c.Online != 0 || c.Unassigning == nil {
		t.Errorf("counts: %v", c)
	}
	must(w.admin.StartStack(&opsworks.StartStackInput{StackId: least.StackId}))(t)
	id := models.InstanceID(*instance.InstanceId)
	w.becomes(t, id, models.InstanceOnline)
	if s := must(w.store.Instances.Get(w.ctx, models.InstanceID(*timed.InstanceId)))(t).Status; s != models.InstanceStopped {
		t.Errorf("the time-based instance is %s", s)
	}
	if c := count(); *c.Stopped != 1 || *c.Online != 1 {
		t.Errorf("counts: %v", c)
	}
	must(w.admin.StopStack(&opsworks.StopStackInput{StackId: least.StackId}))(t)
	w.becomes(t, id, models.InstanceStopped)
	p := must(w.admin.DescribeStackProvisioningParameters(&opsworks.DescribeStackProvisioningParametersInput{StackId: least.StackId}))(t)
	if !strings.HasSuffix(*p.AgentInstallerUrl, "/agent/opsworks-agent-installer.tgz") || len(p.Parameters) != 17 || *p.Parameters["wait_between_runs"] != "30" ||
		!strings.HasPrefix(*p.Parameters["assets_download_bucket"], w.url) || *p.Parameters["ops_works_endpoint"] != "127.0.0.1" || *p.Parameters["ops_works_use_ssl"] != "false" {
		t.Errorf("provisioning: %v", p)
	}
	_, err := w.admin.DeleteStack(&opsworks.DeleteStackInput{StackId: least.StackId})
	wantError(t, err, "ValidationException", "2 instances, 1 layer")
	must(w.admin.DeleteStack(&opsworks.DeleteStackInput{StackId: clone.StackId}))(t)
	_, err = w.admin.DescribeStacks(&opsworks.DescribeStacksInput{StackIds: []*string{clone.StackId}})
	wantError(t, err, "ResourceNotFoundException", "Unable to find stack with ID "+*clone.StackId)
}

func TestStacksAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, test := range map[string]struct {
		change func(*opsworks.CreateStackInput)
		says   string
	}{
		"no name":             {func(in *opsworks.CreateStackInput) { in.Name = aws.String(" ") }, "Name"},
		"long name":           {func(in *opsworks.CreateStackInput) { in.Name = aws.String(strings.Repeat("x", 65)) }, "64"},
		"no role":             {func(in *opsworks.CreateStackInput) { in.ServiceRoleArn = aws.String("") }, "Service Role Arn"},
		"a role that is none": {func(in *opsworks.CreateStackInput) { in.ServiceRoleArn = aws.String("me") }, "Service Role Arn"},
		"profile":             {func(in *opsworks.CreateStackInput) { in.DefaultInstanceProfileArn = aws.String("me") }, "instance profile"},
		"region":              {func(in *opsworks.CreateStackInput) { in.Region = aws.String("Europe!") }, "Region"},
		"VPC alone":           {func(in *opsworks.CreateStackInput) { in.VpcId = aws.String("vpc-1") }, "Default subnet id"},
		"zone elsewhere":      {func(in *opsworks.CreateStackInput) { in.DefaultAvailabilityZone = aws.String("eu-west-1a") }, "not in region"},
		"theme":               {func(in *opsworks.CreateStackInput) { in.HostnameTheme = aws.String("Cheeses") }, "Hostname theme"},
		"OS":                  {func(in *opsworks.CreateStackInput) { in.DefaultOs = aws.String("BeOS") }, "Default os"},
		"closed OS":           {func(in *opsworks.CreateStackInput) { chef("11.10")(in); in.DefaultOs = aws.String("Ubuntu 12.04 LTS") }, "no longer"},
		"Chef 13":             {chef("13"), "Chef must be"},
		"Berkshelf on 12": {func(in *opsworks.CreateStackInput) {
			in.ChefConfiguration = &opsworks.ChefConfiguration{ManageBerkshelf: aws.Bool(true)}
		}, "Berkshelf"},
		"svn on 12": {func(in *opsworks.CreateStackInput) {
			in.CustomCookbooksSource = &opsworks.Source{Type: aws.String("svn"), Url: aws.String("https://svn.example/x")}
		}, "Subversion"},
		"source without URL": {func(in *opsworks.CreateStackInput) {
			in.CustomCookbooksSource = &opsworks.Source{Type: aws.String("git")}
		}, "Url is missing"},
		"JSON":                {func(in *opsworks.CreateStackInput) { in.CustomJson = aws.String("{") }, "Custom json"},
		"JSON that is a list": {func(in *opsworks.CreateStackInput) { in.CustomJson = aws.String("[]") }, "Custom json"},
		"attribute":           {func(in *opsworks.CreateStackInput) { in.Attributes = map[string]*string{"Shape": aws.String("round")} }, "Color"},
		"color":               {func(in *opsworks.CreateStackInput) { in.Attributes = map[string]*string{"Color": aws.String("}")} }, "Color"},
		"root device":         {func(in *opsworks.CreateStackInput) { in.DefaultRootDeviceType = aws.String("tape") }, "defaultRootDeviceType"},
		"agent":               {func(in *opsworks.CreateStackInput) { in.AgentVersion = aws.String("4004-20151201152533") }, "Agent version"},
		"filtered": {func(in *opsworks.CreateStackInput) {
			in.CustomCookbooksSource = &opsworks.Source{Type: aws.String("git"), Url: aws.String("https://g.example"), SshKey: aws.String(models.Filtered)}
		}, "no stored secret"},
		"Windows without disk": {func(in *opsworks.CreateStackInput) {
			in.DefaultOs, in.DefaultRootDeviceType = aws.String(models.OSCustomWindows), aws.String("instance-store")
		}, "must be ebs"},
	} {
		_, err := w.admin.CreateStack(newStack("Shop", test.change))
		t.Run(what, func(t *testing.T) { wantError(t, err, "ValidationException", test.says) })
	}
	windows := w.created(t, newStack("Windows", func(in *opsworks.CreateStackInput) {
		in.DefaultOs = aws.String("Microsoft Windows Server 2012 R2 Base")
	}))
	if *windows.ConfigurationManager.Version != "12.2" || *windows.DefaultRootDeviceType != "ebs" {
		t.Errorf("a Windows stack: %v", windows)
	}
	none := aws.String("00000000-0000-0000-0000-000000000001")
	for name, call := range map[string]func() error{
		"update": func() error { _, err := w.admin.UpdateStack(&opsworks.UpdateStackInput{StackId: none}); return err },
		"clone": func() error {
			_, err := w.admin.CloneStack(&opsworks.CloneStackInput{SourceStackId: none, ServiceRoleArn: aws.String(someRole)})
			return err
		},
		"start":  func() error { _, err := w.admin.StartStack(&opsworks.StartStackInput{StackId: none}); return err },
		"stop":   func() error { _, err := w.admin.StopStack(&opsworks.StopStackInput{StackId: none}); return err },
		"delete": func() error { _, err := w.admin.DeleteStack(&opsworks.DeleteStackInput{StackId: none}); return err },
		"summary": func() error {
			_, err := w.admin.DescribeStackSummary(&opsworks.DescribeStackSummaryInput{StackId: none})
			return err
		},
		"provisioning": func() error {
			_, err := w.admin.DescribeStackProvisioningParameters(&opsworks.DescribeStackProvisioningParametersInput{StackId: none})
			return err
		},
		"describe": func() error {
			_, err := w.admin.DescribeStacks(&opsworks.DescribeStacksInput{StackIds: []*string{windows.StackId, none}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, call(), "ResourceNotFoundException", "Unable to find stack with ID "+*none)
		})
	}
}

func TestUpdateStackOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Shop", chef("11.10"), func(in *opsworks.CreateStackInput) {
		in.DefaultOs = aws.String("Ubuntu 14.04 LTS")
		in.CustomCookbooksSource = &opsworks.Source{Type: aws.String("git"), Url: aws.String("https://git.example/x"), Password: aws.String("hush"), Revision: aws.String("v1")}
		in.Attributes = map[string]*string{"Color": aws.String("rgb(1, 2, 3)")}
		in.CustomJson, in.DefaultSshKeyName = aws.String(`{"a":1}`), aws.String("ana")
	}))
	stored := func() *models.Stack { return must(w.store.Stacks.Get(w.ctx, models.StackID(*s.StackId)))(t) }
	update := func(in opsworks.UpdateStackInput) error {
		in.StackId = s.StackId
		_, err := w.admin.UpdateStack(&in)
		return err
	}
	check(t, update(opsworks.UpdateStackInput{CustomCookbooksSource: &opsworks.Source{
		Type: aws.String("git"), Url: aws.String("https://git.example/y"), Password: aws.String(models.Filtered),
	}}))
	if src := stored().CustomCookbooksSource; src.Password != "hush" || src.URL != "https://git.example/y" || src.Revision != "" {
		t.Errorf("the source became %+v", src)
	}
	check(t, update(opsworks.UpdateStackInput{CustomCookbooksSource: &opsworks.Source{Revision: aws.String("v2")}}))
	if src := stored().CustomCookbooksSource; src.Password != "hush" || src.Revision != "v2" {
		t.Errorf("the source became %+v", src)
	}
	check(t, update(opsworks.UpdateStackInput{CustomJson: aws.String(""), DefaultSshKeyName: aws.String("")}))
	if now := stored(); now.CustomJSON != "" || now.DefaultSSHKeyName != "" || now.Attributes["Color"] != "rgb(1, 2, 3)" || now.Name != "Shop" {
		t.Errorf("after clearing: %+v", now)
	}
	for what, test := range map[string]struct {
		in   opsworks.UpdateStackInput
		says string
	}{
		"another role": {opsworks.UpdateStackInput{ServiceRoleArn: aws.String(someRole + "2")}, "Service Role Arn: cannot be changed"},
		"Windows":      {opsworks.UpdateStackInput{DefaultOs: aws.String(models.OSCustomWindows), DefaultRootDeviceType: aws.String("ebs")}, "Default os"},
		"Chef 12": {opsworks.UpdateStackInput{
			ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("12")},
		}, "cannot change from Chef 11.10 to Chef 12"},
		"another server": {opsworks.UpdateStackInput{CustomCookbooksSource: &opsworks.Source{Url: aws.String("https://evil.example"), Password: aws.String(models.Filtered)}}, "another server"},
		"name":           {opsworks.UpdateStackInput{Name: aws.String(strings.Repeat("x", 65))}, "too long"},
	} {
		t.Run(what, func(t *testing.T) { wantError(t, update(test.in), "ValidationException", test.says) })
	}
	app := models.App{StackID: models.StackID(*s.StackId), Name: "shop", Type: models.AppPHP, Environment: []models.EnvironmentVariable{{Key: "A", Value: "b"}}}
	must(w.engine.CreateApp(w.ctx, app))(t)
	wantError(t, update(opsworks.UpdateStackInput{
		DefaultOs:            aws.String("Amazon Linux 2017.09"),
		ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("11.4")},
	}), "ValidationException", "environment variables")
}

// Users see the stacks of which they have a level, and no traces of the others.
func TestStacksAreSeenByLevel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, other := w.stack(t), w.stack(t)
	ben := w.user(t, "ben", models.LevelShow, mine)
	seen := must(ben.DescribeStacks(&opsworks.DescribeStacksInput{}))(t).Stacks
	if len(seen) != 1 || *seen[0].StackId != string(mine.ID) {
		t.Errorf("ben sees %v", seen)
	}
	_, err := ben.DescribeStacks(&opsworks.DescribeStacksInput{StackIds: aws.StringSlice([]string{string(mine.ID), string(other.ID)})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find stack with ID "+string(other.ID))
	_, err = ben.DescribeStackProvisioningParameters(&opsworks.DescribeStackProvisioningParametersInput{StackId: aws.String(string(mine.ID))})
	wantError(t, err, "AccessDeniedException", "manage")
}

// The name of a provider as the region decides who makes the machines.
func TestRegionMayNameAProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Here", func(in *opsworks.CreateStackInput) { in.Region = aws.String("sim") }))
	if stored := must(w.store.Stacks.Get(w.ctx, models.StackID(*s.StackId)))(t); stored.Provider != "sim" || stored.Region != "sim" {
		t.Errorf("%+v", stored)
	}
}

func TestPitfall01TimesAreStrings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Shop"))
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$`).MatchString(*s.CreatedAt) {
		t.Errorf("CreatedAt is %q", *s.CreatedAt)
	}
}

func TestPitfall14CustomJSONHasALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	of := func(size int) error {
		frame := `{"a":""}`
		_, err := w.admin.CreateStack(newStack("Shop", func(in *opsworks.CreateStackInput) {
			in.CustomJson = aws.String(`{"a":"` + strings.Repeat("x", size-len(frame)) + `"}`)
		}))
		return err
	}
	check(t, of(models.MaxCustomJSON))
	wantError(t, of(models.MaxCustomJSON+1), "ValidationException", "too large (maximum is 120 KB)")
}

func TestPitfall19DefaultsOfTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.created(t, newStack("Shop"))
	if *s.DefaultRootDeviceType != "instance-store" || *s.ConfigurationManager.Name != "Chef" || *s.ConfigurationManager.Version != "12" {
		t.Errorf("%v", s)
	}
}

func TestPitfall21OnlyAPolicyCreatesStacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t)
	manager := w.user(t, "mia", models.LevelManage, s)
	_, err := manager.CreateStack(newStack("Mine"))
	wantError(t, err, "AccessDeniedException")
	_, err = manager.CloneStack(&opsworks.CloneStackInput{SourceStackId: aws.String(string(s.ID)), ServiceRoleArn: aws.String(someRole)})
	wantError(t, err, "AccessDeniedException")
}

func TestPitfall22CloneStack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.stack(t, func(s *models.Stack) { s.ServiceRoleArn = someRole })
	layer := w.layer(t, source, models.LayerCustom, func(l *models.Layer) { l.CustomRecipes.Setup = []string{"a::b"} })
	w.instance(t, layer)
	app := must(w.engine.CreateApp(w.ctx, models.App{StackID: source.ID, Name: "shop", Type: models.AppOther}))(t)
	w.user(t, "ben", models.LevelDeploy, source)
	id := aws.String(string(source.ID))
	_, err := w.admin.CloneStack(&opsworks.CloneStackInput{SourceStackId: id, ServiceRoleArn: aws.String("")})
	wantError(t, err, "ValidationException", "Service Role Arn")
	clone := must(w.admin.CloneStack(&opsworks.CloneStackInput{
		SourceStackId: id, ServiceRoleArn: aws.String(someRole + "2"), Name: aws.String("Another"), VpcId: aws.String("vpc-2"), DefaultSubnetId: aws.String("subnet-2"),
		ClonePermissions: aws.Bool(true), CloneAppIds: []*string{aws.String(string(app.ID))},
	}))(t)
	s := w.described(t, clone.StackId)
	if *s.Name != "Another" || *s.VpcId != "vpc-2" || *s.ServiceRoleArn != someRole+"2" || *s.Region != source.Region {
		t.Errorf("%v", s)
	}
	layers := must(w.admin.DescribeLayers(&opsworks.DescribeLayersInput{StackId: clone.StackId}))(t).Layers
	if len(layers) != 1 || *layers[0].CustomRecipes.Setup[0] != "a::b" || *layers[0].LayerId == string(layer.ID) {
		t.Errorf("layers %v", layers)
	}
	sum := must(w.admin.DescribeStackSummary(&opsworks.DescribeStackSummaryInput{StackId: clone.StackId}))(t).StackSummary
	if *sum.AppsCount != 1 || *sum.LayersCount != 1 || *sum.InstancesCount.Stopped != 0 {
		t.Errorf("summary %v", sum)
	}
	people := must(w.store.Permissions.OfStack(w.ctx, models.StackID(*clone.StackId)))(t)
	if !slices.ContainsFunc(people, func(p models.Permission) bool { return p.Level == models.LevelDeploy }) {
		t.Errorf("permissions %v", people)
	}
	eleven := w.created(t, newStack("Eleven", chef("11.10")))
	_, err = w.admin.CloneStack(&opsworks.CloneStackInput{
		SourceStackId: eleven.StackId, ServiceRoleArn: aws.String(someRole), DefaultOs: aws.String("Amazon Linux 2"),
		ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("12")},
	})
	wantError(t, err, "ValidationException", "cannot change from Chef 11.10 to Chef 12")
	_, err = w.admin.CloneStack(&opsworks.CloneStackInput{SourceStackId: eleven.StackId, ServiceRoleArn: aws.String(someRole), CloneAppIds: []*string{aws.String(string(app.ID))}})
	wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID "+string(app.ID))
}

// Terraform sends the role with every update, and "" for what is unset.
func TestPitfall27Terraform(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := aws.String("")
	s := w.created(t, newStack("Shop", func(in *opsworks.CreateStackInput) {
		in.CustomJson, in.DefaultSshKeyName, in.DefaultSubnetId, in.VpcId, in.DefaultAvailabilityZone = empty, empty, empty, empty, empty
		in.DefaultOs, in.AgentVersion, in.HostnameTheme, in.DefaultRootDeviceType = empty, empty, empty, empty
		in.CustomCookbooksSource = &opsworks.Source{Type: aws.String("git"), Url: aws.String("https://git.example/x"), Username: empty, Password: empty, SshKey: empty, Revision: empty}
	}))
	for range 2 {
		must(w.admin.UpdateStack(&opsworks.UpdateStackInput{
			StackId: s.StackId, Name: aws.String("Shop"), ServiceRoleArn: aws.String(someRole), DefaultInstanceProfileArn: aws.String(someProfile),
			DefaultOs: aws.String("Amazon Linux 2"), DefaultSubnetId: empty, DefaultSshKeyName: empty, CustomJson: empty,
			ChefConfiguration:    &opsworks.ChefConfiguration{ManageBerkshelf: aws.Bool(false), BerkshelfVersion: aws.String("3.2.0")},
			ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("12")},
			UseCustomCookbooks:   aws.Bool(false), UseOpsworksSecurityGroups: aws.Bool(true), Attributes: map[string]*string{"Color": empty},
		}))(t)
	}
	if now := w.described(t, s.StackId); now.CustomJson != nil || now.DefaultSshKeyName != nil || now.CustomCookbooksSource.Revision != nil || *now.ChefConfiguration.BerkshelfVersion != "3.2.0" {
		t.Errorf("%v", now)
	}
}

// Each theme suggests names of its own, one after the other.
func TestHostnameThemes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	for _, theme := range models.HostnameThemes {
		t.Run(string(theme), func(t *testing.T) {
			t.Parallel()
			s := w.stack(t, func(s *models.Stack) { s.HostnameTheme = theme })
			l := w.layer(t, s, models.LayerPHPApp)
			seen := map[string]bool{}
			for n := range 3 {
				got := must(w.admin.GetHostnameSuggestion(&opsworks.GetHostnameSuggestionInput{LayerId: aws.String(string(l.ID))}))(t)
				if *got.LayerId != string(l.ID) || !name.MatchString(*got.Hostname) || seen[*got.Hostname] {
					t.Errorf("got %v after %v", got, seen)
				}
				if want := fmt.Sprintf("php-app%d", n+1); (theme == "Layer_Dependent") != (*got.Hostname == want) {
					t.Errorf("%s suggests %s", theme, *got.Hostname)
				}
				seen[*got.Hostname] = true
				w.instance(t, l, func(i *models.Instance) { i.Hostname = strings.ToUpper(*got.Hostname) })
			}
		})
	}
}
