package models

import (
	"fmt"
	"slices"
	"time"
)

// Rights is all that decides what somebody may do in one stack, or outside of
// all stacks. Decide is the one rule of permission.
type Rights struct {
	Trusted bool // the engine itself, or the command line on the server
	Person  bool // somebody who is signed in
	Admin   bool
	// SelfManaged: an administrator lets them manage their own profile.
	SelfManaged bool
	Grants      []Grant // in the stack in question; none outside of stacks
	Policies    []PolicyRules
	// Scope is that of the token or key that they use; nil for all that they may.
	Scope *Scope
}

// Grant is a level in a stack: the user's own or that of one of their groups.
type Grant struct {
	Level     Level
	Group     string // its name; empty for the user's own
	AllowSSH  bool
	AllowSudo bool
}

// RightsOf is what the actor alone brings: everybody else's grants and policies
// are for the engine to add.
func RightsOf(a Actor) Rights {
	return Rights{
		Trusted: a.Kind == ActorEngine || a.Kind == ActorSetup,
		Person:  a.Kind == ActorUser, Admin: a.Admin, Scope: a.Scope,
	}
}

// Decision is whether somebody may do something, and why.
type Decision struct {
	Allowed bool
	Reason  string // a sentence without subject: "the level show allows it"
}

func allow(format string, args ...any) Decision {
	return Decision{true, fmt.Sprintf(format, args...)}
}

func refuse(format string, args ...any) Decision {
	return Decision{false, fmt.Sprintf(format, args...)}
}

// Level is what the grants make together: deny beats all, else the highest.
func (r Rights) Level() Level { return r.grant().Level }

func (r Rights) grant() Grant {
	best := Grant{Level: LevelIAMOnly}
	for _, g := range r.Grants {
		if g.Level == LevelDeny {
			return g
		}
		if slices.Index(Levels, g.Level) > slices.Index(Levels, best.Level) {
			best = g
		}
	}
	return best
}

func (g Grant) String() string {
	if g.Group == "" {
		return "the level " + string(g.Level)
	}
	return fmt.Sprintf("the level %s of the group %s", g.Level, g.Group)
}

// MayLogIn tells whether the grants allow SSH, and sudo with it. The level deny
// takes that too.
func (r Rights) MayLogIn() (ssh, sudo bool) {
	for _, g := range r.Grants {
		if g.Level == LevelDeny {
			return false, false
		}
		ssh = ssh || g.AllowSSH
		sudo = sudo || g.AllowSSH && g.AllowSudo
	}
	return ssh, sudo
}

// Decide tells whether the action is allowed in the stack; nil is outside of
// all stacks. Administrators are above levels and policies. For others the
// order is OpsWorks' own: the level deny, then an explicit Deny of a policy,
// then whatever allows it, and no otherwise. A scope only takes away.
func (r Rights) Decide(a Action, stack *Stack) Decision {
	switch {
	case !a.Known():
		return refuse("there is no action %s", a)
	case r.Trusted:
		return allow("the server itself may do everything")
	case !r.Person:
		return refuse("nobody is signed in")
	}
	if d := r.Scope.decide(a, stack); !d.Allowed {
		return d
	}
	if r.Admin {
		return allow("administrators may do everything")
	}
	need, grant := least[a], r.grant()
	if need == needsAdmin {
		return refuse("only administrators may do this")
	}
	if grant.Level == LevelDeny {
		return refuse("%s refuses everything", grant)
	}
	if p := r.policy(true, a, stack); p != nil {
		return refuse("%s denies it", p)
	}
	if grant.Level.Allows(a) {
		return allow("%s allows it", grant)
	}
	if ssh, _ := r.MayLogIn(); ssh && a == "GrantAccess" && grant.Level.Allows(ActionShow) {
		return allow("%s and SSH allow it", grant)
	}
	if p := r.policy(false, a, stack); p != nil {
		return allow("%s allows it", p)
	}
	switch need {
	case needsSignIn, needsSelf:
		return allow("everybody who is signed in may do this")
	case needsSelfManagement:
		if r.SelfManaged {
			return allow("an administrator allows self-management")
		}
		return refuse("an administrator has to allow self-management")
	case needsPolicy:
		return refuse("no level allows this, only a policy or being an administrator")
	}
	return refuse("it needs the level %s", need)
}

// Explained is what somebody may do, and why.
type Explained struct {
	Action Action
	Decision
}

// Explain decides all that is done in a stack, or all that is done outside.
func (r Rights) Explain(stack *Stack) []Explained {
	var all []Explained
	for _, a := range Actions() {
		if _, inside := a.Needs(); inside || a == "CloneStack" {
			if stack == nil {
				continue
			}
		} else if stack != nil {
			continue
		}
		all = append(all, Explained{a, r.Decide(a, stack)})
	}
	return all
}

// policy finds one with a statement of the given effect about the action.
func (r Rights) policy(deny bool, a Action, stack *Stack) *PolicyRules {
	for n := range r.Policies {
		if r.Policies[n].decisive(deny, a, stack) {
			return &r.Policies[n]
		}
	}
	return nil
}

// Amount is the highest level whose page of actions is allowed in the stack, by
// whatever allows it.
func (r Rights) Amount(stack *Stack) Level {
	switch {
	case r.Decide(ActionManage, stack).Allowed:
		return LevelManage
	case r.Decide(ActionDeploy, stack).Allowed:
		return LevelDeploy
	case r.Decide(ActionShow, stack).Allowed:
		return LevelShow
	}
	return LevelIAMOnly
}

// MayDo is Decide for an actor with one level and nothing else.
func MayDo(actor Actor, level Level, action Action) bool {
	r := RightsOf(actor)
	r.Grants = []Grant{{Level: level}}
	return r.Decide(action, nil).Allowed
}

// Scope is what a token or a key is limited to. It only takes away from what
// its user may do; the zero Scope takes nothing.
type Scope struct {
	Level  Level     // the most that it allows; empty for all that its user may do
	Stacks []StackID // where it holds; none for all stacks
}

// Limits is the scope, or nil if it takes nothing.
func (s *Scope) Limits() *Scope {
	if s == nil || s.Level == "" && len(s.Stacks) == 0 {
		return nil
	}
	return s
}

func (s *Scope) decide(a Action, stack *Stack) Decision {
	if s.Limits() == nil || least[a] == needsSignIn {
		return allow("")
	}
	switch {
	case s.Level != "" && !s.Level.Allows(a):
		return refuse("the token is limited to the level %s", s.Level)
	case len(s.Stacks) > 0 && stack == nil:
		return refuse("the token is limited to some stacks")
	case len(s.Stacks) > 0 && !slices.Contains(s.Stacks, stack.ID):
		return refuse("the token is limited to other stacks")
	}
	return allow("")
}

// Validate refuses a scope that means nothing.
func (s *Scope) Validate() error {
	if s.Level != "" && s.Level != LevelShow && s.Level != LevelDeploy && s.Level != LevelManage {
		return InvalidField("Level", "Level: must be show, deploy or manage, or empty for all that you may do.")
	}
	if len(s.Stacks) > maxScopeStacks {
		return InvalidField("Stacks", "Stacks: name at most %d, or none for all.", maxScopeStacks)
	}
	return nil
}

const maxScopeStacks = 100

// MustConfirm tells whether the actor has to prove who they are before the
// action. Only a session of the console can be asked to.
func MustConfirm(actor Actor, a Action, now time.Time) bool {
	return actor.Session != "" && NeedsConfirmation(a) && now.Sub(actor.ConfirmedAt) > ConfirmFor
}

// Confirm asks a person to prove who they are, before the action.
func Confirm() *Error {
	return &Error{Code: CodeConfirm, Message: "Confirm that it is you, then this is done."}
}
