package engine

import (
	"context"
	"crypto/rand"
	"fmt"

	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// CreateLayer adds a layer to a stack (OpsWorks: CreateLayer).
func (e *Engine) CreateLayer(ctx context.Context, l models.Layer) (*models.Layer, error) {
	stack, err := e.Authorize(ctx, l.StackID, models.ActionManage)
	if err != nil {
		return nil, err
	}
	l.ID = models.NewID[models.LayerID]()
	l.Normalize()
	if err := l.Validate(); err != nil {
		return nil, err
	}
	if _, ok := lifecycle.BuiltIn(l.Type); !ok {
		return nil, models.InvalidField("Type", "Type: this server has no built-in recipes for %s layers yet; a custom layer with your own recipes can do their work.", l.Type)
	}
	l.Arn = fmt.Sprintf("arn:aws:opsworks:%s:000000000000:layer/%s", stack.Region, l.ID)
	l.Attributes = withDefaults(l.Type, l.Attributes)
	l.CreatedAt, l.UpdatedAt = e.Clock(), e.Clock()
	err = e.tx(ctx, func(t *tx) error {
		others, err := t.Layers.InStack(ctx, l.StackID)
		if err != nil {
			return err
		}
		for _, other := range others {
			l.Position = max(l.Position, other.Position+1)
			if l.Type != models.LayerCustom && other.Type == l.Type {
				return models.InvalidField("Type", "Type: stack %s already has a %s layer.", stack.Name, l.Type)
			}
		}
		if err := t.Layers.Create(ctx, &l); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, l.StackID); err != nil {
			return err
		}
		t.tellStack(l.StackID)
		return t.audit(ctx, "CreateLayer", onLayer(&l), nil, &l, models.Cause{})
	})
	return &l, err
}

// layerDefaults are the attributes of built-in layers (OpsWorks: "Layer
// Attributes").
var layerDefaults = map[models.LayerType]map[string]string{
	models.LayerLB: {
		"EnableHaproxyStats": "true", "HaproxyStatsUrl": "/haproxy?stats", "HaproxyStatsUser": "opsworks",
		"HaproxyHealthCheckUrl": "/", "HaproxyHealthCheckMethod": "OPTIONS",
	},
}

func withDefaults(kind models.LayerType, given map[string]string) map[string]string {
	all := map[string]string{}
	for key, value := range layerDefaults[kind] {
		all[key] = value
	}
	if kind == models.LayerLB {
		all["HaproxyStatsPassword"] = rand.Text()
	}
	for key, value := range given {
		if value != models.Filtered {
			all[key] = value
		}
	}
	return all
}

// UpdateLayer lets change alter a layer; instances see it at their next event
// (OpsWorks: UpdateLayer).
func (e *Engine) UpdateLayer(ctx context.Context, id models.LayerID, change func(*models.Layer) error) (*models.Layer, error) {
	current, err := e.store.Layers.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := e.Authorize(ctx, current.StackID, models.ActionManage); err != nil {
		return nil, err
	}
	var updated *models.Layer
	err = e.tx(ctx, func(t *tx) error {
		before, err := t.Layers.Get(ctx, id)
		if err != nil {
			return err
		}
		l := *before
		l.Attributes = map[string]string{}
		for key, value := range before.Attributes {
			l.Attributes[key] = value
		}
		if err := change(&l); err != nil {
			return err
		}
		l.ID, l.StackID, l.Type, l.Arn, l.CreatedAt = before.ID, before.StackID, before.Type, before.Arn, before.CreatedAt
		for key, value := range l.Attributes {
			if value == models.Filtered {
				l.Attributes[key] = before.Attributes[key]
			}
		}
		l.UpdatedAt = e.Clock()
		l.Normalize()
		if err := l.Validate(); err != nil {
			return err
		}
		if err := t.Layers.Save(ctx, &l); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, l.StackID); err != nil {
			return err
		}
		t.tellStack(l.StackID)
		updated = &l
		return t.audit(ctx, "UpdateLayer", onLayer(&l), before, &l, models.Cause{})
	})
	return updated, err
}

// DeleteLayer removes a layer without members (OpsWorks: DeleteLayer).
func (e *Engine) DeleteLayer(ctx context.Context, id models.LayerID) error {
	current, err := e.store.Layers.Get(ctx, id)
	if err != nil {
		return err
	}
	if _, err := e.Authorize(ctx, current.StackID, models.ActionManage); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		l, err := t.Layers.Get(ctx, id)
		if err != nil {
			return err
		}
		members, err := t.Instances.InLayer(ctx, id)
		if err != nil {
			return err
		}
		if len(members) > 0 {
			return models.Invalid("Layer %s still has %s: delete them or take them out first.", l.Name, count(len(members), "instance"))
		}
		if err := t.Layers.Delete(ctx, id); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, l.StackID); err != nil {
			return err
		}
		t.tellStack(l.StackID)
		return t.audit(ctx, "DeleteLayer", onLayer(l), l, nil, models.Cause{})
	})
}

// RunLists are a layer's built-in recipes per event, the common ones included,
// as its instances run them before the custom ones.
func (e *Engine) RunLists(ctx context.Context, l *models.Layer) (models.Recipes, error) {
	stack, err := e.Authorize(ctx, l.StackID, models.ActionShow)
	if err != nil {
		return models.Recipes{}, err
	}
	common, err := e.runsCommon(stack)
	if err != nil {
		return models.Recipes{}, err
	}
	var lists models.Recipes
	for _, event := range models.Events {
		own, _ := lifecycle.BuiltIn(l.Type)
		var names []string
		if common {
			names = append(names, lifecycle.Common.For(event)...)
		}
		lists.Set(event, append(names, own.For(event)...))
	}
	return lists, nil
}

// LayerTypes lists the types that CreateLayer accepts here.
func (e *Engine) LayerTypes() []models.LayerType {
	var types []models.LayerType
	for _, t := range models.LayerTypes {
		if _, ok := lifecycle.BuiltIn(t); ok {
			types = append(types, t)
		}
	}
	return types
}

// runsCommon tells whether the stack's machines are whole machines, on which
// the common recipes make sense.
func (e *Engine) runsCommon(stack *models.Stack) (bool, error) {
	p, err := e.provider(stack)
	if err != nil {
		return false, err
	}
	caps := p.Caps()
	return caps.OwnDisk || caps.Simulated, nil
}
