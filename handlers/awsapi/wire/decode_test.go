package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func to[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, operation, body string
		got, want             any
	}{
		{
			name: "members of all types", operation: "CreateInstance",
			body: `{"StackId":"s","LayerIds":["a","b"],"InstanceType":"t2.micro","EbsOptimized":true,
				"BlockDeviceMappings":[{"DeviceName":"/dev/sdb","Ebs":{"VolumeSize":-1,"VolumeType":"gp2"}}]}`,
			got: new(CreateInstanceRequest),
			want: &CreateInstanceRequest{
				StackId: to("s"), LayerIds: []string{"a", "b"}, InstanceType: to("t2.micro"), EbsOptimized: to(true),
				BlockDeviceMappings: []BlockDeviceMapping{{DeviceName: to("/dev/sdb"), Ebs: &EbsBlockDevice{VolumeSize: to[int64](-1), VolumeType: to("gp2")}}},
			},
		},
		{
			name: "lists in maps", operation: "CreateDeployment",
			body: `{"StackId":"s","Command":{"Name":"deploy","Args":{"migrate":["true"]}}}`,
			got:  new(CreateDeploymentRequest),
			want: &CreateDeploymentRequest{StackId: to("s"), Command: &DeploymentCommand{Name: to("deploy"), Args: map[string][]string{"migrate": {"true"}}}},
		},
		{
			name: "unset in several manners", operation: "CreateStack",
			body: `{"Name":"n","Region":"r","ServiceRoleArn":"a","DefaultInstanceProfileArn":"p","DefaultRootDeviceType":"",
				"VpcId":"","CustomJson":null,"Attributes":{"Color":null},"NotOurs":[{"deep":1}],"name":"small"}`,
			got:  new(CreateStackRequest),
			want: &CreateStackRequest{Name: to("n"), Region: to("r"), ServiceRoleArn: to("a"), DefaultInstanceProfileArn: to("p"), Attributes: map[string]string{}},
		},
		{
			name: "nulls in lists, and empty lists", operation: "UpdateLayer",
			body: `{"LayerId":"l","Packages":[null,"git",null],"CustomSecurityGroupIds":[]}`,
			got:  new(UpdateLayerRequest),
			want: &UpdateLayerRequest{LayerId: to("l"), Packages: []string{"git"}, CustomSecurityGroupIds: []string{}},
		},
		{
			name: "what an update may empty", operation: "UpdateStack",
			body: `{"StackId":"s","CustomJson":"","DefaultOs":""}`,
			got:  new(UpdateStackRequest),
			want: &UpdateStackRequest{StackId: to("s"), CustomJson: to("")},
		},
		{
			name: "a required string may be empty", operation: "SetPermission",
			body: `{"StackId":"","IamUserArn":"u"}`,
			got:  new(SetPermissionRequest),
			want: &SetPermissionRequest{StackId: to(""), IamUserArn: to("u")},
		},
		{name: "no body", operation: "DescribeStacks", got: new(DescribeStacksRequest), want: new(DescribeStacksRequest)},
		{name: "no input", operation: "DescribeMyUserProfile", body: `{"a":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := Decode(c.operation, []byte(c.body), c.got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, operation, body string
		serialization         bool
		says                  string
	}{
		{"a list for an object", "DescribeStacks", `[]`, true, "not a list"},
		{"null", "DescribeMyUserProfile", `null`, true, "not null"},
		{"half a body", "DescribeStacks", `{"StackIds":["a"`, true, "not valid JSON"},
		{"more than a body", "DescribeStacks", `{} {}`, true, "more in it"},
		{"not UTF-8", "DescribeStacks", "{\"StackIds\":[\"\xff\"]}", true, "not valid UTF-8"},
		{"too deep", "DescribeStacks", strings.Repeat(`{"a":`, 20000), true, "depth"},
		{"a string for a list", "DescribeStacks", `{"StackIds":"a"}`, true, "'stackIds' must be a list, not a string"},
		{"a number for a string", "DescribeStacks", `{"StackIds":["a",1]}`, true, "'stackIds.2.member' must be a string, not a number"},
		{"a string for a boolean", "DeleteInstance", `{"InstanceId":"i","DeleteVolumes":"true"}`, true, "'deleteVolumes' must be true or false, not a string"},
		{"a fraction", "GrantAccess", `{"InstanceId":"i","ValidForInMinutes":60.5}`, true, "whole number"},
		{"33 bits", "GrantAccess", `{"InstanceId":"i","ValidForInMinutes":4294967296}`, true, "32 bits"},
		{"a number without end", "SetLoadBasedAutoScaling", `{"LayerId":"l","UpScaling":{"CpuThreshold":1e999}}`, true, "64 bits"},
		{"a list in a map", "TagResource", `{"ResourceArn":"a","Tags":{"k":["v"]}}`, true, "'tags.k' must be a string, not a list"},

		{"without what is required", "StartInstance", `{}`, false, "1 validation error detected: Value null at 'instanceId' failed to satisfy constraint: Member must not be null"},
		{"null for what is required", "StartInstance", `{"InstanceId":null}`, false, "Value null at 'instanceId'"},
		{"a value out of its set", "CreateApp", `{"StackId":"s","Name":"n","Type":"cobol"}`, false, "Value 'cobol' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [aws-flow-ruby, java, rails, php, nodejs, static, other]"},
		{"a required value that is empty", "CreateApp", `{"StackId":"s","Name":"n","Type":""}`, false, "Value '' at 'type'"},
		{"a key out of its set", "CreateStack", `{"Name":"n","Region":"r","ServiceRoleArn":"a","DefaultInstanceProfileArn":"p","Attributes":{"Size":"1"}}`, false, "Value 'Size' at 'attributes'"},
		{"inside structures", "CreateInstance", `{"StackId":"s","LayerIds":[],"InstanceType":"t","BlockDeviceMappings":[{"Ebs":{"VolumeType":"tape"}}]}`, false, "at 'blockDeviceMappings.1.member.ebs.volumeType'"},
		{"too few minutes", "GrantAccess", `{"InstanceId":"i","ValidForInMinutes":59}`, false, "greater than or equal to 60"},
		{"too many minutes", "SetLoadBasedAutoScaling", `{"LayerId":"l","UpScaling":{"ThresholdsWaitTime":101}}`, false, "'upScaling.thresholdsWaitTime' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"several at once", "CreateLayer", `{"Type":"x"}`, false, "4 validation errors detected: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var input any = new(struct{})
			err := Decode(c.operation, []byte(c.body), input)
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatalf("got %v, want a problem", err)
			}
			if problem.Serialization != c.serialization || !strings.Contains(problem.Message, c.says) {
				t.Errorf("got %+v, want serialization %t and %q", problem, c.serialization, c.says)
			}
		})
	}
}

// TestDecodeManyProblems keeps an answer short whatever the request.
func TestDecodeManyProblems(t *testing.T) {
	t.Parallel()
	stream := `{"Encoding":"` + strings.Repeat("ü", 5000) + `"},`
	body := `{"LayerId":"l","CloudWatchLogsConfiguration":{"LogStreams":[` + strings.TrimSuffix(strings.Repeat(stream, 100), ",") + `]}}`
	err := Decode("UpdateLayer", []byte(body), new(UpdateLayerRequest))
	if err == nil || !strings.HasPrefix(err.Error(), "100 validation errors") || len(err.Error()) > 20000 {
		t.Errorf("got %.300v", err)
	}
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	var problem *Problem
	if err := Decode("Reboot", nil, nil); err == nil || errors.As(err, &problem) {
		t.Errorf("got %v, want an error of the caller", err)
	}
	if err := CheckResponse("Reboot", nil); err == nil {
		t.Error("the response of an unknown operation was accepted")
	}
}

func TestCheckResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, operation, body, says string
	}{
		{"OK", "DescribeStacks", `{"Stacks":[{"StackId":"s","CustomCookbooksSource":{},"DefaultRootDeviceType":"ebs"}]}`, ""},
		{"nothing", "StartInstance", ``, ""},
		{"an empty object", "StartInstance", `{}`, ""},
		{"a member for an operation without", "StartInstance", `{"InstanceId":"i"}`, "answers nothing"},
		{"an unknown member", "DescribeStacks", `{"Stacks":[{"Colour":"red"}]}`, "no member 'stacks.1.member.colour'"},
		{"a member in small letters", "CreateStack", `{"stackId":"s"}`, "no member"},
		{"null", "DescribeStacks", `{"Stacks":null}`, "must be a list, not null"},
		{"null in a list", "DescribeStacks", `{"Stacks":[null]}`, "must be an object, not null"},
		{"a wrong type", "DescribeStacks", `{"Stacks":[{"CreatedAt":1}]}`, "must be a string, not a number"},
		{"a wrong value", "DescribeStacks", `{"Stacks":[{"DefaultRootDeviceType":"disk"}]}`, "enum value set"},
		{"an empty value", "DescribeStacks", `{"Stacks":[{"DefaultRootDeviceType":""}]}`, "enum value set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckResponse(c.operation, []byte(c.body))
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

// TestEmptyLists are answered: clients read them without asking.
func TestEmptyLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{DescribeStacksResult{}, `{}`},
		{DescribeStacksResult{Stacks: []Stack{}}, `{"Stacks":[]}`},
		{WeeklyAutoScalingSchedule{Monday: map[string]string{}}, `{"Monday":{}}`},
	} {
		if got, err := json.Marshal(c.value); err != nil || string(got) != c.want {
			t.Errorf("%T: got %s, %v, want %s", c.value, got, err, c.want)
		}
	}
}

// FuzzDecode looks for bodies that break the decoder, and for requests that are
// accepted although they are not of the model.
func FuzzDecode(f *testing.F) {
	operations := Operations()
	for i := range operations {
		f.Add(uint8(i), []byte(`{"StackId":"s","LayerIds":["a",null],"Name":"","Type":"custom","Tags":{"a":"b"},"InstanceId":"i"}`))
	}
	f.Add(uint8(0), []byte(`{"Source":{"Type":"git","Url":null},"VolumeConfigurations":[{"MountPoint":"/a","NumberOfDisks":1,"Size":1e1}]}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		o := operations[int(which)%len(operations)]
		taken := map[string]any{}
		if err := Decode(o.Name, body, &taken); err != nil || o.Input == "" {
			return
		}
		text, err := json.Marshal(taken)
		if err != nil {
			t.Fatal(err)
		}
		strict := checker{shapes: parsed().API.Shapes, strict: true}
		members, err := readObject(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strict.value(o.Input, members, ""); err != nil {
			t.Fatalf("%s accepted %q, as %s: %v", o.Name, body, text, err)
		}
		if err := strict.refusal(); err != nil {
			t.Fatalf("%s accepted %q, as %s: %v", o.Name, body, text, err)
		}
	})
}
