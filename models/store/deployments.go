package store

import (
	"context"
	"fmt"
	"time"

	"opsyard/models"
)

// Deployments keeps models.Deployment.
type Deployments struct{ *handle }

const kindDeployment = "deployment"

func deploymentCounter(stack models.StackID) string { return "deployment:" + string(stack) }

// Get reads one deployment.
func (s Deployments) Get(ctx context.Context, id models.DeploymentID) (*models.Deployment, error) {
	return get[models.Deployment](s.r(ctx), kindDeployment, id)
}

// ByIDs reads deployments in the order of ids; a missing one is a NotFound.
func (s Deployments) ByIDs(ctx context.Context, ids []models.DeploymentID) ([]models.Deployment, error) {
	return byIDs(s.r(ctx), kindDeployment, ids, func(d *models.Deployment) models.DeploymentID { return d.ID })
}

// Create stores a new deployment and gives it the next number of its stack.
func (s Deployments) Create(ctx context.Context, d *models.Deployment) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, d.StackID); err != nil {
			return err
		}
		number, err := h.reserve(ctx, deploymentCounter(d.StackID), 1)
		if err != nil {
			return fmt.Errorf("number a deployment of stack %s: %w", d.StackID, err)
		}
		d.Number, d.CommandName = number, d.Command.Name
		return wrap(h.w(ctx).Create(d).Error, "create deployment %s", d.ID)
	})
}

// InStack reads a stack's deployments, newest first, from below a number (0:
// from the newest).
func (s Deployments) InStack(ctx context.Context, stack models.StackID, limit int, before int64) ([]models.Deployment, error) {
	query := s.r(ctx).Where("stack_id = ?", stack)
	if before > 0 {
		query = query.Where("number < ?", before)
	}
	return find[models.Deployment](query.Order("number DESC").Limit(limit), "list deployments of stack %s", stack)
}

// OfApp reads an app's deployments, newest first.
func (s Deployments) OfApp(ctx context.Context, app models.AppID, limit int) ([]models.Deployment, error) {
	return find[models.Deployment](s.r(ctx).Where("app_id = ?", app).Order("number DESC").Limit(limit), "list deployments of app %s", app)
}

// Running reads a stack's deployments that are not finished, oldest first.
func (s Deployments) Running(ctx context.Context, stack models.StackID) ([]models.Deployment, error) {
	return find[models.Deployment](s.r(ctx).Where("stack_id = ? AND status = ?", stack, models.DeploymentRunning).Order("number"),
		"list running deployments of stack %s", stack)
}

// LastPerApp reads the newest deployment of each of a stack's apps.
func (s Deployments) LastPerApp(ctx context.Context, stack models.StackID) (map[models.AppID]models.Deployment, error) {
	list, err := find[models.Deployment](s.r(ctx).Where(`stack_id = ? AND number IN
		(SELECT max(number) FROM deployments WHERE stack_id = ? AND app_id <> '' GROUP BY app_id)`, stack, stack),
		"list last deployments of stack %s", stack)
	if err != nil {
		return nil, err
	}
	last := make(map[models.AppID]models.Deployment, len(list))
	for _, d := range list {
		last[d.AppID] = d
	}
	return last, nil
}

// Finish ends a running deployment; a Conflict says that it had ended before.
func (s Deployments) Finish(ctx context.Context, id models.DeploymentID, status models.DeploymentStatus, at time.Time) error {
	if !models.DeploymentRunning.CanBecome(status) {
		return fmt.Errorf("finish deployment %s: the state chart has no way to %s", id, status)
	}
	result := s.w(ctx).Exec("UPDATE deployments SET status = ?, completed_at = ? WHERE id = ? AND status = ?",
		status, stamp(at), id, models.DeploymentRunning)
	if result.Error != nil || result.RowsAffected > 0 {
		return wrap(result.Error, "finish deployment %s", id)
	}
	d, err := get[models.Deployment](s.w(ctx), kindDeployment, id)
	if err != nil {
		return err
	}
	return models.Conflict("Deployment %d is %s already.", d.Number, d.Status)
}

// Lock keeps other transactions from rolling up the deployment until this one ends.
func (s Deployments) Lock(ctx context.Context, id models.DeploymentID) error {
	_, err := get[models.Deployment](forUpdate(s.w(ctx).Select("id")), kindDeployment, id)
	return err
}

// IsDryRun tells whether a deployment changes nothing.
func (s Deployments) IsDryRun(ctx context.Context, id models.DeploymentID) (bool, error) {
	var dry []bool
	err := s.r(ctx).Model(&models.Deployment{}).Where("id = ?", id).Pluck("dry_run", &dry).Error
	return len(dry) > 0 && dry[0], wrap(err, "read deployment %s", id)
}

// InstancesOf lists on which instances deployments ran, in the order of their
// commands.
func (s Deployments) InstancesOf(ctx context.Context, ids []models.DeploymentID) (map[models.DeploymentID][]models.InstanceID, error) {
	instances := make(map[models.DeploymentID][]models.InstanceID, len(ids))
	for part := range chunks(ids, batch) {
		rows, err := find[models.Command](s.r(ctx).Select("deployment_id", "instance_id").Where("deployment_id IN ?", part).Order("number"), "list instances of deployments")
		if err != nil {
			return nil, err
		}
		for _, c := range rows {
			instances[c.DeploymentID] = append(instances[c.DeploymentID], c.InstanceID)
		}
	}
	return instances, nil
}
