package store

import (
	"context"

	"opsyard/models"
)

// ElasticLoadBalancers keeps models.ElasticLoadBalancer.
type ElasticLoadBalancers struct{ *handle }

const kindBalancer = "load balancer"

// OfLayer reads the balancer that is attached to a layer.
func (s ElasticLoadBalancers) OfLayer(ctx context.Context, id models.LayerID) (*models.ElasticLoadBalancer, error) {
	return getBy[models.ElasticLoadBalancer](s.r(ctx), "layer_id", kindBalancer+" of layer", id)
}

// OfLayerForUpdate is OfLayer that keeps other transactions from changing it.
func (s ElasticLoadBalancers) OfLayerForUpdate(ctx context.Context, id models.LayerID) (*models.ElasticLoadBalancer, error) {
	return getBy[models.ElasticLoadBalancer](forUpdate(s.w(ctx)), "layer_id", kindBalancer+" of layer", id)
}

// OfLayers reads the balancers of layers; layers without one are left out.
func (s ElasticLoadBalancers) OfLayers(ctx context.Context, ids []models.LayerID) ([]models.ElasticLoadBalancer, error) {
	return findBy[models.ElasticLoadBalancer](s.r(ctx).Order("name"), "layer_id", ids, "list load balancers of layers")
}

// InStack reads the balancers that are attached to layers of one of the stacks.
func (s ElasticLoadBalancers) InStack(ctx context.Context, stacks ...models.StackID) ([]models.ElasticLoadBalancer, error) {
	return find[models.ElasticLoadBalancer](s.r(ctx).Where("stack_id IN ?", stacks).Order("name, region"), "list load balancers of stacks")
}

// Create attaches a balancer to its layer.
func (s ElasticLoadBalancers) Create(ctx context.Context, b *models.ElasticLoadBalancer) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "layers", kindLayer, b.LayerID); err != nil {
			return err
		}
		err := h.w(ctx).Create(b).Error
		switch brokenIndex(err) {
		case "":
			return wrap(err, "attach load balancer %s", b.Name)
		case "elastic_load_balancer_name":
			return models.InvalidField("ElasticLoadBalancerName", "Load balancer %s is already attached to a layer: detach it there first.", b.Name).Because(err)
		}
		return models.InvalidField("LayerId", "The layer already has a load balancer: detach it first.").Because(err)
	})
}

// Save writes all of a balancer.
func (s ElasticLoadBalancers) Save(ctx context.Context, b *models.ElasticLoadBalancer) error {
	return saveBy(s.w(ctx), b, "layer_id", kindBalancer+" of layer", b.LayerID)
}

// Delete detaches a layer's balancer.
func (s ElasticLoadBalancers) Delete(ctx context.Context, id models.LayerID) error {
	return deleteBy(s.w(ctx), "elastic_load_balancers", "layer_id", kindBalancer+" of layer", id)
}
