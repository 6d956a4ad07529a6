package models

import "time"

// AuditEntry is one change or refused attempt. Entries form a chain: Hash
// covers the entry and the hash before it.
type AuditEntry struct {
	ID         int64     `gorm:"primaryKey;autoIncrement"`
	At         time.Time `gorm:"not null;index;index:audit_actor,priority:2;index:audit_actor_name,priority:2;index:audit_action,priority:2;index:audit_target,priority:2;index:audit_target_name,priority:2;index:audit_stack,priority:2;index:audit_refused,where:refused"`
	ActorKind  ActorKind `gorm:"size:16;not null"`
	ActorID    string    `gorm:"size:36;index:audit_actor,priority:1"`
	ActorName  string    `gorm:"size:64;index:audit_actor_name,priority:1"`
	SourceAddr string    `gorm:"size:64"`
	Surface    string    `gorm:"size:16"`
	RequestID  string    `gorm:"size:64;index:audit_request"`
	Action     string    `gorm:"size:64;not null;index:audit_action,priority:1"` // "StartInstance", "UpdateLayer", "SignIn", …
	TargetKind string    `gorm:"size:32"`
	TargetID   string    `gorm:"size:36;index:audit_target,priority:1"`
	TargetName string    `gorm:"size:255;index:audit_target_name,priority:1"`
	StackID    StackID   `gorm:"size:36;index:audit_stack,priority:1"`
	Refused    bool
	// Before and After are JSON objects with the members that changed, secrets
	// replaced by Filtered.
	Before   string
	After    string
	Cause    Cause  `gorm:"serializer:json"`
	PrevHash string `gorm:"size:64;not null"`
	Hash     string `gorm:"size:64;not null;uniqueIndex"`
}

// AuditHead is the end of the chain. Kept elsewhere, it shows later that
// nothing up to it was taken away.
type AuditHead struct {
	ID   int64
	At   time.Time
	Hash string
}

// AuditFeed is how far the audit was sent to a syslog receiver. Entries up to
// SentID have left for it; one server at a time sends, which has claimed it.
type AuditFeed struct {
	Name         string    `gorm:"primaryKey;size:255"` // the receiver's address
	SentID       int64     `gorm:"not null"`
	SentAt       time.Time `gorm:"not null"` // when the last of them left
	ClaimedBy    string    `gorm:"size:36"`
	ClaimedUntil time.Time `gorm:"not null"`
	FailingSince *time.Time
	Problem      string // of the last try, for people
}

// StackEvent is one entry of a stack's timeline: what happened and because of
// what.
type StackEvent struct {
	ID           int64        `gorm:"primaryKey;autoIncrement;index:event_stack,priority:2"`
	StackID      StackID      `gorm:"size:36;not null;index:event_stack,priority:1"`
	At           time.Time    `gorm:"not null"`
	Kind         string       `gorm:"size:32;not null"` // "instance", "deployment", "change"
	Tone         string       `gorm:"size:16"`          // ok, bad, running, wait, lost, off, warn
	Text         string       `gorm:"not null"`         // "web2 is online"
	Cause        Cause        `gorm:"serializer:json"`
	InstanceID   InstanceID   `gorm:"size:36;index"`
	DeploymentID DeploymentID `gorm:"size:36"`
	CommandID    CommandID    `gorm:"size:36"`
}
