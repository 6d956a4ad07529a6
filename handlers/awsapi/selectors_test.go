package awsapi

import (
	"net/http"
	"testing"
)

// Clients that fill in every member send "" for what they leave out: it selects
// nothing, and is no second selector.
func TestEmptySelectorsAreUnset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scene(t, nil)
	for operation, body := range map[string]string{
		"DescribeAgentVersions":        `{"StackId":"","ConfigurationManager":{"Name":"Chef","Version":"12"}}`,
		"DescribeApps":                 `{"StackId":"","AppIds":["APP"]}`,
		"DescribeCommands":             `{"DeploymentId":"","InstanceId":"INSTANCE"}`,
		"DescribeDeployments":          `{"StackId":"STACK","AppId":""}`,
		"DescribeEcsClusters":          `{"StackId":"","EcsClusterArns":["CLUSTER"],"NextToken":""}`,
		"DescribeElasticIps":           `{"InstanceId":"","StackId":"","Ips":["ADDRESS"]}`,
		"DescribeElasticLoadBalancers": `{"StackId":"","LayerIds":["LAYER"]}`,
		"DescribeInstances":            `{"StackId":"","LayerId":"","InstanceIds":["INSTANCE"]}`,
		"DescribeLayers":               `{"StackId":"","LayerIds":["LAYER"]}`,
		"DescribePermissions":          `{"StackId":"STACK","IamUserArn":""}`,
		"DescribeRaidArrays":           `{"InstanceId":"","StackId":"STACK"}`,
		"DescribeServiceErrors":        `{"StackId":"","InstanceId":"INSTANCE"}`,
		"DescribeVolumes":              `{"InstanceId":"","StackId":"","RaidArrayId":"","VolumeIds":["VOLUME"]}`,
		"CloneStack":                   `{"SourceStackId":"STACK","Region":"","ServiceRoleArn":"` + someRole + `"}`,
	} {
		if status, answer := w.raw(t, w.key, operation, with(body)(s)); status != http.StatusOK {
			t.Errorf("%s %s: %s", operation, body, answer)
		}
	}
	for operation, body := range map[string]string{
		"DescribeApps":        `{"StackId":""}`,
		"DescribeCommands":    `{"DeploymentId":"","InstanceId":""}`,
		"DescribeDeployments": `{"StackId":"","AppId":""}`,
		"DescribeInstances":   `{"StackId":"","LayerId":""}`,
		"DescribeLayers":      `{"StackId":""}`,
		"DescribePermissions": `{"StackId":"","IamUserArn":""}`,
	} {
		if status, answer := w.raw(t, w.key, operation, body); status != http.StatusBadRequest {
			t.Errorf("%s %s: %s", operation, body, answer)
		}
	}
}
