package awsapi

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opsyard/models"
)

// strangers are requests of somebody who manages one stack and has no level in
// another one. A word after ~ is a thing of the other stack.
var strangers = map[string][]string{
	"AssignInstance":            {`{"InstanceId":"~HOST","LayerIds":["LAYER"]}`},
	"AssignVolume":              {`{"VolumeId":"VOLUME","InstanceId":"~INSTANCE"}`, `{"VolumeId":"~VOLUME","InstanceId":"INSTANCE"}`},
	"AssociateElasticIp":        {`{"ElasticIp":"ADDRESS","InstanceId":"~INSTANCE"}`, `{"ElasticIp":"~ADDRESS","InstanceId":"INSTANCE"}`},
	"AttachElasticLoadBalancer": {`{"ElasticLoadBalancerName":"lb-x","LayerId":"~LAYER"}`},
	"CloneStack":                {`{"SourceStackId":"~STACK","ServiceRoleArn":"arn:aws:iam::123456789012:role/r"}`},
	"CreateApp": {
		`{"StackId":"~STACK","Name":"New","Type":"other"}`,
		`{"StackId":"STACK","Name":"New","Type":"other","DataSources":[{"Type":"RdsDbInstance","Arn":"~DATABASE"}]}`,
	},
	"CreateDeployment": {
		`{"StackId":"STACK","Command":{"Name":"deploy"},"AppId":"~APP"}`,
		`{"StackId":"STACK","Command":{"Name":"configure"},"InstanceIds":["~INSTANCE"]}`,
		`{"StackId":"STACK","Command":{"Name":"configure"},"LayerIds":["~LAYER"]}`,
		`{"StackId":"STACK","Command":{"Name":"configure"},"LayerIds":["NOTHING","~LAYER"]}`,
		`{"StackId":"~STACK","Command":{"Name":"configure"}}`,
	},
	"CreateInstance": {
		`{"StackId":"STACK","LayerIds":["~LAYER"],"InstanceType":"t2.micro"}`,
		`{"StackId":"STACK","LayerIds":["LAYER","~LAYER"],"InstanceType":"t2.micro"}`,
		`{"StackId":"~STACK","LayerIds":["LAYER"],"InstanceType":"t2.micro"}`,
	},
	"CreateLayer": {
		`{"StackId":"~STACK","Type":"custom","Name":"New","Shortname":"new"}`,
		`{"StackId":"STACK","Type":"ecs-cluster","Name":"New","Shortname":"new","Attributes":{"EcsClusterArn":"~CLUSTER"}}`,
	},
	"DeleteApp":               {`{"AppId":"~APP"}`},
	"DeleteInstance":          {`{"InstanceId":"~INSTANCE"}`},
	"DeleteLayer":             {`{"LayerId":"~LAYER"}`},
	"DeleteStack":             {`{"StackId":"~STACK"}`},
	"DeregisterEcsCluster":    {`{"EcsClusterArn":"~CLUSTER"}`},
	"DeregisterElasticIp":     {`{"ElasticIp":"~ADDRESS"}`},
	"DeregisterInstance":      {`{"InstanceId":"~HOST"}`},
	"DeregisterRdsDbInstance": {`{"RdsDbInstanceArn":"~DATABASE"}`},
	"DeregisterVolume":        {`{"VolumeId":"~VOLUME"}`},
	"DescribeAgentVersions":   {`{"StackId":"~STACK"}`},
	"DescribeApps":            {`{"AppIds":["~APP"]}`, `{"AppIds":["APP","~APP"]}`, `{"AppIds":["NOTHING","~APP"]}`, `{"StackId":"~STACK"}`},
	"DescribeCommands": {
		`{"CommandIds":["~COMMAND"]}`, `{"CommandIds":["NOTHING","~COMMAND"]}`, `{"DeploymentId":"~DEPLOYMENT"}`, `{"InstanceId":"~INSTANCE"}`,
	},
	"DescribeDeployments": {
		`{"DeploymentIds":["~DEPLOYMENT"]}`, `{"DeploymentIds":["~DEPLOYMENT","NOTHING"]}`, `{"AppId":"~APP"}`, `{"StackId":"~STACK"}`,
	},
	"DescribeEcsClusters": {`{"EcsClusterArns":["~CLUSTER"]}`, `{"EcsClusterArns":["NOTHING","~CLUSTER"]}`, `{"StackId":"~STACK"}`},
	"DescribeElasticIps":  {`{"Ips":["~ADDRESS"]}`, `{"Ips":["NOTHING","~ADDRESS"]}`, `{"InstanceId":"~INSTANCE"}`, `{"StackId":"~STACK"}`},
	"DescribeElasticLoadBalancers": {
		`{"LayerIds":["~LAYER"]}`, `{"LayerIds":["~LAYER","NOTHING"]}`, `{"StackId":"~STACK"}`,
	},
	"DescribeInstances": {
		`{"InstanceIds":["~INSTANCE"]}`, `{"InstanceIds":["INSTANCE","~INSTANCE"]}`, `{"InstanceIds":["NOTHING","~INSTANCE"]}`, `{"LayerId":"~LAYER"}`,
		`{"StackId":"~STACK"}`,
	},
	"DescribeLayers":                      {`{"LayerIds":["~LAYER"]}`, `{"LayerIds":["NOTHING","~LAYER"]}`, `{"StackId":"~STACK"}`},
	"DescribeLoadBasedAutoScaling":        {`{"LayerIds":["~LAYER"]}`, `{"LayerIds":["NOTHING","~LAYER"]}`},
	"DescribePermissions":                 {`{"StackId":"~STACK"}`},
	"DescribeRaidArrays":                  {`{"InstanceId":"~INSTANCE"}`, `{"StackId":"~STACK"}`},
	"DescribeRdsDbInstances":              {`{"StackId":"~STACK"}`, `{"StackId":"STACK","RdsDbInstanceArns":["~DATABASE"]}`},
	"DescribeServiceErrors":               {`{"InstanceId":"~INSTANCE"}`, `{"StackId":"~STACK"}`},
	"DescribeStackProvisioningParameters": {`{"StackId":"~STACK"}`},
	"DescribeStackSummary":                {`{"StackId":"~STACK"}`},
	"DescribeStacks":                      {`{"StackIds":["~STACK"]}`, `{"StackIds":["NOTHING","~STACK"]}`},
	"DescribeTimeBasedAutoScaling":        {`{"InstanceIds":["~INSTANCE"]}`, `{"InstanceIds":["NOTHING","~INSTANCE"]}`},
	"DescribeVolumes":                     {`{"VolumeIds":["~VOLUME"]}`, `{"VolumeIds":["NOTHING","~VOLUME"]}`, `{"InstanceId":"~INSTANCE"}`, `{"StackId":"~STACK"}`},
	"DetachElasticLoadBalancer":           {`{"ElasticLoadBalancerName":"BALANCER","LayerId":"~LAYER"}`},
	"DisassociateElasticIp":               {`{"ElasticIp":"~ADDRESS"}`},
	"GetHostnameSuggestion":               {`{"LayerId":"~LAYER"}`},
	"GrantAccess":                         {`{"InstanceId":"~INSTANCE","ValidForInMinutes":60}`},
	"ListTags":                            {`{"ResourceArn":"~STACKARN"}`, `{"ResourceArn":"~LAYERARN"}`},
	"RebootInstance":                      {`{"InstanceId":"~INSTANCE"}`},
	"RegisterEcsCluster":                  {`{"StackId":"~STACK","EcsClusterArn":"arn:aws:ecs:us-east-1:123456789012:cluster/new"}`},
	"RegisterElasticIp":                   {`{"StackId":"~STACK","ElasticIp":"198.19.255.1"}`},
	"RegisterInstance":                    {`{"StackId":"~STACK","Hostname":"new","PrivateIp":"10.1.2.3"}`},
	"RegisterRdsDbInstance":               {`{"StackId":"~STACK","RdsDbInstanceArn":"arn:aws:rds:us-east-1:123456789012:db:new","DbUser":"u","DbPassword":"p"}`},
	"RegisterVolume":                      {`{"StackId":"~STACK","Ec2VolumeId":"vol-00000001"}`},
	"SetLoadBasedAutoScaling":             {`{"LayerId":"~LAYER","Enable":false}`},
	"SetPermission":                       {`{"StackId":"~STACK","IamUserArn":"USER","Level":"show"}`},
	"SetTimeBasedAutoScaling":             {`{"InstanceId":"~INSTANCE","AutoScalingSchedule":{"Monday":{"9":"on"}}}`},
	"StartInstance":                       {`{"InstanceId":"~INSTANCE"}`},
	"StartStack":                          {`{"StackId":"~STACK"}`},
	"StopInstance":                        {`{"InstanceId":"~INSTANCE"}`},
	"StopStack":                           {`{"StackId":"~STACK"}`},
	"TagResource":                         {`{"ResourceArn":"~STACKARN","Tags":{"a":"b"}}`, `{"ResourceArn":"~LAYERARN","Tags":{"a":"b"}}`},
	"UnassignInstance":                    {`{"InstanceId":"~HOST"}`},
	"UnassignVolume":                      {`{"VolumeId":"~VOLUME"}`},
	"UntagResource":                       {`{"ResourceArn":"~STACKARN","TagKeys":["a"]}`, `{"ResourceArn":"~LAYERARN","TagKeys":["a"]}`},
	"UpdateApp":                           {`{"AppId":"~APP","Name":"n"}`, `{"AppId":"APP","DataSources":[{"Type":"RdsDbInstance","Arn":"~DATABASE"}]}`},
	"UpdateElasticIp":                     {`{"ElasticIp":"~ADDRESS","Name":"n"}`, `{"ElasticIp":"~ADDRESS"}`},
	"UpdateInstance":                      {`{"InstanceId":"~INSTANCE","Hostname":"n"}`, `{"InstanceId":"INSTANCE","LayerIds":["~LAYER"]}`, `{"InstanceId":"INSTANCE","LayerIds":["LAYER","~LAYER"]}`},
	"UpdateLayer":                         {`{"LayerId":"~LAYER","Name":"n"}`},
	"UpdateRdsDbInstance":                 {`{"RdsDbInstanceArn":"~DATABASE","DbUser":"v"}`},
	"UpdateStack":                         {`{"StackId":"~STACK","Name":"n"}`},
	"UpdateVolume":                        {`{"VolumeId":"~VOLUME","Name":"n"}`},
}

// nothing is a value like that of a word, of which there is nothing.
func nothing(word string) string {
	none := string(models.NewID[models.StackID]())
	switch word {
	case "ADDRESS":
		return fmt.Sprintf("198.19.0.%d", serial.Add(1)%250+1)
	case "DATABASE":
		return "arn:aws:rds:us-east-1:123456789012:db:none-" + none
	case "CLUSTER":
		return "arn:aws:ecs:us-east-1:123456789012:cluster/none-" + none
	case "STACKARN":
		return "arn:aws:opsworks:local:000000000000:stack/" + none + "/"
	case "LAYERARN":
		return "arn:aws:opsworks:local:000000000000:layer/" + none
	}
	return none
}

var strange = regexp.MustCompile(`~[A-Z]+`)

// TestThingsOfOtherStacks asks for things of a stack that the asker may not
// see, and then for things that are not there: the answers must be the same, or
// they would tell what there is.
func TestThingsOfOtherStacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	manager := person{name: "manager", level: models.LevelManage, key: w.newKey(t, models.User{Name: "max"})}
	own, other := w.scene(t, []person{manager}), w.scene(t, nil)
	commands := must(w.store.Commands.OfInstance(w.ctx, models.InstanceID(other.online()), 1))(t)
	other.values["COMMAND"], other.values["DEPLOYMENT"] = string(commands[0].ID), string(commands[0].DeploymentID)
	other.values["LAYERARN"] = must(w.store.Layers.Get(w.ctx, models.LayerID(other.value("LAYER"))))(t).Arn
	for operation, g := range grades {
		if slices.Contains([]grade{needShow, needDeploy, needManage, needSource}, g.grade) && strangers[operation] == nil {
			t.Errorf("strangers does not say how %s is asked for a thing of another stack", operation)
		}
	}
	for operation, bodies := range strangers {
		for _, body := range bodies {
			t.Run(operation+" "+body, func(t *testing.T) {
				word := strings.Trim(strange.FindString(body), "~")
				body = with(strings.ReplaceAll(body, "~"+word, "~"))(own)
				elsewhere := nothing(word)
				ask := func(id string) string {
					asked := strings.ReplaceAll(strings.ReplaceAll(body, "~", id), "NOTHING", elsewhere)
					status, answer := w.raw(t, manager.key, operation, asked)
					if status == http.StatusOK {
						t.Errorf("%s was answered: %s", asked, answer)
					}
					_, short, _ := strings.Cut(strings.TrimSuffix(id, "/"), "/")
					for _, known := range []string{id, short} { // of an ARN, the id at its end is named, too
						if known != "" {
							answer = strings.ReplaceAll(answer, known, "it")
						}
					}
					return answer
				}
				theirs, nobodys := ask(other.value(word)), ask(nothing(word))
				if theirs != nobodys || strings.Contains(theirs, string(other.stack.ID)) {
					t.Errorf("of another stack: %s\nof none:          %s", theirs, nobodys)
				}
			})
		}
	}
}

// online makes the scene's instance one that has run a command.
func (s *scene) online() string {
	layer := must(s.w.store.Layers.Get(s.w.ctx, models.LayerID(s.value("LAYER"))))(s.t)
	s.values["INSTANCE"] = string(s.w.online(s.t, layer, 1)[0].ID)
	return s.values["INSTANCE"]
}
