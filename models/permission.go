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
