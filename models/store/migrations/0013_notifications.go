package migrations

import (
	"time"

	"gorm.io/gorm"
)

// notifications makes the tables of events, who hears of them, and what is on
// its way.
func notifications(db *gorm.DB) error {
	type NotificationChannel struct {
		ID           string `gorm:"primaryKey;size:36"`
		StackID      string `gorm:"size:36;not null;index"`
		Name         string `gorm:"size:64;not null"`
		Kind         string `gorm:"size:16;not null"`
		URL          string
		Secret       string
		Recipients   string
		Types        string
		TroubleOnly  bool `gorm:"not null"`
		PausedAt     *time.Time
		PausedReason string `gorm:"not null"`
		Failures     int    `gorm:"not null"`
		NotBefore    *time.Time
		CreatedBy    string    `gorm:"size:64"`
		CreatedAt    time.Time `gorm:"not null"`
		UpdatedAt    time.Time `gorm:"not null"`
	}
	type Notification struct {
		ID      string    `gorm:"primaryKey;size:36"`
		StackID string    `gorm:"size:36;not null"`
		Type    string    `gorm:"size:64;not null"`
		At      time.Time `gorm:"not null;index:notification_at"`
		Trouble bool      `gorm:"not null"`
		Stack   string    `gorm:"size:64;not null"`
		Text    string    `gorm:"not null"`
		Path    string    `gorm:"not null"`
		Body    string    `gorm:"not null"`
	}
	type NotificationDelivery struct {
		ID             int64     `gorm:"primaryKey;autoIncrement;index:delivery_channel,priority:2"`
		ChannelID      string    `gorm:"size:36;not null;index:delivery_channel,priority:1;index:delivery_due,priority:1,where:status = 'pending'"`
		NotificationID string    `gorm:"size:36;not null;index:delivery_notification"`
		Status         string    `gorm:"size:16;not null"`
		Attempts       int       `gorm:"not null"`
		NextAt         time.Time `gorm:"not null;index:delivery_due,priority:2,where:status = 'pending'"`
		Code           int       `gorm:"not null"`
		Answer         string    `gorm:"not null"`
		CreatedAt      time.Time `gorm:"not null"`
		TriedAt        *time.Time
	}
	return db.Migrator().CreateTable(&NotificationChannel{}, &Notification{}, &NotificationDelivery{})
}
