// Package leveltest is the oracle of the tests of permissions: the table of
// OpsWorks' user guide ("Managing Permissions"), written down by hand. The
// product has a table of its own, and nothing of it comes from here.
package leveltest

import (
	"maps"
	"strings"
)

// What an operation needs, when it is no level.
const (
	Policy  = "policy"          // no level allows it, only an IAM policy
	Self    = "self-management" // of one's own profile, for those who may
	Anybody = "anybody"         // whoever is signed in
)

// Guide is what each level allows beyond the one before.
var Guide = map[string]string{
	"show": `DescribeApps DescribeCommands DescribeDeployments DescribeEcsClusters DescribeElasticIps
		DescribeElasticLoadBalancers DescribeInstances DescribeLayers DescribeLoadBasedAutoScaling DescribeRaidArrays
		DescribeRdsDbInstances DescribeServiceErrors DescribeStackSummary DescribeStacks DescribeTimeBasedAutoScaling
		DescribeVolumes`,
	"deploy": `CreateDeployment UpdateApp`,
	"manage": `AssignInstance AssignVolume AssociateElasticIp AttachElasticLoadBalancer CreateApp CreateInstance
		CreateLayer DeleteApp DeleteInstance DeleteLayer DeleteStack DeregisterEcsCluster DeregisterElasticIp
		DeregisterInstance DeregisterRdsDbInstance DeregisterVolume DescribePermissions DetachElasticLoadBalancer
		DisassociateElasticIp GetHostnameSuggestion GrantAccess RebootInstance RegisterEcsCluster RegisterElasticIp
		RegisterInstance RegisterRdsDbInstance RegisterVolume SetLoadBasedAutoScaling SetPermission
		SetTimeBasedAutoScaling StartInstance StartStack StopInstance StopStack UnassignInstance UnassignVolume
		UpdateElasticIp UpdateInstance UpdateLayer UpdateRdsDbInstance UpdateStack UpdateVolume`,
	Policy: `CloneStack CreateStack CreateUserProfile DeleteUserProfile DescribeUserProfiles UpdateUserProfile`,
	Self:   `DescribeMyUserProfile UpdateMyUserProfile`,
}

// chosen are the operations of which the guide says nothing, or another thing
// than the API's model: what we have settled on.
var chosen = map[string]string{
	"DescribeAgentVersions": Anybody, "DescribeOperatingSystems": Anybody, // the model has no statement of permission
	"ListTags": "show", "TagResource": "manage", "UntagResource": "manage", // nor here
	"DescribeStackProvisioningParameters": "manage", // the guide leaves it out; it has what an agent trusts
}

// Needs is what each operation of OpsWorks' API needs.
var Needs = needs()

func needs() map[string]string {
	table := maps.Clone(chosen)
	for need, operations := range Guide {
		for _, operation := range strings.Fields(operations) {
			table[operation] = need
		}
	}
	return table
}
