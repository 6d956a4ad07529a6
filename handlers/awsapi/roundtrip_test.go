package awsapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"opsyard/models"
)

// reads are the operations that show what an update changes, with the member
// of the answer that holds it.
type reads struct{ operation, body, member string }

// written is a thing with everything set that can be set.
type written struct {
	update, id string // the operation, and the member that names the thing
	read       reads
	value      string   // of the id
	drop       []string // members that are shown and not accepted
	change     string   // members of an update, which are then shown
	clear      string   // an update that clears the lists
	cleared    string   // what is then shown of them
}

// full makes a stack in which nothing is left at its default.
func (w *world) full(t *testing.T) []written {
	t.Helper()
	try := func(operation, body, member string) string {
		t.Helper()
		status, answer := w.raw(t, w.key, operation, body)
		out := map[string]string{}
		if status != 200 {
			t.Fatalf("%s: %s", operation, answer)
		}
		if answer != "" {
			check(t, json.Unmarshal([]byte(answer), &out))
		}
		return out[member]
	}
	stack := try("CreateStack", `{"Name":"Shop","Region":"us-east-1","ServiceRoleArn":"`+someRole+`","DefaultInstanceProfileArn":"`+someProfile+`",
		"DefaultOs":"Ubuntu 14.04 LTS","ConfigurationManager":{"Name":"Chef","Version":"11.10"},"ChefConfiguration":{"ManageBerkshelf":true,"BerkshelfVersion":"3.2.0"},
		"HostnameTheme":"Baked_Goods","DefaultAvailabilityZone":"us-east-1b","CustomJson":"{\"a\":1}","DefaultSshKeyName":"key","DefaultRootDeviceType":"ebs",
		"UseCustomCookbooks":true,"CustomCookbooksSource":{"Type":"git","Url":"https://git.example/books","Username":"ann","Password":"s3cret","Revision":"main"},
		"UseOpsworksSecurityGroups":false,"Attributes":{"Color":"rgb(45, 114, 184)"}}`, "StackId")
	layer := try("CreateLayer", `{"StackId":"`+stack+`","Type":"db-master","Name":"MySQL","Shortname":"db-master","Attributes":{"MysqlRootPassword":"r00t"},
		"CustomInstanceProfileArn":"`+someProfile+`","CustomJson":"{\"b\":2}","CustomSecurityGroupIds":["sg-00000001"],"Packages":["git"],
		"VolumeConfigurations":[{"MountPoint":"/vol/mysql","NumberOfDisks":1,"Size":10,"VolumeType":"gp2"}],"EnableAutoHealing":false,"AutoAssignElasticIps":true,
		"CustomRecipes":{"Setup":["a::b"],"Configure":["a::c"],"Deploy":["a::d"],"Undeploy":["a::e"],"Shutdown":["a::f"]},"InstallUpdatesOnBoot":false,
		"UseEbsOptimizedInstances":true,"LifecycleEventConfiguration":{"Shutdown":{"ExecutionTimeout":300,"DelayUntilElbConnectionsDrained":false}},
		"CloudWatchLogsConfiguration":{"Enabled":true,"LogStreams":[{"LogGroupName":"g","File":"/var/log/x","TimeZone":"UTC"}]}}`, "LayerId")
	second := try("CreateLayer", `{"StackId":"`+stack+`","Type":"custom","Name":"Workers","Shortname":"workers","CustomSecurityGroupIds":["sg-00000002"]}`, "LayerId")
	instance := try("CreateInstance", `{"StackId":"`+stack+`","LayerIds":["`+layer+`","`+second+`"],"InstanceType":"m3.medium","AutoScalingType":"timer","Hostname":"db1",
		"SshKeyName":"other","AvailabilityZone":"us-east-1c","InstallUpdatesOnBoot":false,"EbsOptimized":true}`, "InstanceId")
	app := try("CreateApp", `{"StackId":"`+stack+`","Shortname":"shop","Name":"Shop","Description":"d","Type":"rails","AppSource":{"Type":"git","Url":"git@git.example:shop","SshKey":"k3y"},
		"Domains":["shop.example"],"EnableSsl":true,"SslConfiguration":{"Certificate":"`+pemOf("CERTIFICATE")+`","PrivateKey":"`+pemOf("PRIVATE KEY")+`","Chain":"`+pemOf("CERTIFICATE")+`"},
		"Attributes":{"DocumentRoot":"public","RailsEnv":"production","AutoBundleOnDeploy":"true"},"DataSources":[{"Type":"AutoSelectOpsworksMysqlInstance","DatabaseName":"shop"}],
		"Environment":[{"Key":"A","Value":"1","Secure":false},{"Key":"B","Value":"2","Secure":true}]}`, "AppId")
	try("RegisterElasticIp", `{"StackId":"`+stack+`","ElasticIp":"198.51.100.7"}`, "")
	try("UpdateElasticIp", `{"ElasticIp":"198.51.100.7","Name":"front"}`, "")
	volume := try("RegisterVolume", `{"StackId":"`+stack+`","Ec2VolumeId":"vol-12345678"}`, "VolumeId")
	try("UpdateVolume", `{"VolumeId":"`+volume+`","Name":"data","MountPoint":"/data"}`, "")
	const database = "arn:aws:rds:us-east-1:123456789012:db:shop"
	try("RegisterRdsDbInstance", `{"StackId":"`+stack+`","RdsDbInstanceArn":"`+database+`","DbUser":"u","DbPassword":"pa55"}`, "")
	try("SetLoadBasedAutoScaling", `{"LayerId":"`+layer+`","Enable":true,"UpScaling":{"InstanceCount":2,"ThresholdsWaitTime":3,"IgnoreMetricsTime":4,"CpuThreshold":70.5,
		"MemoryThreshold":60,"LoadThreshold":5,"Alarms":["x"]},"DownScaling":{"InstanceCount":1,"ThresholdsWaitTime":9,"IgnoreMetricsTime":8,"CpuThreshold":10}}`, "")
	try("SetTimeBasedAutoScaling", `{"InstanceId":"`+instance+`","AutoScalingSchedule":{"Monday":{"`+strconv.Itoa(awayHour)+`":"on"},"Sunday":{"`+strconv.Itoa(awayHour)+`":"on"}}}`, "")
	user := must(w.engine.CreateUser(w.ctx, models.User{Name: "ben"}, ""))(t).IamUserArn
	try("SetPermission", `{"StackId":"`+stack+`","IamUserArn":"`+user+`","Level":"deploy","AllowSsh":true,"AllowSudo":true}`, "")
	try("UpdateUserProfile", `{"IamUserArn":"`+user+`","SshUsername":"benny","AllowSelfManagement":true}`, "")
	return []written{
		{update: "UpdateStack", id: "StackId", value: stack, read: reads{"DescribeStacks", `{"StackIds":["` + stack + `"]}`, "Stacks"}, drop: []string{"Arn", "CreatedAt", "Region", "VpcId"}, change: `{"Name":"Other","HostnameTheme":"Roman_Deities","UseCustomCookbooks":false,"DefaultAvailabilityZone":"us-east-1d"}`},
		{
			update: "UpdateLayer", id: "LayerId", value: layer, read: reads{"DescribeLayers", `{"LayerIds":["` + layer + `"]}`, "Layers"},
			drop:    []string{"Arn", "CreatedAt", "StackId", "Type", "DefaultRecipes", "DefaultSecurityGroupNames"},
			change:  `{"Name":"Database","EnableAutoHealing":true,"Packages":["git","vim"]}`,
			clear:   `"Packages":[],"VolumeConfigurations":[],"CustomRecipes":{"Setup":[]},"CloudWatchLogsConfiguration":{"LogStreams":[]}`,
			cleared: `{"Packages":[],"VolumeConfigurations":[],"CustomRecipes":{"Setup":[],"Configure":["a::c"],"Deploy":["a::d"],"Undeploy":["a::e"],"Shutdown":["a::f"]},"CloudWatchLogsConfiguration":{"Enabled":true,"LogStreams":[]}}`,
		},
		{
			update: "UpdateInstance", id: "InstanceId", value: instance, read: reads{"DescribeInstances", `{"InstanceIds":["` + instance + `"]}`, "Instances"},
			change: `{"Hostname":"db2","InstanceType":"m3.large","InstallUpdatesOnBoot":true}`,
			clear:  `"LayerIds":["` + second + `"]`, cleared: `{"LayerIds":["` + second + `"]}`,
		},
		{
			update: "UpdateApp", id: "AppId", value: app, read: reads{"DescribeApps", `{"AppIds":["` + app + `"]}`, "Apps"}, drop: []string{"CreatedAt", "StackId", "Shortname"},
			change: `{"Name":"Store","Description":"e","Domains":["a.example","b.example"],"EnableSsl":false}`,
			clear:  `"Domains":[],"DataSources":[],"Environment":[]`, cleared: `{"Domains":[],"DataSources":[],"Environment":[]}`,
		},
		{update: "UpdateElasticIp", id: "ElasticIp", value: "198.51.100.7", read: reads{"DescribeElasticIps", `{"Ips":["198.51.100.7"]}`, "ElasticIps"}, change: `{"Name":"back"}`},
		{update: "UpdateVolume", id: "VolumeId", value: volume, read: reads{"DescribeVolumes", `{"VolumeIds":["` + volume + `"]}`, "Volumes"}, change: `{"Name":"old","MountPoint":"/old"}`},
		{update: "UpdateRdsDbInstance", id: "RdsDbInstanceArn", value: database, read: reads{"DescribeRdsDbInstances", `{"StackId":"` + stack + `"}`, "RdsDbInstances"}, change: `{"DbUser":"v"}`},
		{
			update: "SetLoadBasedAutoScaling", id: "LayerId", value: layer, read: reads{"DescribeLoadBasedAutoScaling", `{"LayerIds":["` + layer + `"]}`, "LoadBasedAutoScalingConfigurations"},
			change:  `{"Enable":false}`,
			clear:   `"UpScaling":{"Alarms":[]}`,
			cleared: `{"UpScaling":{"Alarms":[],"InstanceCount":2,"ThresholdsWaitTime":3,"IgnoreMetricsTime":4,"CpuThreshold":70.5,"MemoryThreshold":60,"LoadThreshold":5}}`,
		},
		{update: "UpdateUserProfile", id: "IamUserArn", value: user, read: reads{"DescribeUserProfiles", `{"IamUserArns":["` + user + `"]}`, "UserProfiles"}, change: `{"SshUsername":"bob","AllowSelfManagement":false}`},
		{update: "SetPermission", id: "IamUserArn", value: user, read: reads{"DescribePermissions", `{"StackId":"` + stack + `","IamUserArn":"` + user + `"}`, "Permissions"}, change: `{"Level":"manage","AllowSudo":false}`},
	}
}

func pemOf(kind string) string {
	return fmt.Sprintf(`-----BEGIN %s-----\nAAAA\n-----END %s-----\n`, kind, kind)
}

func (w *world) shownBy(t *testing.T, r reads) map[string]any {
	t.Helper()
	status, answer := w.raw(t, w.key, r.operation, r.body)
	var out map[string][]map[string]any
	if status != 200 {
		t.Fatalf("%s: %s", r.operation, answer)
	}
	check(t, json.Unmarshal([]byte(answer), &out))
	return out[r.member][0]
}

// secrets are all that the API hides of what full has made.
func (w *world) secrets(t *testing.T, of []written) string {
	t.Helper()
	id := map[string]string{}
	for _, o := range of {
		id[o.update] = o.value
	}
	stack := must(w.store.Stacks.Get(w.ctx, models.StackID(id["UpdateStack"])))(t)
	layer := must(w.store.Layers.Get(w.ctx, models.LayerID(id["UpdateLayer"])))(t)
	app := must(w.store.Apps.Get(w.ctx, models.AppID(id["UpdateApp"])))(t)
	database := must(w.store.RdsDbInstances.Get(w.ctx, id["UpdateRdsDbInstance"]))(t)
	return fmt.Sprintln(stack.CustomCookbooksSource.Password, layer.Attributes["MysqlRootPassword"], app.AppSource.SSHKey, app.SslConfiguration.PrivateKey,
		app.Environment, database.DbPassword)
}

// What was read can be written back, as scripts do that change one member; and
// an update changes only what it names.
func TestUpdatesLeaveWhatTheyDoNotName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.full(t)
	secrets := w.secrets(t, all)
	for _, tc := range all {
		t.Run(tc.update, func(t *testing.T) {
			before := w.shownBy(t, tc.read)
			bare := map[string]any{tc.id: tc.value}
			if tc.update == "SetPermission" {
				bare["StackId"] = before["StackId"]
			}
			back := map[string]any{}
			for member, value := range before {
				back[member] = value
			}
			for _, member := range tc.drop {
				delete(back, member)
			}
			back[tc.id] = tc.value
			for name, body := range map[string]map[string]any{"nothing but the id": bare, "all that was shown": back} {
				status, answer := w.raw(t, w.key, tc.update, string(must(json.Marshal(body))(t)))
				if status != 200 {
					t.Fatalf("%s: %s", name, answer)
				}
				if after := w.shownBy(t, tc.read); !reflect.DeepEqual(after, before) {
					t.Errorf("%s: got %v\nwas %v", name, after, before)
				}
			}
		})
	}
	if now := w.secrets(t, all); now != secrets {
		t.Errorf("the secrets are %s, were %s", now, secrets)
	}
}

// An update changes what it names, and nothing else.
func TestUpdatesChangeWhatTheyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range w.full(t) {
		want := w.shownBy(t, tc.read)
		body := map[string]any{tc.id: tc.value}
		if tc.update == "SetPermission" {
			body["StackId"] = want["StackId"]
		}
		var change map[string]any
		check(t, json.Unmarshal([]byte(tc.change), &change))
		for member, value := range change {
			body[member], want[member] = value, value
		}
		status, answer := w.raw(t, w.key, tc.update, string(must(json.Marshal(body))(t)))
		if now := w.shownBy(t, tc.read); status != 200 || !reflect.DeepEqual(now, want) {
			t.Errorf("%s: %s\ngot  %v\nwant %v", tc.update, answer, now, want)
		}
	}
}

// An empty list clears what is there.
func TestEmptyListsClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range w.full(t) {
		if tc.clear == "" {
			continue
		}
		status, answer := w.raw(t, w.key, tc.update, fmt.Sprintf(`{%q:%q,%s}`, tc.id, tc.value, tc.clear))
		if status != 200 {
			t.Errorf("%s: %s", tc.update, answer)
			continue
		}
		now, want := w.shownBy(t, tc.read), map[string]any{}
		check(t, json.Unmarshal([]byte(tc.cleared), &want))
		for member := range want {
			if !reflect.DeepEqual(now[member], want[member]) {
				t.Errorf("%s: %s is %v, want %v", tc.update, member, now[member], want[member])
			}
		}
	}
}

// empties are the members that "" empties, as docs/aws-api.md lists them.
var empties = map[string][]string{
	"UpdateStack":         {"CustomJson", "DefaultSshKeyName"},
	"UpdateLayer":         {"CustomJson", "CustomInstanceProfileArn"},
	"UpdateApp":           {"Description"},
	"UpdateElasticIp":     {"Name"},
	"UpdateVolume":        {"Name", "MountPoint"},
	"UpdateUserProfile":   {"SshPublicKey"},
	"UpdateMyUserProfile": {"SshPublicKey"},
}

// Elsewhere "" is how clients leave a member out.
func TestEmptyStringsAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range w.full(t) {
		before := w.shownBy(t, tc.read)
		for member, value := range before {
			if _, text := value.(string); !text || member == tc.id || slices.Contains(tc.drop, member) || tc.update == "SetPermission" {
				continue
			}
			status, answer := w.raw(t, w.key, tc.update, fmt.Sprintf(`{%q:%q,%q:""}`, tc.id, tc.value, member))
			now := w.shownBy(t, tc.read)
			switch _, there := now[member]; {
			case status != 200:
				t.Errorf("%s with an empty %s: %s", tc.update, member, answer)
			case slices.Contains(empties[tc.update], member) == there:
				t.Errorf("%s with an empty %s: it is %v", tc.update, member, now[member])
			case there && !reflect.DeepEqual(now, before):
				t.Errorf("%s with an empty %s: got %v\nwas %v", tc.update, member, now, before)
			}
			before = now
		}
	}
}
