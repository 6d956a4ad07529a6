package models

import "time"

// DeploymentStatus is where a deployment stands.
type DeploymentStatus string

// States of deployments.
const (
	DeploymentRunning    DeploymentStatus = "running"
	DeploymentSuccessful DeploymentStatus = "successful"
	DeploymentFailed     DeploymentStatus = "failed"
)

// DeploymentStatuses is every state.
var DeploymentStatuses = []DeploymentStatus{DeploymentRunning, DeploymentSuccessful, DeploymentFailed}

var deploymentMoves = map[DeploymentStatus][]DeploymentStatus{
	DeploymentRunning: {DeploymentSuccessful, DeploymentFailed},
}

// CanBecome tells whether the state chart has a move from s to next.
func (s DeploymentStatus) CanBecome(next DeploymentStatus) bool {
	return contains(deploymentMoves[s], next)
}

// Moves lists the states that may follow s.
func (s DeploymentStatus) Moves() []DeploymentStatus { return deploymentMoves[s] }

// CommandName is what a deployment or command does.
type CommandName string

// Commands that can be asked for, and those that only the engine makes.
const (
	CommandSetup                 CommandName = "setup"
	CommandConfigure             CommandName = "configure"
	CommandDeploy                CommandName = "deploy"
	CommandUndeploy              CommandName = "undeploy"
	CommandShutdown              CommandName = "shutdown" // engine only
	CommandRollback              CommandName = "rollback"
	CommandStart                 CommandName = "start"
	CommandStop                  CommandName = "stop"
	CommandRestart               CommandName = "restart"
	CommandExecuteRecipes        CommandName = "execute_recipes"
	CommandUpdateCustomCookbooks CommandName = "update_custom_cookbooks"
	CommandInstallDependencies   CommandName = "install_dependencies"
	CommandUpdateDependencies    CommandName = "update_dependencies"
	CommandSyncRemoteUsers       CommandName = "sync_remote_users"    // engine only
	CommandGrantRemoteAccess     CommandName = "grant_remote_access"  // engine only
	CommandRevokeRemoteAccess    CommandName = "revoke_remote_access" // engine only
)

// AppCommands need an app; StackCommands do not.
var (
	AppCommands   = []CommandName{CommandDeploy, CommandRollback, CommandStart, CommandStop, CommandRestart, CommandUndeploy}
	StackCommands = []CommandName{CommandExecuteRecipes, CommandUpdateCustomCookbooks, CommandSetup, CommandConfigure, CommandInstallDependencies, CommandUpdateDependencies}
)

// NeedsApp tells whether the command is about an app.
func (n CommandName) NeedsApp() bool { return contains(AppCommands, n) }

// Requestable tells whether CreateDeployment accepts the command.
func (n CommandName) Requestable() bool { return n.NeedsApp() || contains(StackCommands, n) }

// DeploymentCommand is what a deployment runs. Args values are lists of
// strings, even for booleans (OpsWorks DeploymentCommand).
type DeploymentCommand struct {
	Name CommandName         `json:"name"`
	Args map[string][]string `json:"args,omitempty"`
}

// Deployment is one run over a set of instances; lifecycle events make
// deployments too, without a user. OpsWorks: Deployment.
type Deployment struct {
	ID          DeploymentID      `gorm:"primaryKey;size:36"`
	Number      int64             `gorm:"not null;uniqueIndex:deployment_number,priority:2"` // counts per stack, for people
	StackID     StackID           `gorm:"size:36;not null;uniqueIndex:deployment_number,priority:1;index:deployment_stack_created"`
	AppID       AppID             `gorm:"size:36;index"`
	Command     DeploymentCommand `gorm:"serializer:json"`
	CommandName CommandName       `gorm:"size:32;not null"` // mirrors Command.Name, for queries
	Comment     string
	CustomJSON  string           `gorm:"serializer:secret"` // byte-exact; it often holds passwords
	IamUserArn  string           // who asked; empty when the engine did
	UserID      UserID           `gorm:"size:36"`
	Cause       Cause            `gorm:"serializer:json"`
	Status      DeploymentStatus `gorm:"size:16;not null;index"`
	// Commands counts the deployment's commands; InstanceIDs of the API are theirs.
	Commands int `gorm:"not null"`
	DryRun   bool
	// PlanID is the plan that was run, RetryOf the deployment that this one
	// runs again. Both may have been removed since.
	PlanID  PlanID       `gorm:"size:36"`
	RetryOf DeploymentID `gorm:"size:36"`
	// Rollout divides the commands into Batches; Batch is the newest one that
	// may run. Both are 0 when all run at once.
	Rollout Rollout `gorm:"serializer:json"`
	Batch   int     `gorm:"not null;default:0"`
	Batches int     `gorm:"not null;default:0"`
	// NextBatchAt is when the pause after the present batch is over.
	NextBatchAt *time.Time
	// PausedBy is who holds the next batch back; StopReason is why the batches
	// that are left do not run.
	PausedBy   string `gorm:"size:64"`
	StopReason string
	// PauseReason is why Opsyard itself has paused: what runs would not be what
	// the plan has shown. Accepted are the plan's Parts as they are by now: whoever
	// continues accepts them.
	PauseReason string
	Accepted    map[string]string `gorm:"serializer:json"`
	// MigratorID is the instance that changes the app's database for all others.
	// It is chosen when its command is sent.
	MigratorID  InstanceID `gorm:"size:36"`
	CreatedAt   time.Time  `gorm:"not null;index:deployment_stack_created"`
	CompletedAt *time.Time
}

// BatchesLeft tells whether batches wait.
func (d *Deployment) BatchesLeft() bool {
	return d.Status == DeploymentRunning && d.Batch < d.Batches && d.StopReason == ""
}

// Duration is the length in whole seconds, 0 while it runs.
func (d *Deployment) Duration() int {
	if d.CompletedAt == nil {
		return 0
	}
	return int(d.CompletedAt.Sub(d.CreatedAt) / time.Second)
}
