package migrations

import "gorm.io/gorm"

// layerEngine keeps what serves a layer whose type leaves a choice, and what
// passwords of its servers are derived from.
func layerEngine(db *gorm.DB) error {
	type Layer struct {
		Engine string `gorm:"size:16"`
		Secret string // encrypted
	}
	for _, column := range []string{"Engine", "Secret"} {
		if err := db.Migrator().AddColumn(&Layer{}, column); err != nil {
			return err
		}
	}
	return nil
}
