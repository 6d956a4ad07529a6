package migrations

import (
	"gorm.io/gorm"
)

// metrics makes the tables of figures: a row for each instance or layer and
// minute, and for each hour.
func metrics(db *gorm.DB) error {
	type figures struct {
		At            int64    `gorm:"primaryKey;autoIncrement:false;not null"`
		OfID          string   `gorm:"primaryKey;size:36;not null"`
		CPUIdle       *float32 `gorm:"type:real"`
		CPUNice       *float32 `gorm:"type:real"`
		CPUSystem     *float32 `gorm:"type:real"`
		CPUUser       *float32 `gorm:"type:real"`
		CPUWaitio     *float32 `gorm:"type:real"`
		CPUSteal      *float32 `gorm:"type:real"`
		MemoryTotal   *float32 `gorm:"type:real"`
		MemoryUsed    *float32 `gorm:"type:real"`
		MemoryFree    *float32 `gorm:"type:real"`
		MemoryBuffers *float32 `gorm:"type:real"`
		MemoryCached  *float32 `gorm:"type:real"`
		MemorySwap    *float32 `gorm:"type:real"`
		Load1         *float32 `gorm:"type:real;column:load_1"`
		Load5         *float32 `gorm:"type:real;column:load_5"`
		Load15        *float32 `gorm:"type:real;column:load_15"`
		Procs         *float32 `gorm:"type:real"`
	}
	if db.Name() == "sqlite" {
		// The key is all that is searched for, so it holds the row itself.
		db = db.Set("gorm:table_options", "WITHOUT ROWID")
	}
	for _, table := range []string{"metric_minutes", "metric_hours"} {
		if err := db.Table(table).Migrator().CreateTable(&figures{}); err != nil {
			return err
		}
	}
	return nil
}
