package migrations

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// groupsPoliciesTokens makes the tables of who may do what beside users' own
// levels, and lets access keys have a scope and an end.
func groupsPoliciesTokens(db *gorm.DB) error {
	type Group struct {
		ID        string    `gorm:"primaryKey;size:36"`
		Name      string    `gorm:"size:64;not null;uniqueIndex"`
		CreatedAt time.Time `gorm:"not null"`
		UpdatedAt time.Time `gorm:"not null"`
	}
	type GroupMember struct {
		GroupID string `gorm:"primaryKey;size:36"`
		UserID  string `gorm:"primaryKey;size:36;index"`
	}
	type GroupPermission struct {
		StackID   string `gorm:"primaryKey;size:36"`
		GroupID   string `gorm:"primaryKey;size:36;index"`
		Level     string `gorm:"size:16;not null"`
		AllowSSH  bool
		AllowSudo bool
		UpdatedAt time.Time `gorm:"not null"`
	}
	type Policy struct {
		ID        string    `gorm:"primaryKey;size:36"`
		Name      string    `gorm:"size:128;not null;uniqueIndex"`
		Document  string    `gorm:"not null"`
		CreatedAt time.Time `gorm:"not null"`
		UpdatedAt time.Time `gorm:"not null"`
	}
	type PolicyAttachment struct {
		PolicyID string `gorm:"primaryKey;size:36"`
		UserID   string `gorm:"primaryKey;size:36;index"`
		GroupID  string `gorm:"primaryKey;size:36;index"`
	}
	type Token struct {
		ID        string `gorm:"primaryKey;size:36"`
		UserID    string `gorm:"size:36;not null;index"`
		Name      string `gorm:"size:64;not null"`
		Hash      string `gorm:"size:64;not null;uniqueIndex"`
		Scope     string
		CreatedAt time.Time `gorm:"not null"`
		ExpiresAt time.Time `gorm:"not null;index"`
		LastUsed  *time.Time
	}
	type AccessKey struct {
		Scope     string
		ExpiresAt *time.Time
	}
	return errors.Join(
		db.Migrator().CreateTable(&Group{}, &GroupMember{}, &GroupPermission{}, &Policy{}, &PolicyAttachment{}, &Token{}),
		db.Migrator().AddColumn(&AccessKey{}, "Scope"),
		db.Migrator().AddColumn(&AccessKey{}, "ExpiresAt"),
	)
}
