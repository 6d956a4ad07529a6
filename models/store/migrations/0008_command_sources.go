package migrations

import "gorm.io/gorm"

// commandSources keeps what each command got from repositories.
func commandSources(db *gorm.DB) error {
	type Command struct {
		Sources string
	}
	return db.Migrator().AddColumn(&Command{}, "Sources")
}
