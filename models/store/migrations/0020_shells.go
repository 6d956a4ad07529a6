package migrations

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// shells keeps the shells that people have had in the browser, and which server
// an agent is connected to.
func shells(db *gorm.DB) error {
	type Instance struct {
		AgentServer string `gorm:"size:255;not null;default:''"`
	}
	type ShellSession struct {
		ID         string    `gorm:"primaryKey;size:36"`
		StackID    string    `gorm:"size:36;not null;index"`
		InstanceID string    `gorm:"size:36;not null;index:shell_instance,priority:1"`
		Hostname   string    `gorm:"size:63;not null"`
		UserID     string    `gorm:"size:36;not null;index"`
		UserName   string    `gorm:"size:64;not null"`
		Account    string    `gorm:"size:64;not null"`
		StartedAt  time.Time `gorm:"not null;index;index:shell_instance,priority:2"`
		SeenAt     time.Time `gorm:"not null"`
		EndedAt    *time.Time
		Why        string `gorm:"size:255;not null"`
		Shown      int64  `gorm:"not null"`
		Bytes      int64  `gorm:"not null"`
	}
	type ShellChunk struct {
		ShellID string `gorm:"primaryKey;size:36"`
		Seq     int    `gorm:"primaryKey;autoIncrement:false"`
		Bytes   int    `gorm:"not null"`
		Data    []byte `gorm:"not null"`
	}
	return errors.Join(
		db.Migrator().AddColumn(&Instance{}, "AgentServer"),
		db.Migrator().CreateTable(&ShellSession{}),
		db.Migrator().CreateTable(&ShellChunk{}),
	)
}
