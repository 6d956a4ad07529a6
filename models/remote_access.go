package models

import "time"

// RemoteAccess is what GrantAccess has given somebody on a Windows instance
// until it is taken away again. The password stays here only until the
// instance has been told.
type RemoteAccess struct {
	InstanceID InstanceID   `gorm:"primaryKey;size:36"`
	Username   string       `gorm:"primaryKey;size:20"`
	StackID    StackID      `gorm:"size:36;not null"`
	Password   string       `gorm:"serializer:secret" json:"-"`
	GrantID    DeploymentID `gorm:"size:36;not null;index"`
	RevokeID   DeploymentID `gorm:"size:36"` // the revocation under way
	GrantedBy  string       `gorm:"size:64"`
	CreatedAt  time.Time    `gorm:"not null"`
	ExpiresAt  time.Time    `gorm:"not null;index"`
}

// TemporaryCredential is the answer to GrantAccess; it is shown once. OpsWorks:
// TemporaryCredential.
type TemporaryCredential struct {
	InstanceID        InstanceID
	Username          string
	Password          string
	ValidForInMinutes int
}

// Limits of ValidForInMinutes (OpsWorks: GrantAccess).
const (
	MinAccessMinutes = 60
	MaxAccessMinutes = 1440
)

// CheckAccessMinutes refuses a time that GrantAccess does not allow.
func CheckAccessMinutes(minutes int) error {
	if minutes < MinAccessMinutes || minutes > MaxAccessMinutes {
		return InvalidField("ValidForInMinutes", "Valid for in minutes: must be %d to %d.", MinAccessMinutes, MaxAccessMinutes)
	}
	return nil
}
