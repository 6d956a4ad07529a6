package models

import "unicode/utf8"

// DeploymentRequest asks for a command on instances of a stack (OpsWorks:
// CreateDeployment). Targets are the given instances and those of the given
// layers; none given means all that are online.
type DeploymentRequest struct {
	StackID     StackID           `json:"stack_id"`
	AppID       AppID             `json:"app_id,omitempty"`
	Command     DeploymentCommand `json:"command"`
	InstanceIDs []InstanceID      `json:"instance_ids,omitempty"`
	LayerIDs    []LayerID         `json:"layer_ids,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	CustomJSON  string            `json:"custom_json,omitempty"`
	DryRun      bool              `json:"dry_run,omitempty"`
	Rollout     Rollout           `json:"rollout,omitzero"`
	// PlanID asks for exactly what a plan has shown; a Conflict says what has
	// changed since.
	PlanID PlanID `json:"plan_id,omitempty"`
	// RetryOf is the deployment that this one runs again.
	RetryOf DeploymentID `json:"retry_of,omitempty"`
}

// Validate refuses what is wrong whatever the stack looks like.
func (r *DeploymentRequest) Validate() error {
	if err := r.Command.Validate(); err != nil {
		return err
	}
	if r.Command.Name.NeedsApp() && r.AppID == "" {
		return InvalidField("AppId", "App id: the command %s needs an app.", r.Command.Name)
	}
	if utf8.RuneCountInString(r.Comment) > 1000 {
		return InvalidField("Comment", "Comment: is too long (maximum is 1000 characters).")
	}
	if err := r.Rollout.Validate(); err != nil {
		return err
	}
	return CheckCustomJSON(r.CustomJSON)
}
