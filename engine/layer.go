package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"

	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// CreateLayer adds a layer to a stack (OpsWorks: CreateLayer).
func (e *Engine) CreateLayer(ctx context.Context, l models.Layer) (*models.Layer, error) {
	_, err := e.Authorize(ctx, l.StackID, "CreateLayer")
	if err != nil {
		return nil, err
	}
	l.ID, l.Secret = models.NewID[models.LayerID](), rand.Text()
	if l.Attributes, err = withDefaults(l.Type, l.Attributes); err != nil {
		return nil, err
	}
	l.Normalize()
	if err := l.Validate(); err != nil {
		return nil, err
	}
	err = e.tx(ctx, func(t *tx) error {
		stack, err := t.Stacks.GetForUpdate(ctx, l.StackID)
		if err != nil {
			return err
		}
		e.dressLayer(stack, &l)
		if err := t.checkLayer(ctx, stack, &l, nil); err != nil {
			return err
		}
		if err := t.placeLayer(ctx, stack, &l); err != nil {
			return err
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

// dressLayer gives a layer what follows from its stack: its ARN, and the
// built-in security group.
func (e *Engine) dressLayer(s *models.Stack, l *models.Layer) {
	if l.Arn != layerARN(s, l.ID) {
		l.Arn, l.CreatedAt = layerARN(s, l.ID), e.Clock()
	}
	l.UpdatedAt = e.Clock()
	l.DefaultSecurityGroupNames = nil
	if s.UseOpsworksSecurityGroups {
		l.DefaultSecurityGroupNames = []string{l.Type.SecurityGroup()}
	}
}

// checkLayer refuses a layer that its stack cannot have. The cluster of an
// ecs-cluster layer is looked for when it is named: it may be deregistered
// before the layer is deleted (OpsWorks: "ECS Cluster Layers").
func (t *tx) checkLayer(ctx context.Context, s *models.Stack, l *models.Layer, before map[string]string) error {
	if err := l.CheckStack(s); err != nil {
		return err
	}
	const key = models.AttributeECSCluster
	if l.Type != models.LayerECSCluster || before != nil && before[key] == l.Attributes[key] {
		return nil
	}
	arn := l.Attributes[key]
	if arn == "" {
		return models.InvalidField(key, "Attributes: an ecs-cluster layer needs %s.", key)
	}
	cluster, err := t.EcsClusters.Get(ctx, arn)
	if err != nil {
		return err
	}
	if cluster.StackID != s.ID {
		return store.NoEcsCluster(arn)
	}
	return nil
}

// checkEngine refuses another engine once instances may run the old one.
func (t *tx) checkEngine(ctx context.Context, before, l *models.Layer) error {
	if l.RunsOn() == before.RunsOn() {
		return nil
	}
	n, err := t.Layers.InstanceCount(ctx, l.ID)
	if err == nil && n > 0 {
		return models.InvalidField("Engine", "Engine: is fixed while the layer has instances, and it has %d.", n)
	}
	return err
}

// placeLayer puts a new layer behind the others. There is at most one of each
// built-in type.
func (t *tx) placeLayer(ctx context.Context, s *models.Stack, l *models.Layer) error {
	if err := t.roomFor(ctx, s, "layer"); err != nil {
		return err
	}
	others, err := t.Layers.InStack(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, other := range others {
		l.Position = max(l.Position, other.Position+1)
		if l.Type != models.LayerCustom && other.Type == l.Type {
			return models.InvalidField("Type", "Type: stack %s already has a %s layer.", s.Name, l.Type)
		}
	}
	return nil
}

// withDefaults fills the attributes that a new layer leaves out; passwords are
// made up.
func withDefaults(kind models.LayerType, given map[string]string) (map[string]string, error) {
	all := map[string]string{}
	for _, a := range kind.Attributes() {
		all[a.Key] = a.Default
		if a.Secret {
			all[a.Key] = rand.Text()
		}
	}
	for key, value := range given {
		if value == models.Filtered {
			return nil, models.InvalidField(key, "%s: there is no stored value to keep; give it.", key)
		}
		if value != "" {
			all[key] = value
		}
	}
	return all, nil
}

// layerFor loads a layer for somebody who wants to act on it.
func (e *Engine) layerFor(ctx context.Context, id models.LayerID, action models.Action) (*models.Layer, *models.Stack, error) {
	l, err := e.store.Layers.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.Authorize(ctx, l.StackID, action)
	if err != nil {
		return nil, nil, hide(err, "layer", id)
	}
	return l, s, nil
}

// UpdateLayer lets change alter a layer; instances see it at their next event
// (OpsWorks: UpdateLayer).
func (e *Engine) UpdateLayer(ctx context.Context, id models.LayerID, change func(*models.Layer) error) (*models.Layer, error) {
	current, _, err := e.layerFor(ctx, id, "UpdateLayer")
	if err != nil {
		return nil, err
	}
	var updated *models.Layer
	err = e.tx(ctx, func(t *tx) error {
		stack, err := t.Stacks.GetForUpdate(ctx, current.StackID)
		if err != nil {
			return err
		}
		before, err := t.Layers.Get(ctx, id)
		if err != nil {
			return err
		}
		l := *before
		l.Attributes = map[string]string{}
		maps.Copy(l.Attributes, before.Attributes)
		if err := change(&l); err != nil {
			return err
		}
		l.ID, l.StackID, l.Type, l.Arn, l.CreatedAt = before.ID, before.StackID, before.Type, before.Arn, before.CreatedAt
		for key, value := range l.Attributes {
			if value == models.Filtered {
				l.Attributes[key] = before.Attributes[key]
			}
		}
		l.Tags, l.Secret = before.Tags, cmp.Or(before.Secret, before.Attributes["MysqlRootPassword"], rand.Text())
		l.Normalize()
		if err := l.Validate(); err != nil {
			return err
		}
		e.dressLayer(stack, &l)
		if err := t.checkLayer(ctx, stack, &l, before.Attributes); err != nil {
			return err
		}
		if err := t.checkEngine(ctx, before, &l); err != nil {
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
	current, _, err := e.layerFor(ctx, id, "DeleteLayer")
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if _, err := t.Stacks.GetForUpdate(ctx, current.StackID); err != nil {
			return err
		}
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

// RunLists are DefaultRecipes for whoever may see the layer.
func (e *Engine) RunLists(ctx context.Context, l *models.Layer) (models.Recipes, error) {
	stack, err := e.Authorize(ctx, l.StackID, "DescribeLayers")
	if err != nil {
		return models.Recipes{}, err
	}
	return e.DefaultRecipes(stack, l)
}

// DefaultRecipes are the built-in recipes of a stack's layer per event, the
// common ones included, as its instances run them before the custom ones. Chef
// 12 stacks show none: what the service runs there is no business of theirs
// (OpsWorks: DefaultRecipes).
func (e *Engine) DefaultRecipes(stack *models.Stack, l *models.Layer) (models.Recipes, error) {
	var lists models.Recipes
	if stack.ConfigurationManager.IsChef12() {
		return lists, nil
	}
	common, err := e.runsCommon(stack)
	if err != nil {
		return models.Recipes{}, err
	}
	own := lifecycle.BuiltInOf(*l)
	for _, event := range models.Events {
		var names []string
		if common {
			names = append(names, lifecycle.Common.For(event)...)
		}
		lists.Set(event, append(names, own.For(event)...))
	}
	return lists, nil
}

// LayerTypes lists the types that CreateLayer accepts, in the order the console
// offers them. HasRecipes tells which bring recipes along.
func (e *Engine) LayerTypes() []models.LayerType { return slices.Clone(models.LayerTypes) }

// HasRecipes tells whether layers of the type have built-in recipes here; one
// without runs the custom ones alone.
func (e *Engine) HasRecipes(t models.LayerType) bool {
	_, ok := lifecycle.BuiltIn(t)
	return ok && t != models.LayerCustom
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
