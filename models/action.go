package models

import (
	"maps"
	"slices"
	"time"
)

// Action is the name of one operation: OpsWorks' own where it has it, ours in
// the same manner. Levels, policies, scopes and the audit speak of actions.
type Action string

// Actions that stand for whole pages: who may do one of them may see the pages
// of its level. What a page then does has an action of its own.
const (
	ActionShow        Action = "DescribeStacks"
	ActionDeploy      Action = "CreateDeployment"
	ActionManage      Action = "UpdateStack"
	ActionCreateStack Action = "CreateStack"
	ActionManageUsers Action = "UpdateUserProfile" // people
	// ActionManageServer is what concerns all stacks.
	ActionManageServer Action = "ManageServer"
	// ActionReadAudit is the audit of everything, ActionReadStackAudit that of a
	// stack.
	ActionReadAudit      Action = "ReadAudit"
	ActionReadStackAudit Action = "ReadStackAudit"

	ActionChangeFactors Action = "ChangeFactors" // of one's own: app, passkeys, recovery codes
	ActionResetFactors  Action = "ResetFactors"  // of others
	ActionEndSessions   Action = "EndSessions"   // of others
	ActionInviteUser    Action = "InviteUser"

	// ActionChangeSSHKey is giving an account, one's own or another's, a key that
	// opens it on instances.
	ActionChangeSSHKey Action = "UpdateMyUserProfile"
)

// What an action needs when no level allows it. These are not levels that
// somebody can have.
const (
	needsSignIn Level = "signed-in" // everybody who is signed in may
	needsSelf   Level = "self"      // it is about the asker's own keys and sessions
	// it is about the asker's own profile, which they or a policy must be let
	needsSelfManagement Level = "self-management"
	needsPolicy         Level = "policy" // only a policy allows it, or being an administrator
	needsAdmin          Level = "admin"  // only administrators may, whatever a policy says
)

// least is the least level that allows an action in its stack, from the table
// of OpsWorks' user guide ("Managing Permissions"); below each list of its own
// operations stand ours.
var least = collect(map[Level][]Action{
	LevelShow: {
		"DescribeApps", "DescribeCommands", "DescribeDeployments", "DescribeEcsClusters", "DescribeElasticIps",
		"DescribeElasticLoadBalancers", "DescribeInstances", "DescribeLayers", "DescribeLoadBasedAutoScaling",
		"DescribeRaidArrays", "DescribeRdsDbInstances", "DescribeServiceErrors", "DescribeStackSummary", "DescribeStacks",
		"DescribeTimeBasedAutoScaling", "DescribeVolumes", "ListTags",

		"DescribeHealing", "DescribeMetrics", "DescribeLogs", "TestScaling",
		"OpenShell", // and SSH, see ActionOpenShell
	},
	LevelDeploy: {
		"CreateDeployment", "UpdateApp",

		"CancelCommand", "CancelDeployment", "ContinueDeployment", "CreatePlan", "PauseDeployment", "RetryDeployment", "StopDeployment",
	},
	LevelManage: {
		"AssignInstance", "AssignVolume", "AssociateElasticIp", "AttachElasticLoadBalancer", "CreateApp", "CreateInstance",
		"CreateLayer", "DeleteApp", "DeleteInstance", "DeleteLayer", "DeleteStack", "DeregisterEcsCluster", "DeregisterElasticIp",
		"DeregisterInstance", "DeregisterRdsDbInstance", "DeregisterVolume", "DescribePermissions",
		"DescribeStackProvisioningParameters", "DetachElasticLoadBalancer", "DisassociateElasticIp", "GetHostnameSuggestion",
		"GrantAccess", "RebootInstance", "RegisterEcsCluster", "RegisterElasticIp", "RegisterInstance", "RegisterRdsDbInstance",
		"RegisterVolume", "SetLoadBasedAutoScaling", "SetPermission", "SetTimeBasedAutoScaling", "StartInstance", "StartStack",
		"StopInstance", "StopStack", "TagResource", "UnassignInstance", "UnassignVolume", "UntagResource", "UpdateElasticIp",
		"UpdateInstance", "UpdateLayer", "UpdateRdsDbInstance", "UpdateStack", "UpdateVolume",

		"CreateAlarm", "CreateEnrollToken", "CreateNotificationChannel", "DeleteAlarm", "DeleteNotificationChannel", "DescribeNotificationChannels", "LiftHealingFreeze", "MarkHealingWrong",
		"EndSSH", "GrantSSH",
		"PauseNotificationChannel", "ReadConsole", "ReadShellRecording", "ReadStackAudit", "ResumeIntents", "ResumeNotificationChannel", "SendNotificationAgain",
		"TestNotificationChannel", "UpdateAlarm", "UpdateElasticLoadBalancer", "UpdateNotificationChannel",
	},
	needsPolicy: {
		"CloneStack", "CreateStack", "CreateUserProfile", "DeleteUserProfile", "DescribeUserProfiles", "UpdateUserProfile",
	},
	needsSelfManagement: {"DescribeMyUserProfile", "UpdateMyUserProfile"},
	needsSelf: {
		"CreateAccessKey", "DeleteAccessKey", "CreateToken", "DeleteToken", ActionChangeFactors,
	},
	// The model has no statement of permission for these.
	needsSignIn: {"DescribeAgentVersions", "DescribeOperatingSystems"},
	needsAdmin: {
		"AttachPolicy", "CreateGroup", "CreatePolicy", "CreateUser", "DeleteGroup", "DeletePolicy",
		"DetachPolicy", "ManageServer", "PromoteAdmin", "RenameGroup", "SetGroupMembers", "SetPassword",
		ActionReadAudit,
		"UpdatePolicy", ActionEndSessions, ActionInviteUser, ActionResetFactors,
	},
})

func collect(lists map[Level][]Action) map[Action]Level {
	table := map[Action]Level{}
	for level, actions := range lists {
		for _, a := range actions {
			table[a] = level
		}
	}
	return table
}

// Actions is every action, by name.
func Actions() []Action { return slices.Sorted(maps.Keys(least)) }

// Needs is the least level that allows the action in its stack; none when no
// level does.
func (a Action) Needs() (level Level, ok bool) {
	level, ok = least[a]
	return level, ok && contains(Levels, level)
}

// Known tells whether there is such an action. Nobody may do another one.
func (a Action) Known() bool { return least[a] != "" }

// Allows tells whether a level alone allows an action in its stack.
func (l Level) Allows(a Action) bool {
	need, ok := a.Needs()
	return ok && slices.Index(Levels, l) >= slices.Index(Levels, need)
}

// ConfirmFor is how long a session counts as confirmed after the person has
// proved who they are.
const ConfirmFor = 15 * time.Minute

// confirmed are the actions that cannot be taken back, or that give somebody
// power that outlives the session. A browser left open must not be enough.
var confirmed = map[Action]bool{
	"DeleteStack": true, "DeleteLayer": true, "DeleteApp": true, "DeleteInstance": true,
	"DeleteUserProfile": true, "SetPassword": true, "PromoteAdmin": true,
	"CreateUser": true, ActionChangeSSHKey: true,
	"CreateAccessKey": true, "CreateToken": true,
	"AttachPolicy": true, "CreatePolicy": true, "UpdatePolicy": true, "DetachPolicy": true, "DeletePolicy": true,
	"DeleteGroup": true, "OpenShell": true, "SetGroupMembers": true, "SetPermission": true, "GrantSSH": true,
	ActionChangeFactors: true, ActionResetFactors: true, ActionInviteUser: true,
}

// NeedsConfirmation tells whether a person at the console has to prove who they
// are before the action, unless they did so in the last ConfirmFor.
func NeedsConfirmation(a Action) bool { return confirmed[a] }
