package store

import (
	"context"

	"opsyard/models"
)

// EcsClusters keeps models.EcsCluster.
type EcsClusters struct{ *handle }

// NoEcsCluster says that no cluster with the ARN is registered.
func NoEcsCluster(arn string) *models.Error { return models.NotFound("ECS cluster", arn) }

// Get reads one cluster.
func (s EcsClusters) Get(ctx context.Context, arn string) (*models.EcsCluster, error) {
	return getBy[models.EcsCluster](s.r(ctx), "arn", "ECS cluster", arn)
}

// ByArns reads clusters in the order given; a missing one is a NotFound.
func (s EcsClusters) ByArns(ctx context.Context, arns []string) ([]models.EcsCluster, error) {
	rows, err := findBy[models.EcsCluster](s.r(ctx), "arn", arns, "read ECS clusters")
	if err != nil {
		return nil, err
	}
	return inOrder(rows, arns, func(c *models.EcsCluster) string { return c.Arn }, func(missing string) error {
		return NoEcsCluster(missing)
	})
}

// InStack reads the clusters of stacks, by ARN: none or one of each.
func (s EcsClusters) InStack(ctx context.Context, stacks ...models.StackID) ([]models.EcsCluster, error) {
	return find[models.EcsCluster](s.r(ctx).Where("stack_id IN ?", stacks).Order("arn"), "list ECS clusters of stacks")
}

// Create registers a cluster.
func (s EcsClusters) Create(ctx context.Context, c *models.EcsCluster) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, c.StackID); err != nil {
			return err
		}
		err := h.w(ctx).Create(c).Error
		if brokenIndex(err) == "ecs_cluster_stack" {
			return models.InvalidField("StackId", "The stack already has an ECS cluster: deregister it first.").Because(err)
		}
		return registered(err, "EcsClusterArn", "Cluster "+c.Name, "register")
	})
}

// Delete takes a cluster from its stack.
func (s EcsClusters) Delete(ctx context.Context, stack models.StackID, arn string) error {
	return affected(s.w(ctx).Exec("DELETE FROM ecs_clusters WHERE arn = ? AND stack_id = ?", arn, stack), "delete", "ECS cluster", arn)
}
