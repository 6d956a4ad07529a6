package models

import "time"

// AuditEntry is one change or refused attempt. Entries form a chain: Hash
// covers the entry and the hash before it.
type AuditEntry struct {
	ID         int64     `gorm:"primaryKey;autoIncrement"`
	At         time.Time `gorm:"not null;index"`
	ActorKind  ActorKind `gorm:"size:16;not null"`
	ActorID    string    `gorm:"size:36;index"`
	ActorName  string    `gorm:"size:64"`
	SourceAddr string    `gorm:"size:64"`
	Surface    string    `gorm:"size:16"`
	RequestID  string    `gorm:"size:64"`
	Action     string    `gorm:"size:64;not null"` // "StartInstance", "UpdateLayer", "SignIn", …
	TargetKind string    `gorm:"size:32"`
	TargetID   string    `gorm:"size:36;index"`
	TargetName string    `gorm:"size:255"`
	StackID    StackID   `gorm:"size:36;index"`
	Refused    bool
	// Before and After are JSON objects with the members that changed, secrets
	// replaced by Filtered.
	Before   string
	After    string
	Cause    Cause  `gorm:"serializer:json"`
	PrevHash string `gorm:"size:64;not null"`
	Hash     string `gorm:"size:64;not null;uniqueIndex"`
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
