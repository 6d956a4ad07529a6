package models

import (
	"slices"
	"time"
)

// HealingID names an entry of the healing history.
type HealingID string

// HealingMode is what becomes of an instance that is lost. OpsWorks knows off
// and heal; notify looks and reports, and leaves the deed to people.
type HealingMode string

// Modes of healing.
const (
	HealingOff    HealingMode = "off"
	HealingNotify HealingMode = "notify"
	HealingHeal   HealingMode = "heal"
)

// HealingModes is every mode, the most careful first.
var HealingModes = []HealingMode{HealingOff, HealingNotify, HealingHeal}

// HealingMode is what the layer asks for.
func (l *Layer) HealingMode() HealingMode {
	switch {
	case !l.EnableAutoHealing:
		return HealingOff
	case l.HealingNotifyOnly:
		return HealingNotify
	}
	return HealingHeal
}

// SetHealingMode writes the mode in OpsWorks' flag and ours.
func (l *Layer) SetHealingMode(m HealingMode) {
	l.EnableAutoHealing, l.HealingNotifyOnly = m != HealingOff, m == HealingNotify
}

// HealingDecision is what was decided about a lost instance.
type HealingDecision string

// Decisions about a lost instance.
const (
	// DecisionHeal: it is restarted or replaced.
	DecisionHeal HealingDecision = "heal"
	// DecisionWait: it will be decided later, because of what the sentence says.
	DecisionWait HealingDecision = "wait"
	// DecisionAlive: somebody reached its machine, so nothing is done.
	DecisionAlive HealingDecision = "alive"
	// DecisionNotify: a person must decide.
	DecisionNotify HealingDecision = "notify"
	// DecisionFrozen: too many agents vanished together for it to be the machines.
	DecisionFrozen HealingDecision = "frozen"
	// DecisionOff: it is not healing's to touch.
	DecisionOff HealingDecision = "off"
)

// HealingEvidence is what was known when it was decided.
type HealingEvidence struct {
	At time.Time `json:"at"`
	// Machine is the state that the provider tells; Doubt is why it tells none.
	Machine string         `json:"machine,omitempty"`
	Reason  string         `json:"reason,omitempty"` // the provider's, for that state
	Doubt   string         `json:"doubt,omitempty"`
	Probes  []HealingProbe `json:"probes,omitempty"`
}

// Ended tells whether the provider says that the machine does not run.
func (e *HealingEvidence) Ended() bool { return e.Machine == "stopped" || e.Machine == "terminated" }

// Reached is the first probe that found the machine alive, nil if none did.
func (e *HealingEvidence) Reached() *HealingProbe {
	if n := slices.IndexFunc(e.Probes, func(p HealingProbe) bool { return p.Alive }); n >= 0 {
		return &e.Probes[n]
	}
	return nil
}

// HealingProbe is one attempt to reach a machine.
type HealingProbe struct {
	From   string `json:"from"` // a hostname; empty for the server itself
	Alive  bool   `json:"alive"`
	Detail string `json:"detail"`
}

// Healing is one decision about one loss of an instance. It is open until
// another takes its place or the instance is no longer lost; that of a heal is
// open until the instance has come up, or not.
type Healing struct {
	ID         HealingID       `gorm:"primaryKey;size:36"`
	StackID    StackID         `gorm:"size:36;not null;index:healing_stack_at,priority:1"`
	InstanceID InstanceID      `gorm:"size:36;not null;index"`
	Hostname   string          `gorm:"size:63;not null"`
	LayerIDs   []LayerID       `gorm:"serializer:json"`
	LostAt     time.Time       `gorm:"not null"`
	Decision   HealingDecision `gorm:"size:16;not null;index:healing_decision_at,priority:1"`
	Sentence   string          `gorm:"not null"`
	Evidence   HealingEvidence `gorm:"serializer:json"`
	At         time.Time       `gorm:"not null;index:healing_stack_at,priority:2;index:healing_decision_at,priority:2"`
	EndedAt    *time.Time      `gorm:"index"`
	Outcome    string          `gorm:"not null;default:''"`
	// WrongAt is when somebody said that the machine had been healthy.
	WrongAt *time.Time
	WrongBy string `gorm:"size:64;not null;default:''"`
}

// Open tells whether the decision still stands.
func (h *Healing) Open() bool { return h.EndedAt == nil }

// HealingLift lets a stack's healing act although so many agents are gone.
type HealingLift struct {
	StackID StackID   `gorm:"primaryKey;size:36"`
	Until   time.Time `gorm:"not null"`
	By      string    `gorm:"size:64;not null"`
}
