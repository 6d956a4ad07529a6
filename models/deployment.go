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
	Commands    int `gorm:"not null"`
	DryRun      bool
	CreatedAt   time.Time `gorm:"not null;index:deployment_stack_created"`
	CompletedAt *time.Time
}

// Duration is the length in whole seconds, 0 while it runs.
func (d *Deployment) Duration() int {
	if d.CompletedAt == nil {
		return 0
	}
	return int(d.CompletedAt.Sub(d.CreatedAt) / time.Second)
}
