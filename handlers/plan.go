package handlers

import (
	"context"

	"opsyard/engine"
	"opsyard/models"
)

// planEngine is what plans and rolling deployments ask of the engine.
type planEngine interface {
	Plan(ctx context.Context, r engine.DeploymentRequest) (*models.Plan, error)
	Replan(ctx context.Context, id models.PlanID) (*models.Plan, error)
	PauseRollout(ctx context.Context, id models.DeploymentID) error
	ContinueRollout(ctx context.Context, id models.DeploymentID) error
	StopRollout(ctx context.Context, id models.DeploymentID) error
	RetryDeployment(ctx context.Context, id models.DeploymentID) (*models.Deployment, error)
}
