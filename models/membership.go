package models

import "time"

// MembershipChange notes that an instance has entered or left online, or that
// something else has changed that recipes see, and that the stack's instances
// have not been told yet. The next Configure takes all that have gathered.
type MembershipChange struct {
	ID         int64      `gorm:"primaryKey;autoIncrement"`
	StackID    StackID    `gorm:"size:36;not null;index"`
	InstanceID InstanceID `gorm:"size:36;not null"`
	Hostname   string     `gorm:"size:63;not null"`
	What       string     `gorm:"not null"` // completes the hostname: "entered online"; without an instance a whole clause
	// EventID is the entry of the timeline that tells of it, 0 for none.
	EventID int64     `gorm:"not null;default:0"`
	At      time.Time `gorm:"not null"`
}
