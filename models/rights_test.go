package models

import (
	"slices"
	"testing"
	"time"

	"opsyard/models/leveltest"

	"pgregory.net/rapid"
)

var somebody = Actor{Kind: ActorUser, UserID: "u"}

// TestLevelsAllowWhatOpsWorksSays compares the table of the product with the
// user guide's.
func TestLevelsAllowWhatOpsWorksSays(t *testing.T) {
	t.Parallel()
	if len(leveltest.Needs) != 74 {
		t.Errorf("OpsWorks has 74 operations, the guide's table %d", len(leveltest.Needs))
	}
	for operation, need := range leveltest.Needs {
		a := Action(operation)
		if !a.Known() {
			t.Errorf("%s is not known", operation)
		}
		least := slices.Index(Levels, Level(need)) // none: no level allows it
		for n, level := range Levels {
			want := least >= 0 && n >= least || need == leveltest.Anybody
			if got := MayDo(somebody, level, a); got != want && level != LevelDeny || got && level == LevelDeny {
				t.Errorf("%s with %s: got %v, want %v", operation, level, got, want)
			}
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	stack := &Stack{ID: "s1", Arn: "arn:aws:opsworks:us-east-1:000000000000:stack/s1/"}
	other := &Stack{ID: "s2", Arn: "arn:aws:opsworks:us-east-1:000000000000:stack/s2/"}
	person := Rights{Person: true}
	with := func(change func(*Rights)) Rights { r := person; change(&r); return r }
	policy := func(effect, action, resource string) PolicyRules {
		s, err := ParsePolicy(`{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"}}`)
		if err != nil {
			t.Fatal(err)
		}
		return PolicyRules{Name: "P", Statements: s}
	}
	grants := func(g ...Grant) Rights { return with(func(r *Rights) { r.Grants = g }) }
	both := func(level Level, p ...PolicyRules) Rights {
		return with(func(r *Rights) { r.Grants, r.Policies = []Grant{{Level: level}}, p })
	}
	scoped := func(s Scope) Rights {
		return with(func(r *Rights) { r.Grants, r.Scope = []Grant{{Level: LevelManage}}, &s })
	}
	for _, tc := range []struct {
		name   string
		rights Rights
		action Action
		stack  *Stack
		want   bool
		reason string
	}{
		{"Nobody", Rights{}, "DescribeStacks", stack, false, "nobody is signed in"},
		{"Engine", Rights{Trusted: true}, "DeleteStack", stack, true, "the server itself may do everything"},
		{"UnknownAction", Rights{Trusted: true}, "Frobnicate", stack, false, "there is no action Frobnicate"},
		{"NoGrant", person, "DescribeStacks", stack, false, "it needs the level show"},
		{"Own", grants(Grant{Level: LevelShow}), "DescribeStacks", stack, true, "the level show allows it"},
		{"HighestOfGroups", grants(Grant{Level: LevelShow}, Grant{Level: LevelManage, Group: "Ops"}), "DeleteStack", stack, true, "the level manage of the group Ops allows it"},
		{"DenyOfAGroup", grants(Grant{Level: LevelManage}, Grant{Level: LevelDeny, Group: "Gone"}), "DescribeStacks", stack, false, "the level deny of the group Gone refuses everything"},
		{"AdminAboveDeny", Rights{Person: true, Admin: true, Grants: []Grant{{Level: LevelDeny}}}, "DeleteStack", stack, true, "administrators may do everything"},
		{"DenyBeatsPolicy", both(LevelDeny, policy("Allow", "*", "*")), "DescribeStacks", stack, false, "the level deny refuses everything"},
		{"PolicyAdds", both(LevelShow, policy("Allow", "opsworks:Start*", "*")), "StartInstance", stack, true, "the policy P allows it"},
		{"PolicyTakes", both(LevelManage, policy("Deny", "opsworks:delete*", "*")), "DeleteStack", stack, false, "the policy P denies it"},
		{"DenyBeatsAllow", both(LevelIAMOnly, policy("Allow", "*", "*"), policy("Deny", "opsworks:StopStack", "*")), "StopStack", stack, false, "the policy P denies it"},
		{"PolicyOfThisStack", both(LevelIAMOnly, policy("Allow", "opsworks:*", "arn:aws:opsworks:*:*:stack/s1/")), "StopStack", stack, true, "the policy P allows it"},
		{"PolicyWithoutSlash", both(LevelManage, policy("Deny", "opsworks:*", "arn:aws:opsworks:*:*:stack/s1")), "StopStack", stack, false, "the policy P denies it"},
		{"PolicyOfAnotherStack", both(LevelIAMOnly, policy("Allow", "opsworks:*", "arn:aws:opsworks:*:*:stack/s1/")), "StopStack", other, false, "it needs the level manage"},
		{"PolicyOfAnotherRegion", both(LevelIAMOnly, policy("Allow", "opsworks:*", "arn:aws:opsworks:eu-west-1:*:stack/*")), "StopStack", stack, false, "it needs the level manage"},
		{"OutsideNeedsAStar", both(LevelIAMOnly, policy("Allow", "opsworks:*", "arn:aws:opsworks:*:*:stack/*")), "CreateStack", nil, false, "no level allows this, only a policy or being an administrator"},
		{"Outside", both(LevelIAMOnly, policy("Allow", "opsworks:CreateStack", "*")), "CreateStack", nil, true, "the policy P allows it"},
		{"AdminsOnly", both(LevelManage, policy("Allow", "*", "*")), "PromoteAdmin", nil, false, "only administrators may do this"},
		{"AnotherService", both(LevelIAMOnly, policy("Allow", "ec2:*", "*")), "DescribeStacks", stack, false, "it needs the level show"},
		{"SignedIn", person, "DescribeOperatingSystems", nil, true, "everybody who is signed in may do this"},
		{"NotSelfManaged", person, "UpdateMyUserProfile", nil, false, "an administrator has to allow self-management"},
		{"SelfManaged", Rights{Person: true, SelfManaged: true}, "UpdateMyUserProfile", nil, true, "an administrator allows self-management"},
		{"SelfManagedByPolicy", both("", policy("Allow", "opsworks:*MyUserProfile", "*")), "UpdateMyUserProfile", nil, true, "the policy P allows it"},
		{"AccessWithSSH", grants(Grant{Level: LevelShow, AllowSSH: true}), "GrantAccess", stack, true, "the level show and SSH allow it"},
		{"AccessWithoutLevel", grants(Grant{Level: LevelIAMOnly, AllowSSH: true}), "GrantAccess", stack, false, "it needs the level manage"},
		{"ScopeOfNothing", scoped(Scope{}), "DeleteStack", stack, true, "the level manage allows it"},
		{"ScopeOfALevel", scoped(Scope{Level: LevelDeploy}), "DeleteStack", stack, false, "the token is limited to the level deploy"},
		{"ScopeHere", scoped(Scope{Level: LevelDeploy, Stacks: []StackID{"s1"}}), "CreateDeployment", stack, true, "the level manage allows it"},
		{"ScopeElsewhere", scoped(Scope{Stacks: []StackID{"s1"}}), "CreateDeployment", other, false, "the token is limited to other stacks"},
		{"ScopeOutside", scoped(Scope{Stacks: []StackID{"s1"}}), "CreateToken", nil, false, "the token is limited to some stacks"},
		{"ScopeOfAnAdmin", Rights{Person: true, Admin: true, Scope: &Scope{Level: LevelShow}}, "CreateStack", nil, false, "the token is limited to the level show"},
		{"ScopeAddsNothing", Rights{Person: true, Scope: &Scope{Level: LevelManage}}, "DescribeStacks", stack, false, "it needs the level show"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := tc.rights.Decide(tc.action, tc.stack)
			if got.Allowed != tc.want || got.Reason != tc.reason {
				t.Errorf("got %v because %s\nwant %v because %s", got.Allowed, got.Reason, tc.want, tc.reason)
			}
		})
	}
}

func drawRules(t *rapid.T) PolicyRules {
	one := rapid.Custom(func(t *rapid.T) Statement {
		return Statement{
			Deny:      rapid.Bool().Draw(t, "deny"),
			Actions:   rapid.SliceOfN(rapid.SampledFrom([]string{"*", "describe*", "stopstack", "delete?tack", "updatestack"}), 1, 3).Draw(t, "actions"),
			Resources: rapid.SliceOfN(rapid.SampledFrom([]string{"*", "arn:aws:opsworks:*:*:stack/s1/", "arn:aws:opsworks:*:*:stack/s2/"}), 1, 2).Draw(t, "resources"),
		}
	})
	return PolicyRules{Name: "P", Statements: rapid.SliceOfN(one, 1, 6).Draw(t, "statements")}
}

func TestPolicyProperties(t *testing.T) {
	t.Parallel()
	stack := &Stack{ID: "s1", Arn: "arn:aws:opsworks:us-east-1:000000000000:stack/s1/"}
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		action := rapid.SampledFrom(Actions()).Draw(t, "action")
		r := Rights{Person: true, Grants: []Grant{{Level: rapid.SampledFrom(Levels).Draw(t, "level")}}, Policies: []PolicyRules{rules}}
		got := r.Decide(action, stack)

		shuffled := r
		shuffled.Policies = []PolicyRules{{Name: "P", Statements: rapid.Permutation(rules.Statements).Draw(t, "order")}}
		if again := shuffled.Decide(action, stack); again.Allowed != got.Allowed {
			t.Fatalf("the order of statements matters: %+v", rules)
		}
		if got.Allowed && rules.decisive(true, action, stack) {
			t.Fatalf("a Deny has lost: %+v", rules)
		}
		if r.Level() == LevelDeny && got.Allowed {
			t.Fatalf("the level deny has lost: %s", got.Reason)
		}
		denied := r
		denied.Policies = append([]PolicyRules{{Name: "D", Statements: []Statement{{Deny: true, Actions: []string{"*"}, Resources: []string{"*"}}}}}, r.Policies...)
		if denied.Decide(action, stack).Allowed {
			t.Fatal("a Deny of everything has lost")
		}
		scoped := r
		scoped.Scope = &Scope{Level: rapid.SampledFrom([]Level{"", LevelShow, LevelDeploy, LevelManage}).Draw(t, "scope")}
		if scoped.Decide(action, stack).Allowed && !got.Allowed {
			t.Fatalf("a scope has added %s", action)
		}
	})
}

func TestNeedsConfirmationIsAboutActions(t *testing.T) {
	t.Parallel()
	for a := range confirmed {
		if !a.Known() {
			t.Errorf("there is no action %s", a)
		}
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) Actor {
		return Actor{Kind: ActorUser, Session: "x", ConfirmedAt: now.Add(-ago)}
	}
	for _, tc := range []struct {
		name   string
		actor  Actor
		action Action
		want   bool
	}{
		{"Old", at(time.Hour), "DeleteStack", true},
		{"Fresh", at(ConfirmFor), "DeleteStack", false},
		{"Harmless", at(time.Hour), "StartStack", false},
		{"API", Actor{Kind: ActorUser}, "DeleteStack", false},
	} {
		if got := MustConfirm(tc.actor, tc.action, now); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}
