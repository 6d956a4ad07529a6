package migrations

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// scheduleFirings gives schedules a zone, and keeps what they did.
func scheduleFirings(db *gorm.DB) error {
	type Instance struct {
		AutoScalingType  string `gorm:"size:16;index:instance_scaling,where:auto_scaling_type <> ''"`
		ScheduleZone     string `gorm:"size:64;not null;default:''"`
		ScheduleRevision int64  `gorm:"not null;default:0"`
	}
	type ScheduleFiring struct {
		InstanceID string    `gorm:"primaryKey;size:36"`
		SlotStart  time.Time `gorm:"primaryKey"`
		Revision   int64     `gorm:"primaryKey;autoIncrement:false"`
		StackID    string    `gorm:"size:36;not null;index"`
		On         bool      `gorm:"column:turned_on;not null"`
		At         time.Time `gorm:"not null"`
	}
	return errors.Join(
		db.Migrator().AddColumn(&Instance{}, "ScheduleZone"),
		db.Migrator().AddColumn(&Instance{}, "ScheduleRevision"),
		db.Migrator().CreateIndex(&Instance{}, "instance_scaling"),
		db.Migrator().CreateTable(&ScheduleFiring{}),
	)
}
