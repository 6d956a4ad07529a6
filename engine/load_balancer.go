package engine

import (
	"context"
	"fmt"

	"opsyard/models"
)

func onBalancer(b *models.ElasticLoadBalancer) target {
	return target{"load balancer", b.Name, b.Name, b.StackID}
}

// AttachElasticLoadBalancer attaches a classic load balancer to a layer, whose
// online instances it serves from then on (OpsWorks: AttachElasticLoadBalancer).
func (e *Engine) AttachElasticLoadBalancer(ctx context.Context, name string, layerID models.LayerID) error {
	layer, stack, err := e.layerFor(ctx, layerID, "AttachElasticLoadBalancer")
	if err != nil {
		return err
	}
	b := models.ElasticLoadBalancer{
		LayerID: layer.ID, StackID: stack.ID, Region: stack.Region, Name: name, VpcID: stack.VpcID, CreatedAt: e.Clock(),
	}
	b.Normalize()
	if err := b.Validate(); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.ElasticLoadBalancers.Create(ctx, &b); err != nil {
			return err
		}
		if err := t.audit(ctx, "AttachElasticLoadBalancer", onBalancer(&b), nil, &b, models.Cause{}); err != nil {
			return err
		}
		return t.configureFor(ctx, stack.ID, fmt.Sprintf("load balancer %s was attached to layer %s", b.Name, layer.Name))
	})
}

// DetachElasticLoadBalancer takes a load balancer from its layer (OpsWorks:
// DetachElasticLoadBalancer).
func (e *Engine) DetachElasticLoadBalancer(ctx context.Context, name string, layerID models.LayerID) error {
	return e.onBalancer(ctx, name, layerID, "DetachElasticLoadBalancer", func(t *tx, layer *models.Layer, b *models.ElasticLoadBalancer) (any, error) {
		if err := t.ElasticLoadBalancers.Delete(ctx, layer.ID); err != nil {
			return nil, err
		}
		return nil, t.configureFor(ctx, b.StackID, fmt.Sprintf("load balancer %s was detached from layer %s", b.Name, layer.Name))
	})
}

// UpdateElasticLoadBalancer lets change alter what only a cloud could tell of
// the balancer; ours, not OpsWorks'.
func (e *Engine) UpdateElasticLoadBalancer(ctx context.Context, name string, layerID models.LayerID, change func(*models.ElasticLoadBalancer) error) error {
	return e.onBalancer(ctx, name, layerID, "UpdateElasticLoadBalancer", func(t *tx, _ *models.Layer, b *models.ElasticLoadBalancer) (any, error) {
		before := *b
		if err := change(b); err != nil {
			return nil, err
		}
		b.LayerID, b.StackID, b.Region, b.Name, b.CreatedAt = before.LayerID, before.StackID, before.Region, before.Name, before.CreatedAt
		b.Normalize()
		if err := b.Validate(); err != nil {
			return nil, err
		}
		if err := t.ElasticLoadBalancers.Save(ctx, b); err != nil {
			return nil, err
		}
		return b, t.changed(ctx, b.StackID, "")
	})
}

func (e *Engine) onBalancer(ctx context.Context, name string, layerID models.LayerID, action string, do func(*tx, *models.Layer, *models.ElasticLoadBalancer) (any, error)) error {
	layer, _, err := e.layerFor(ctx, layerID, models.Action(action))
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		b, err := t.ElasticLoadBalancers.OfLayerForUpdate(ctx, layer.ID)
		if err != nil && models.CodeOf(err) != models.CodeNotFound {
			return err
		}
		if err != nil || b.Name != name {
			return models.NotFound("load balancer", name)
		}
		before := *b
		after, err := do(t, layer, b)
		if err != nil {
			return err
		}
		return t.audit(ctx, action, onBalancer(&before), &before, after, models.Cause{})
	})
}
