package migrations

import (
	"time"

	"gorm.io/gorm"
)

// scaling keeps when instances are on and how layers follow their load, and
// makes names on instances unique.
func scaling(db *gorm.DB) error {
	type Instance struct {
		Schedule string
	}
	type LoadBasedAutoScaling struct {
		LayerID     string `gorm:"primaryKey;size:36"`
		StackID     string `gorm:"size:36;not null;index"`
		Enable      bool
		UpScaling   string
		DownScaling string
		CreatedAt   time.Time `gorm:"not null"`
		UpdatedAt   time.Time `gorm:"not null"`
	}
	type User struct {
		SSHUsername string `gorm:"size:32;uniqueIndex:user_ssh_username,where:ssh_username <> ''"`
	}
	if err := db.Migrator().AddColumn(&Instance{}, "Schedule"); err != nil {
		return err
	}
	if err := db.Migrator().CreateTable(&LoadBasedAutoScaling{}); err != nil {
		return err
	}
	return db.Migrator().CreateIndex(&User{}, "user_ssh_username")
}
