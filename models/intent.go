package models

import "time"

// IntentID names an intent.
type IntentID string

// IntentAuthor says which part of Opsyard wants something of an instance.
type IntentAuthor string

// Authors of intents, the strongest first.
const (
	ByUser     IntentAuthor = "user"
	ByHealing  IntentAuthor = "healing"
	BySchedule IntentAuthor = "schedule"
	ByLoad     IntentAuthor = "load"
)

// ByConfigure is no author of intents: a pause under this name holds the
// Configure that an instance's coming and going would send to its peers.
const ByConfigure IntentAuthor = "configure"

// IntentAuthors is every author, the strongest first.
var IntentAuthors = []IntentAuthor{ByUser, ByHealing, BySchedule, ByLoad}

// Label is the author as pages name it.
func (a IntentAuthor) Label() string {
	switch a {
	case ByHealing:
		return "Auto healing"
	case BySchedule:
		return "Its schedule"
	case ByLoad:
		return "Load-based scaling"
	case ByConfigure:
		return "Configure"
	}
	return "A person"
}

// IntentWant is what an instance shall be.
type IntentWant string

// What can be wanted of an instance.
const (
	WantOnline    IntentWant = "online"
	WantStopped   IntentWant = "stopped"
	WantRestarted IntentWant = "restarted" // stopped, then online
)

// IntentState is how far an intent has come.
type IntentState string

// States of intents. All but open are final.
const (
	// IntentOpen: wanted, and not there yet.
	IntentOpen IntentState = "open"
	// IntentDone: the instance is what was wanted.
	IntentDone IntentState = "done"
	// IntentFailed: it was tried, and the instance did not get there.
	IntentFailed IntentState = "failed"
	// IntentSuperseded: the same author wants something else now.
	IntentSuperseded IntentState = "superseded"
	// IntentRefused: it may not be done, so nothing was done.
	IntentRefused IntentState = "refused"
	// IntentWithdrawn: a stronger author wants the opposite, or the reason has
	// gone.
	IntentWithdrawn IntentState = "withdrawn"
)

// Intent is a wish for what an instance shall be, with its author and the
// reason. An author has at most one open intent of an instance; the engine
// settles between authors.
type Intent struct {
	ID         IntentID     `gorm:"primaryKey;size:36"`
	StackID    StackID      `gorm:"size:36;not null;index"`
	InstanceID InstanceID   `gorm:"size:36;not null;index:intent_instance,priority:1;uniqueIndex:intent_open,priority:1,where:state = 'open'"`
	Author     IntentAuthor `gorm:"size:16;not null;uniqueIndex:intent_open,priority:2"`
	Want       IntentWant   `gorm:"size:16;not null"`
	Actor      string       `gorm:"size:128"` // the name of a person, or "auto-healing"
	Cause      Cause        `gorm:"serializer:json"`
	State      IntentState  `gorm:"size:16;not null;index"`
	Outcome    string       // a sentence, once it is not open any more
	// ActedAt is when the engine last moved the instance for this intent.
	ActedAt *time.Time
	// StoppedAt is when a restart had stopped the instance: its second half
	// begins, also after a crash of the server.
	StoppedAt *time.Time
	CreatedAt time.Time `gorm:"not null;index:intent_instance,priority:2"`
	EndedAt   *time.Time
}

// Who names the person, or the part of Opsyard, that wants it.
func (n *Intent) Who() string {
	if n.Author == ByUser && n.Actor != "" {
		return n.Actor
	}
	return n.Author.Label()
}

// IntentPause holds what an author wants of an instance, because the same has
// happened again and again. A person lets it go on; what had happened before
// counts no longer then.
type IntentPause struct {
	InstanceID InstanceID   `gorm:"primaryKey;size:36"`
	Author     IntentAuthor `gorm:"primaryKey;size:16"`
	StackID    StackID      `gorm:"size:36;not null;index"`
	Reason     string       `gorm:"not null"` // a sentence
	At         time.Time    `gorm:"not null"`
	EndedAt    *time.Time
}
