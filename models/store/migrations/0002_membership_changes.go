package migrations

import (
	"time"

	"gorm.io/gorm"
)

// membershipChanges makes the table of changes that no Configure has told of yet.
func membershipChanges(db *gorm.DB) error {
	type MembershipChange struct {
		ID         int64     `gorm:"primaryKey;autoIncrement"`
		StackID    string    `gorm:"size:36;not null;index"`
		InstanceID string    `gorm:"size:36;not null"`
		Hostname   string    `gorm:"size:63;not null"`
		What       string    `gorm:"not null"`
		EventID    int64     `gorm:"not null;default:0"`
		At         time.Time `gorm:"not null"`
	}
	return db.Migrator().CreateTable(&MembershipChange{})
}
