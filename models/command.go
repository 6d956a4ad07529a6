package models

import "time"

// CommandStatus is where one instance's part of a deployment stands.
type CommandStatus string

// States of commands. The API shows pending for pending, sent and running.
const (
	// CommandPending: waits for its turn or for the agent.
	CommandPending CommandStatus = "pending"
	// CommandSent: handed to a connected agent, not confirmed yet; offered
	// again when the lease runs out or the agent reconnects.
	CommandSent CommandStatus = "sent"
	// CommandRunning: the agent holds it on its disk and runs it.
	CommandRunning CommandStatus = "running"
	// CommandSuccessful: exit code 0.
	CommandSuccessful CommandStatus = "successful"
	// CommandFailed: a recipe failed, or the agent could not run it.
	CommandFailed CommandStatus = "failed"
	// CommandSkipped: the instance was not there to run it.
	CommandSkipped CommandStatus = "skipped"
	// CommandExpired: cut by its time limit.
	CommandExpired CommandStatus = "expired"
	// CommandSuperseded: a newer Configure took its place before it started.
	CommandSuperseded CommandStatus = "superseded"
)

// CommandStatuses is every state, in the order of a command's life.
var CommandStatuses = []CommandStatus{
	CommandPending, CommandSent, CommandRunning, CommandSuccessful, CommandFailed,
	CommandSkipped, CommandExpired, CommandSuperseded,
}

var commandMoves = map[CommandStatus][]CommandStatus{
	// running at once when the agent confirms after its lease was over
	CommandPending: {CommandSent, CommandRunning, CommandSkipped, CommandExpired, CommandSuperseded},
	// back to pending when the agent did not confirm in time
	CommandSent:    {CommandRunning, CommandPending, CommandSuccessful, CommandFailed, CommandSkipped, CommandExpired},
	CommandRunning: {CommandSuccessful, CommandFailed, CommandSkipped, CommandExpired},
}

// CanBecome tells whether the state chart has a move from s to next.
func (s CommandStatus) CanBecome(next CommandStatus) bool { return contains(commandMoves[s], next) }

// Moves lists the states that may follow s.
func (s CommandStatus) Moves() []CommandStatus { return commandMoves[s] }

// Finished tells whether nothing more will happen to the command.
func (s CommandStatus) Finished() bool { return len(commandMoves[s]) == 0 }

// RunItem is one recipe of a command's run list.
type RunItem struct {
	Recipe  string `json:"recipe"`
	BuiltIn bool   `json:"built_in,omitempty"`
	Layer   string `json:"layer,omitempty"` // short name
}

// Command is one instance's part of a deployment. OpsWorks: Command.
type Command struct {
	ID CommandID `gorm:"primaryKey;size:36"`
	// Number orders the commands of all instances; an instance runs its own in
	// this order, one at a time.
	Number       int64         `gorm:"not null;uniqueIndex;index:command_instance_status,priority:3"`
	DeploymentID DeploymentID  `gorm:"size:36;not null;index:command_deployment_status"`
	StackID      StackID       `gorm:"size:36;not null"`
	InstanceID   InstanceID    `gorm:"size:36;not null;index:command_instance_status,priority:1;uniqueIndex:command_active,where:status = 'sent' OR status = 'running';index:command_pending,where:status = 'pending'"`
	Hostname     string        `gorm:"size:63"` // of the instance, which may be deleted since
	Type         CommandName   `gorm:"size:32;not null"`
	Status       CommandStatus `gorm:"size:16;not null;index:command_deployment_status;index:command_instance_status,priority:2"`
	// Batch is its place in a rolling deployment, from 1. A pending command is
	// Held while the batches before it run: it is nobody's turn yet, and other
	// commands of the instance go first.
	Batch          int       `gorm:"not null;default:0"`
	Held           bool      `gorm:"not null;default:false"`
	RunList        []RunItem `gorm:"serializer:json"`
	TimeoutSeconds int       `gorm:"not null"`
	// Attempt counts the times it was sent; LeaseUntil is when a sent command
	// is offered again; Deadline is when the engine ends it unheard.
	Attempt    int `gorm:"not null;default:0"`
	LeaseUntil *time.Time
	Deadline   *time.Time `gorm:"index:command_deadline,where:deadline IS NOT NULL"`
	ExitCode   *int
	Message    string // one sentence when it did not succeed
	// Failure is what commands that failed alike have in common (FailureOf).
	Failure string `gorm:"not null;default:''"`
	// CancelReason is set once somebody has asked to end the command.
	CancelReason string
	// LogLastSeq is the number of the last chunk of a finished command's log;
	// the log is complete when that one is stored.
	LogLastSeq int64 `gorm:"not null;default:0"`
	// Sources are what the command got from repositories.
	Sources        []Fetched `gorm:"serializer:json"`
	CreatedAt      time.Time `gorm:"not null"`
	AcknowledgedAt *time.Time
	StartedAt      *time.Time
	CompletedAt    *time.Time
	// LayerIDs are those of the instance where whoever made the command knew
	// them; they are not stored.
	LayerIDs []LayerID `gorm:"-" json:"-"`
}

// APIStatus is the status as the OpsWorks API spells it: what is not finished
// is pending.
func (c *Command) APIStatus() string {
	if !c.Status.Finished() {
		return string(CommandPending)
	}
	return string(c.Status)
}
