package models

import "time"

// Level is what a user may do in one stack (OpsWorks permission levels).
type Level string

// Levels. A user without a row has LevelIAMOnly.
const (
	LevelDeny    Level = "deny"
	LevelIAMOnly Level = "iam_only"
	LevelShow    Level = "show"
	LevelDeploy  Level = "deploy"
	LevelManage  Level = "manage"
)

// Levels is every level, from none to most.
var Levels = []Level{LevelDeny, LevelIAMOnly, LevelShow, LevelDeploy, LevelManage}

// Permission is a user's level in a stack.
type Permission struct {
	StackID   StackID `gorm:"primaryKey;size:36"`
	UserID    UserID  `gorm:"primaryKey;size:36;index"`
	Level     Level   `gorm:"size:16;not null"`
	AllowSSH  bool
	AllowSudo bool
	UpdatedAt time.Time `gorm:"not null"`
}

// Validate refuses a permission that means nothing.
func (p *Permission) Validate() error {
	if !contains(Levels, p.Level) {
		return InvalidField("Level", "Level: must be deny, iam_only, show, deploy or manage.")
	}
	if p.AllowSudo && !p.AllowSSH {
		return InvalidField("AllowSudo", "Allow sudo: needs SSH to be allowed, too.")
	}
	return nil
}

// Action is a class of operations that one level allows.
type Action string

// Actions, from the table of OpsWorks' user guide ("Managing Permissions").
const (
	ActionShow        Action = "show"         // every Describe… of a stack
	ActionDeploy      Action = "deploy"       // CreateDeployment, UpdateApp
	ActionManage      Action = "manage"       // everything else inside a stack
	ActionCreateStack Action = "create_stack" // CreateStack, CloneStack: no level allows it
	ActionManageUsers Action = "manage_users" // users, sessions and keys of others, audit
	// ActionManageServer is what concerns all stacks: no level allows it.
	ActionManageServer Action = "manage_server"
)

// Allows tells whether a level alone allows an action in its stack.
func (l Level) Allows(a Action) bool {
	switch a {
	case ActionShow:
		return l == LevelShow || l == LevelDeploy || l == LevelManage
	case ActionDeploy:
		return l == LevelDeploy || l == LevelManage
	case ActionManage:
		return l == LevelManage
	}
	return false
}

// MayDo is the one rule of permission: deny beats everything but being an
// administrator of the installation; the rest is the level's.
func MayDo(actor Actor, level Level, action Action) bool {
	switch actor.Kind {
	case ActorEngine, ActorSetup:
		return true
	case ActorUser:
	default:
		return false
	}
	if level == LevelDeny && !actor.Admin {
		return false
	}
	return actor.Admin || level.Allows(action)
}
