package migrations

import (
	"errors"
	"time"

	"gorm.io/gorm"
)

// plans makes the table of plans, and lets deployments go in batches.
func plans(db *gorm.DB) error {
	type Plan struct {
		ID          string    `gorm:"primaryKey;size:36"`
		StackID     string    `gorm:"size:36;not null;index:plan_stack_created,priority:1"`
		UserID      string    `gorm:"size:36"`
		Author      string    `gorm:"size:64"`
		CreatedAt   time.Time `gorm:"not null;index:plan_stack_created,priority:2"`
		Fingerprint string    `gorm:"size:64;not null"`
		Previous    string    `gorm:"size:36"`
		Changes     string
		Request     string
		Content     string
	}
	type Deployment struct {
		PlanID      string `gorm:"size:36"`
		RetryOf     string `gorm:"size:36"`
		Rollout     string
		Batch       int `gorm:"not null;default:0"`
		Batches     int `gorm:"not null;default:0"`
		NextBatchAt *time.Time
		PausedBy    string `gorm:"size:64"`
		StopReason  string
	}
	type Command struct {
		Batch   int    `gorm:"not null;default:0"`
		Held    bool   `gorm:"not null;default:false"`
		Failure string `gorm:"not null;default:''"`
	}
	if err := db.Migrator().CreateTable(&Plan{}); err != nil {
		return err
	}
	var errs []error
	for _, column := range []string{"PlanID", "RetryOf", "Rollout", "Batch", "Batches", "NextBatchAt", "PausedBy", "StopReason"} {
		errs = append(errs, db.Migrator().AddColumn(&Deployment{}, column))
	}
	for _, column := range []string{"Batch", "Held", "Failure"} {
		errs = append(errs, db.Migrator().AddColumn(&Command{}, column))
	}
	return errors.Join(append(errs, db.Exec("UPDATE commands SET failure = message WHERE status IN ('failed', 'expired')").Error)...)
}
