package migrations

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// accounts lets people log in to instances for some time, and keeps what became
// of everybody's accounts there.
func accounts(db *gorm.DB) error {
	type Permission struct {
		SSHUntil  *time.Time `gorm:"index:permission_ssh_until,where:ssh_until IS NOT NULL"`
		UntilSudo bool       `gorm:"not null;default:false"`
	}
	type AppliedAccounts struct {
		InstanceID string `gorm:"primaryKey;size:36"`
		Revision   string `gorm:"size:64;not null"`
		Problem    string `gorm:"not null;default:''"`
		Skipped    string
		At         time.Time `gorm:"not null"`
	}
	m := db.Migrator()
	return errors.Join(
		m.AddColumn(&Permission{}, "SSHUntil"),
		m.AddColumn(&Permission{}, "UntilSudo"),
		m.CreateIndex(&Permission{}, "permission_ssh_until"),
		m.CreateTable(&AppliedAccounts{}),
	)
}
