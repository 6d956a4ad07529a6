package migrations

import (
	"time"

	"gorm.io/gorm"
)

// intents keeps who wants what of an instance, and whose wishes are held.
func intents(db *gorm.DB) error {
	type Intent struct {
		ID         string `gorm:"primaryKey;size:36"`
		StackID    string `gorm:"size:36;not null;index"`
		InstanceID string `gorm:"size:36;not null;index:intent_instance,priority:1;uniqueIndex:intent_open,priority:1,where:state = 'open'"`
		Author     string `gorm:"size:16;not null;uniqueIndex:intent_open,priority:2"`
		Want       string `gorm:"size:16;not null"`
		Actor      string `gorm:"size:128"`
		Cause      string
		State      string `gorm:"size:16;not null;index"`
		Outcome    string
		ActedAt    *time.Time
		StoppedAt  *time.Time
		CreatedAt  time.Time `gorm:"not null;index:intent_instance,priority:2"`
		EndedAt    *time.Time
	}
	type IntentPause struct {
		InstanceID string    `gorm:"primaryKey;size:36"`
		Author     string    `gorm:"primaryKey;size:16"`
		StackID    string    `gorm:"size:36;not null;index"`
		Reason     string    `gorm:"not null"`
		At         time.Time `gorm:"not null"`
		EndedAt    *time.Time
	}
	return db.Migrator().CreateTable(&Intent{}, &IntentPause{})
}
