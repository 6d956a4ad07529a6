package models

import (
	"context"
	"time"
)

// ActorKind says what acts.
type ActorKind string

// Kinds of actors.
const (
	ActorUser   ActorKind = "user"
	ActorAgent  ActorKind = "agent"
	ActorEngine ActorKind = "engine" // the engine's own loops
	ActorSetup  ActorKind = "setup"  // the command line on the server, or the first-run page
)

// Actor is who asks for a change. The surfaces put it into the context; engine
// verbs read it there for permission and audit.
type Actor struct {
	Kind       ActorKind
	UserID     UserID
	InstanceID InstanceID // of an agent
	Name       string     // shown to people
	Admin      bool
	SourceAddr string
	RequestID  string
	Surface    string // "console", "api", "agent", "cli", "engine"
	// Scope limits what a token or access key may do; nil for no limit.
	Scope *Scope
	// Session is the hash of the session that a person at the console is signed
	// in with, and ConfirmedAt when they last proved in it who they are.
	Session     string
	ConfirmedAt time.Time
}

type actorKey struct{}

// WithActor puts the actor into the context.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom is the actor of the context; the zero Actor may do nothing.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// AsEngine is the context in which the engine's loops act.
func AsEngine(ctx context.Context) context.Context {
	return WithActor(ctx, Actor{Kind: ActorEngine, Name: "opsyard", Admin: true, Surface: "engine"})
}

// CauseKind says why something ran or changed.
type CauseKind string

// Kinds of causes.
const (
	CauseUser       CauseKind = "user"       // a person or their client asked
	CauseMembership CauseKind = "membership" // an instance entered or left online
	CauseChange     CauseKind = "change"     // an address, balancer or permission that recipes see was changed
	CauseStart      CauseKind = "start"      // an instance booted
	CauseStop       CauseKind = "stop"       // an instance is being stopped
	CauseHealing    CauseKind = "auto-healing"
	CauseSchedule   CauseKind = "time-based"
	CauseLoad       CauseKind = "load-based"
	CauseAlarm      CauseKind = "alarm" // its state follows what was measured
	CauseAppDeleted CauseKind = "app-deleted"
	CauseMachine    CauseKind = "machine" // the machine itself did it
	CauseAgent      CauseKind = "agent"   // the agent was heard, or not
)

// Cause is stored with every run and every change of state.
type Cause struct {
	Kind CauseKind `json:"kind"`
	// Text completes "because …", for instance "web2 entered online".
	Text       string     `json:"text"`
	InstanceID InstanceID `json:"instance_id,omitempty"` // what it is about
	// EventID is the event that led here, for the causal timeline.
	EventID int64  `json:"event_id,omitempty"`
	Actor   string `json:"actor,omitempty"` // name of who asked
}
