package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"opsyard/models"
)

// Event is the document of an event as OpsWorks put it on the bus: EventBridge's
// envelope around a detail.
type Event struct {
	Version    string                  `json:"version"` // "0"
	ID         string                  `json:"id"`
	DetailType models.NotificationType `json:"detail-type"`
	Source     string                  `json:"source"` // "aws.opsworks"
	Account    string                  `json:"account"`
	Time       time.Time               `json:"time"`
	Region     string                  `json:"region"`
	Resources  []string                `json:"resources"`
	Detail     any                     `json:"detail"`
}

// Source is OpsWorks' own, so that rules written for it match.
const Source = "aws.opsworks"

// InstanceDetail is the detail of an OpsWorks Instance State Change.
type InstanceDetail struct {
	InitiatedBy   string                `json:"initiated_by,omitempty"` // only of requested, terminating and stopping
	Hostname      string                `json:"hostname"`
	StackID       models.StackID        `json:"stack-id"`
	LayerIDs      []models.LayerID      `json:"layer-ids"`
	InstanceID    models.InstanceID     `json:"instance-id"`
	Ec2InstanceID string                `json:"ec2-instance-id"`
	Status        models.InstanceStatus `json:"status"`
}

// CommandDetail is the detail of an OpsWorks Command State Change.
type CommandDetail struct {
	CommandID  models.CommandID     `json:"command-id"`
	InstanceID models.InstanceID    `json:"instance-id"`
	Type       models.CommandName   `json:"type"`
	Status     models.CommandStatus `json:"status"`
}

// DeploymentDetail is the detail of an OpsWorks Deployment State Change.
type DeploymentDetail struct {
	Duration     *int                    `json:"duration,omitempty"` // seconds, at the end
	StackID      models.StackID          `json:"stack-id"`
	InstanceIDs  []models.InstanceID     `json:"instance-ids"`
	DeploymentID models.DeploymentID     `json:"deployment-id"`
	Command      models.CommandName      `json:"command"`
	Status       models.DeploymentStatus `json:"status"`
}

// AlertDetail is the detail of an OpsWorks Alert.
type AlertDetail struct {
	StackID    models.StackID    `json:"stack-id,omitempty"`    // none when it is about all of them
	InstanceID models.InstanceID `json:"instance-id,omitempty"` // none when it is about more than one
	Type       string            `json:"type"`
	Message    string            `json:"message"`
}

// Encode writes the event as JSON.
func (e Event) Encode() (string, error) {
	e.Version, e.Source, e.Time = "0", Source, e.Time.UTC().Truncate(time.Second)
	if e.Resources == nil {
		e.Resources = []string{}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return string(body), nil
}
