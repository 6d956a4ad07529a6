package migrations

import "gorm.io/gorm"

// pendingCommands finds what waits among all that has ever been done.
func pendingCommands(db *gorm.DB) error {
	type Command struct {
		InstanceID string `gorm:"size:36;index:command_pending,where:status = 'pending'"`
	}
	return db.Migrator().CreateIndex(&Command{}, "command_pending")
}
