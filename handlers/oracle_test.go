package handlers

import (
	"slices"
	"strings"
	"testing"

	"opsyard/models/leveltest"
)

// does says which operation of OpsWorks a route is: what the page shows, or
// what its form does.
var does = map[string]string{
	"GET /stacks/new": "CreateStack", "POST /stacks": "CreateStack", "GET /stacks/{stack}/clone": "CloneStack", "POST /stacks/{stack}/clone": "CloneStack",
	"GET /stacks/{stack}": "DescribeStackSummary", "GET /stacks/{stack}/settings": "UpdateStack", "POST /stacks/{stack}/settings": "UpdateStack",
	"POST /stacks/{stack}/start": "StartStack", "POST /stacks/{stack}/stop": "StopStack", "POST /stacks/{stack}/delete": "DeleteStack",
	"GET /stacks/{stack}/tags": "ListTags", "POST /stacks/{stack}/tags": "TagResource", "GET /stacks/{stack}/errors": "DescribeServiceErrors",
	"GET /stacks/{stack}/platform":    "DescribeStackProvisioningParameters",
	"GET /stacks/{stack}/permissions": "DescribePermissions", "POST /stacks/{stack}/permissions": "SetPermission",
	"GET /stacks/{stack}/access/{user}": "DescribePermissions", "POST /stacks/{stack}/permissions/groups": "SetPermission",
	"POST /stacks/{stack}/permissions/grant-ssh": "SetPermission", "POST /stacks/{stack}/permissions/end-ssh": "SetPermission",

	"GET /stacks/{stack}/layers": "DescribeLayers", "GET /stacks/{stack}/layers/{layer}": "DescribeLayers",
	"GET /stacks/{stack}/layers/new": "CreateLayer", "POST /stacks/{stack}/layers": "CreateLayer", "POST /stacks/{stack}/layers/{layer}/delete": "DeleteLayer",
	"POST /stacks/{stack}/layers/{layer}/recipes": "UpdateLayer", "POST /stacks/{stack}/layers/{layer}/settings": "UpdateLayer",
	"POST /stacks/{stack}/layers/{layer}/json": "UpdateLayer", "POST /stacks/{stack}/layers/{layer}/network": "UpdateLayer",
	"POST /stacks/{stack}/layers/{layer}/volumes": "UpdateLayer", "POST /stacks/{stack}/layers/{layer}/security": "UpdateLayer",
	"POST /stacks/{stack}/layers/{layer}/logs": "UpdateLayer", "POST /stacks/{stack}/layers/{layer}/tags": "TagResource",
	"POST /stacks/{stack}/layers/{layer}/scaling": "SetLoadBasedAutoScaling", "GET /stacks/{stack}/layers/{layer}/scaling/test": "DescribeLoadBasedAutoScaling",

	"GET /stacks/{stack}/instances": "DescribeInstances", "GET /instances/{instance}": "DescribeInstances",
	"GET /stacks/{stack}/instances/new": "CreateInstance", "POST /stacks/{stack}/instances": "CreateInstance",
	"GET /instances/{instance}/edit": "UpdateInstance", "POST /instances/{instance}/edit": "UpdateInstance",
	"POST /instances/{instance}/start": "StartInstance", "POST /instances/{instance}/stop": "StopInstance",
	"POST /instances/{instance}/reboot": "RebootInstance", "POST /instances/{instance}/delete": "DeleteInstance",
	"POST /instances/{instance}/assign": "AssignInstance", "POST /instances/{instance}/unassign": "UnassignInstance",
	"POST /instances/{instance}/deregister": "DeregisterInstance", "POST /instances/{instance}/access": "GrantAccess",
	"GET /instances/{instance}/schedule": "DescribeTimeBasedAutoScaling", "POST /instances/{instance}/schedule": "SetTimeBasedAutoScaling",
	"GET /stacks/{stack}/register": "RegisterInstance", "POST /stacks/{stack}/register": "RegisterInstance",

	"GET /stacks/{stack}/apps": "DescribeApps", "GET /stacks/{stack}/apps/{app}": "DescribeApps", "GET /stacks/{stack}/apps/new": "CreateApp",
	"POST /stacks/{stack}/apps": "CreateApp", "POST /stacks/{stack}/apps/{app}/delete": "DeleteApp",
	"GET /stacks/{stack}/apps/{app}/edit": "UpdateApp", "POST /stacks/{stack}/apps/{app}/edit": "UpdateApp",
	"GET /stacks/{stack}/run": "CreateDeployment", "POST /stacks/{stack}/run": "CreateDeployment", "POST /plans/{plan}/run": "CreateDeployment",
	"POST /deployments/{deployment}/retry": "CreateDeployment",
	"GET /stacks/{stack}/deployments":      "DescribeDeployments", "GET /deployments/{deployment}": "DescribeDeployments",
	"GET /commands/{command}": "DescribeCommands", "GET /commands/{command}/log": "DescribeCommands", "GET /commands/{command}/log/lines": "DescribeCommands",
	"GET /commands/{command}/log/search": "DescribeCommands", "GET /ws/commands/{command}/log": "DescribeCommands", "GET /ws/live": "DescribeStackSummary",

	"GET /stacks/{stack}/resources":                           "DescribeVolumes",
	"POST /stacks/{stack}/resources/elastic-ips/register":     "RegisterElasticIp",
	"POST /stacks/{stack}/resources/elastic-ips/save":         "UpdateElasticIp",
	"POST /stacks/{stack}/resources/elastic-ips/associate":    "AssociateElasticIp",
	"POST /stacks/{stack}/resources/elastic-ips/disassociate": "DisassociateElasticIp",
	"POST /stacks/{stack}/resources/elastic-ips/deregister":   "DeregisterElasticIp",
	"POST /stacks/{stack}/resources/volumes/register":         "RegisterVolume",
	"POST /stacks/{stack}/resources/volumes/save":             "UpdateVolume",
	"POST /stacks/{stack}/resources/volumes/assign":           "AssignVolume",
	"POST /stacks/{stack}/resources/volumes/unassign":         "UnassignVolume",
	"POST /stacks/{stack}/resources/volumes/deregister":       "DeregisterVolume",
	"POST /stacks/{stack}/resources/rds/register":             "RegisterRdsDbInstance",
	"POST /stacks/{stack}/resources/rds/save":                 "UpdateRdsDbInstance",
	"POST /stacks/{stack}/resources/rds/deregister":           "DeregisterRdsDbInstance",
	"POST /stacks/{stack}/resources/load-balancers/attach":    "AttachElasticLoadBalancer",
	"POST /stacks/{stack}/resources/load-balancers/detach":    "DetachElasticLoadBalancer",
	"POST /stacks/{stack}/resources/ecs-clusters/register":    "RegisterEcsCluster",
	"POST /stacks/{stack}/resources/ecs-clusters/deregister":  "DeregisterEcsCluster",

	"GET /team": "DescribeUserProfiles", "GET /team/new": "CreateUserProfile", "POST /team/users": "CreateUserProfile",
	"GET /team/users/{user}": "UpdateUserProfile", "POST /team/users/{user}": "UpdateUserProfile", "POST /team/users/{user}/delete": "DeleteUserProfile",
	"GET /me": "DescribeMyUserProfile", "POST /me/ssh-key": "UpdateMyUserProfile",
}

// ourOwn begins what OpsWorks did not have: there the table of needs is all
// that is said. "=" stands for the whole route.
var ourOwn = []string{
	"=GET /{$}", "=GET /stacks", "GET /me/", "POST /me/", "=GET /gallery", "GET /welcome", "POST /welcome/", "=GET /confirm", "=POST /confirm",
	"GET /audit", "GET /settings/", "POST /settings/", "GET /team/invite", "POST /team/invitations", "GET /team/groups", "POST /team/groups",
	"GET /team/policies", "POST /team/policies", "=GET /team/users/{user}/access", "POST /team/users/{user}/", // in all stacks, and passwords, keys and sessions
	"GET /stacks/{stack}/audit", "GET /stacks/{stack}/alarms", "POST /stacks/{stack}/alarms", "GET /stacks/{stack}/healing", "POST /stacks/{stack}/healing/",
	"POST /healings/", "GET /stacks/{stack}/notifications", "POST /stacks/{stack}/notifications", "GET /stacks/{stack}/monitoring",
	"GET /stacks/{stack}/layers/{layer}/monitoring", "GET /instances/{instance}/monitoring", "=GET /instances/{instance}/console",
	"=POST /instances/{instance}/resume", "=GET /plans/{plan}", "=POST /commands/{command}/cancel", "=POST /stacks/{stack}/resources/load-balancers/save",
	"=POST /deployments/{deployment}/cancel", "=POST /deployments/{deployment}/pause", "=POST /deployments/{deployment}/continue", "=POST /deployments/{deployment}/stop",
	"=GET /instances/{instance}/shell", "=POST /instances/{instance}/shell", "=GET /ws/shell", "GET /shells/",
}

// TestNeedsAreTheUserGuides holds the table of needs, which the walk of every
// route believes, against OpsWorks' user guide. A route that is in neither list
// fails: whoever adds one says what it is.
func TestNeedsAreTheUserGuides(t *testing.T) {
	t.Parallel()
	levels := map[string]need{
		"show": show, "deploy": deploy, "manage": manage, leveltest.Policy: admin, leveltest.Self: signedIn, leveltest.Anybody: signedIn,
	}
	for route, need := range needs {
		operation, known := does[route]
		own := slices.ContainsFunc(ourOwn, func(begin string) bool {
			whole, ok := strings.CutPrefix(begin, "=")
			return ok && route == whole || !ok && strings.HasPrefix(route, begin)
		})
		switch {
		case need == anybody:
		case !known && !own:
			t.Errorf("%s: which operation of OpsWorks is it, or is it our own?", route)
		case known:
			if want, ok := levels[leveltest.Needs[operation]]; !ok || need != want {
				t.Errorf("%s is %s, which needs %q", route, operation, leveltest.Needs[operation])
			}
		}
	}
	for route := range does {
		if _, ok := needs[route]; !ok {
			t.Errorf("%s is no route", route)
		}
	}
}
