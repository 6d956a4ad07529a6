package migrations

import (
	"time"

	"gorm.io/gorm"
)

// alarms makes the tables of alarms and of what load-based scaling did.
func alarms(db *gorm.DB) error {
	type Alarm struct {
		ID          string    `gorm:"primaryKey;size:36"`
		StackID     string    `gorm:"size:36;not null;uniqueIndex:alarm_name"`
		Name        string    `gorm:"size:255;not null;uniqueIndex:alarm_name"`
		LayerID     string    `gorm:"size:36;index"`
		InstanceID  string    `gorm:"size:36;index"`
		Metric      string    `gorm:"size:32"`
		Statistic   string    `gorm:"size:16"`
		Comparison  string    `gorm:"size:2;not null"`
		Threshold   float64   `gorm:"not null"`
		Minutes     int       `gorm:"not null"`
		Of          int       `gorm:"column:of_minutes;not null"`
		Query       string    `gorm:"size:4096"`
		State       string    `gorm:"size:32;not null"`
		StateSince  time.Time `gorm:"not null"`
		StateReason string
		Value       *float64
		LookedAt    *time.Time
		CreatedAt   time.Time `gorm:"not null"`
		UpdatedAt   time.Time `gorm:"not null"`
	}
	type AlarmChange struct {
		ID      int64     `gorm:"primaryKey;autoIncrement"`
		AlarmID string    `gorm:"size:36;not null;index:alarm_change_at"`
		StackID string    `gorm:"size:36;not null;index"`
		At      time.Time `gorm:"not null;index:alarm_change_at"`
		From    string    `gorm:"column:from_state;size:32;not null"`
		To      string    `gorm:"column:to_state;size:32;not null"`
		Reason  string
		Value   *float64
	}
	type ScalingEvent struct {
		ID                int64     `gorm:"primaryKey;autoIncrement"`
		LayerID           string    `gorm:"size:36;not null;index:scaling_event_at"`
		StackID           string    `gorm:"size:36;not null;index"`
		At                time.Time `gorm:"not null;index:scaling_event_at"`
		Direction         string    `gorm:"size:8;not null"`
		Instances         string
		Hostnames         string
		Sentence          string
		CPU, Memory, Load *float64
		Running           int `gorm:"not null"`
	}
	return db.Migrator().CreateTable(&Alarm{}, &AlarmChange{}, &ScalingEvent{})
}
