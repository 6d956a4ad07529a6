package engine

import (
	"context"
	"fmt"

	"opsyard/models"
	"opsyard/models/store"
)

func onEcsCluster(c *models.EcsCluster) target {
	return target{"ECS cluster", c.Arn, c.Name, c.StackID}
}

// RegisterEcsCluster makes a container cluster the stack's (OpsWorks:
// RegisterEcsCluster).
func (e *Engine) RegisterEcsCluster(ctx context.Context, stackID models.StackID, arn string) error {
	stack, err := e.Authorize(ctx, stackID, "RegisterEcsCluster")
	if err != nil {
		return err
	}
	c := models.EcsCluster{Arn: arn, StackID: stack.ID, RegisteredAt: e.Clock()}
	c.Normalize()
	if err := c.Validate(); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.EcsClusters.Create(ctx, &c); err != nil {
			return err
		}
		if err := t.changed(ctx, stack.ID, fmt.Sprintf("ECS cluster %s was registered", c.Name)); err != nil {
			return err
		}
		return t.audit(ctx, "RegisterEcsCluster", onEcsCluster(&c), nil, &c, models.Cause{})
	})
}

// DeregisterEcsCluster takes the cluster from its stack; it goes on running.
// The stack's ecs-cluster layer may go before or after (OpsWorks:
// DeregisterEcsCluster).
func (e *Engine) DeregisterEcsCluster(ctx context.Context, arn string) error {
	c, err := e.store.EcsClusters.Get(ctx, arn)
	if err != nil {
		return err
	}
	stack, err := e.stackOf(ctx, c.StackID, "DeregisterEcsCluster", store.NoEcsCluster(arn))
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.EcsClusters.Delete(ctx, stack.ID, arn); err != nil {
			return err
		}
		if err := t.changed(ctx, stack.ID, fmt.Sprintf("ECS cluster %s was deregistered", c.Name)); err != nil {
			return err
		}
		return t.audit(ctx, "DeregisterEcsCluster", onEcsCluster(c), c, nil, models.Cause{})
	})
}
