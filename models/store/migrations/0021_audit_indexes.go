package migrations

import (
	"time"

	"gorm.io/gorm"
)

// auditIndexes lets each filter of the audit read a page by time alone, and
// makes the table of what was sent to syslog receivers.
func auditIndexes(db *gorm.DB) error {
	type AuditEntry struct {
		At         time.Time `gorm:"index:audit_actor,priority:2;index:audit_actor_name,priority:2;index:audit_action,priority:2;index:audit_target,priority:2;index:audit_target_name,priority:2;index:audit_stack,priority:2;index:audit_refused,where:refused"`
		ActorID    string    `gorm:"size:36;index:audit_actor,priority:1"`
		ActorName  string    `gorm:"size:64;index:audit_actor_name,priority:1"`
		RequestID  string    `gorm:"size:64;index:audit_request"`
		Action     string    `gorm:"size:64;index:audit_action,priority:1"`
		TargetID   string    `gorm:"size:36;index:audit_target,priority:1"`
		TargetName string    `gorm:"size:255;index:audit_target_name,priority:1"`
		StackID    string    `gorm:"size:36;index:audit_stack,priority:1"`
	}
	type AuditFeed struct {
		Name         string    `gorm:"primaryKey;size:255"`
		SentID       int64     `gorm:"not null"`
		SentAt       time.Time `gorm:"not null"`
		ClaimedBy    string    `gorm:"size:36"`
		ClaimedUntil time.Time `gorm:"not null"`
		FailingSince *time.Time
		Problem      string
	}
	m := db.Migrator()
	for _, name := range []string{"audit_actor", "audit_actor_name", "audit_action", "audit_target", "audit_target_name", "audit_stack", "audit_refused", "audit_request"} {
		if err := m.CreateIndex(&AuditEntry{}, name); err != nil {
			return err
		}
	}
	for _, name := range []string{"idx_audit_entries_actor_id", "idx_audit_entries_target_id", "idx_audit_entries_stack_id"} {
		if err := m.DropIndex("audit_entries", name); err != nil {
			return err
		}
	}
	return m.CreateTable(&AuditFeed{})
}
