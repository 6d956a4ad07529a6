package models

import "time"

// ScalingDirection is where load-based scaling goes.
type ScalingDirection string

// Directions of scaling.
const (
	ScaleUp   ScalingDirection = "up"
	ScaleDown ScalingDirection = "down"
)

// ScalingEvent is one deed of load-based scaling, with the figures behind it.
type ScalingEvent struct {
	ID        int64            `gorm:"primaryKey;autoIncrement"`
	LayerID   LayerID          `gorm:"size:36;not null;index:scaling_event_at"`
	StackID   StackID          `gorm:"size:36;not null;index"`
	At        time.Time        `gorm:"not null;index:scaling_event_at"`
	Direction ScalingDirection `gorm:"size:8;not null"`
	Instances []InstanceID     `gorm:"serializer:json"` // that were started or stopped
	Hostnames []string         `gorm:"serializer:json"`
	Sentence  string           // why, with the figures
	// CPU, Memory and Load are the layer's averages in the minute before; nil is
	// not known.
	CPU, Memory, Load *float64
	// Running counts the layer's running instances of all types before.
	Running int `gorm:"not null"`
}
