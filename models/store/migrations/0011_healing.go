package migrations

import (
	"time"

	"gorm.io/gorm"
)

// healing makes the history of lost instances, and lets layers only report.
func healing(db *gorm.DB) error {
	type Layer struct {
		HealingNotifyOnly bool `gorm:"not null;default:false"`
	}
	type Healing struct {
		ID         string `gorm:"primaryKey;size:36"`
		StackID    string `gorm:"size:36;not null;index:healing_stack_at,priority:1"`
		InstanceID string `gorm:"size:36;not null;index"`
		Hostname   string `gorm:"size:63;not null"`
		LayerIDs   string
		LostAt     time.Time `gorm:"not null"`
		Decision   string    `gorm:"size:16;not null;index:healing_decision_at,priority:1"`
		Sentence   string    `gorm:"not null"`
		Evidence   string
		At         time.Time  `gorm:"not null;index:healing_stack_at,priority:2;index:healing_decision_at,priority:2"`
		EndedAt    *time.Time `gorm:"index"`
		Outcome    string     `gorm:"not null;default:''"`
		WrongAt    *time.Time
		WrongBy    string `gorm:"size:64;not null;default:''"`
	}
	type HealingLift struct {
		StackID string    `gorm:"primaryKey;size:36"`
		Until   time.Time `gorm:"not null"`
		By      string    `gorm:"size:64;not null"`
	}
	if err := db.Migrator().AddColumn(&Layer{}, "HealingNotifyOnly"); err != nil {
		return err
	}
	return db.Migrator().CreateTable(&Healing{}, &HealingLift{})
}
