package migrations

import (
	"errors"

	"gorm.io/gorm"
)

// rolloutDecisions keeps what is decided while a deployment runs: why it was
// paused, what a person has accepted, and who migrates.
func rolloutDecisions(db *gorm.DB) error {
	type Deployment struct {
		PauseReason string
		Accepted    string
		MigratorID  string `gorm:"size:36"`
	}
	var errs []error
	for _, column := range []string{"PauseReason", "Accepted", "MigratorID"} {
		errs = append(errs, db.Migrator().AddColumn(&Deployment{}, column))
	}
	return errors.Join(errs...)
}
