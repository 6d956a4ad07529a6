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
	// SSHUntil is the end of an access for some time, with sudo if UntilSudo. It
	// comes on top of the other two, and when it is over they stand.
	SSHUntil  *time.Time `gorm:"index:permission_ssh_until,where:ssh_until IS NOT NULL"`
	UntilSudo bool       `gorm:"not null;default:false"`
	UpdatedAt time.Time  `gorm:"not null"`
}

// LogsIn tells whether the user may log in to the stack's instances, and whether
// with sudo. Who is denied everything may not.
func (p *Permission) LogsIn(now time.Time) (ssh, sudo bool) {
	if p.Level == LevelDeny {
		return false, false
	}
	timed := p.SSHUntil != nil && now.Before(*p.SSHUntil)
	return p.AllowSSH || timed, p.AllowSSH && p.AllowSudo || timed && p.UntilSudo
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
