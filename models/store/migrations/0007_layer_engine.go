package migrations

import "gorm.io/gorm"

// layerEngine keeps what serves a layer whose type leaves a choice.
func layerEngine(db *gorm.DB) error {
	type Layer struct {
		Engine string `gorm:"size:16"`
	}
	return db.Migrator().AddColumn(&Layer{}, "Engine")
}
