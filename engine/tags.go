package engine

import (
	"context"
	"maps"
	"strings"

	"opsyard/models"
)

// tagged is a stack or one of its layers, which tags can be put on.
type tagged struct {
	stack *models.Stack
	layer *models.Layer // nil: the stack itself
}

// taggedByARN finds what an ARN names, for somebody who wants to act on it. A
// stack's ARN is understood with and without the slash at its end.
func (e *Engine) taggedByARN(ctx context.Context, arn string, action models.Action) (tagged, error) {
	parts := strings.SplitN(strings.TrimSuffix(arn, "/"), ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "opsworks" {
		return tagged{}, models.InvalidField("ResourceArn", "Resource arn: %q is not the ARN of a stack or layer.", arn)
	}
	kind, id, _ := strings.Cut(parts[5], "/")
	found := tagged{}
	var err error
	switch kind {
	case "stack":
		found.stack, err = e.Authorize(ctx, models.StackID(id), action)
	case "layer":
		found.layer, found.stack, err = e.layerFor(ctx, models.LayerID(id), action)
	default:
		return tagged{}, models.InvalidField("ResourceArn", "Resource arn: only stacks and layers have tags.")
	}
	if err != nil {
		return tagged{}, err
	}
	if strings.TrimSuffix(found.arn(), "/") != strings.TrimSuffix(arn, "/") {
		return tagged{}, models.NotFound(kind, arn) // of another region or account
	}
	return found, nil
}

func (g tagged) arn() string {
	if g.layer != nil {
		return g.layer.Arn
	}
	return g.stack.Arn
}

// all are the tags with what a layer inherits from its stack.
func (g tagged) all() map[string]string {
	if g.layer != nil {
		return g.layer.WithInherited(g.stack)
	}
	return maps.Clone(g.stack.Tags)
}

// Tags reads the tags of a stack or layer; a layer has those of its stack too
// (OpsWorks: ListTags).
func (e *Engine) Tags(ctx context.Context, arn string) (map[string]string, error) {
	found, err := e.taggedByARN(ctx, arn, "ListTags")
	if err != nil {
		return nil, err
	}
	tags := found.all()
	if tags == nil {
		tags = map[string]string{}
	}
	return tags, nil
}

// TagResource adds tags to a stack or layer and changes the values of those
// that are there (OpsWorks: TagResource).
func (e *Engine) TagResource(ctx context.Context, arn string, tags map[string]string) error {
	given, err := models.NormalizeTags(tags)
	if err != nil {
		return err
	}
	return e.changeTags(ctx, "TagResource", arn, func(_ tagged, own map[string]string) error {
		maps.Copy(own, given)
		return nil
	})
}

// UntagResource removes tags; keys that are not there do no harm. A layer can
// only lose tags of its own (OpsWorks: UntagResource).
func (e *Engine) UntagResource(ctx context.Context, arn string, keys []string) error {
	return e.changeTags(ctx, "UntagResource", arn, func(of tagged, own map[string]string) error {
		for _, key := range keys {
			key = strings.TrimSpace(key)
			_, has := own[key]
			if _, inherited := of.stack.Tags[key]; inherited && !has {
				return models.InvalidField("TagKeys", "Tag keys: layer %s has %q from its stack; remove it there.", of.layer.Name, key)
			}
			delete(own, key)
		}
		return nil
	})
}

// changeTags lets change alter the resource's own tags, under the stack's lock.
func (e *Engine) changeTags(ctx context.Context, action, arn string, change func(tagged, map[string]string) error) error {
	found, err := e.taggedByARN(ctx, arn, models.Action(action))
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.rereadTagged(ctx, &found); err != nil {
			return err
		}
		on, tags := onStack(found.stack), &found.stack.Tags
		if found.layer != nil {
			on, tags = onLayer(found.layer), &found.layer.Tags
		}
		before, own := *tags, map[string]string{}
		maps.Copy(own, before)
		if err := change(found, own); err != nil {
			return err
		}
		*tags = own
		if err := t.checkTagCount(ctx, found); err != nil {
			return err
		}
		if err := t.saveTagged(ctx, found); err != nil {
			return err
		}
		t.tellStack(found.stack.ID)
		return t.audit(ctx, action, on, map[string]any{"Tags": before}, map[string]any{"Tags": own}, models.Cause{})
	})
}

func (t *tx) rereadTagged(ctx context.Context, g *tagged) (err error) {
	if g.stack, err = t.Stacks.GetForUpdate(ctx, g.stack.ID); err != nil || g.layer == nil {
		return err
	}
	g.layer, err = t.Layers.Get(ctx, g.layer.ID)
	return err
}

func (t *tx) saveTagged(ctx context.Context, g tagged) error {
	if g.layer != nil {
		return t.Layers.Save(ctx, g.layer)
	}
	return t.Stacks.Save(ctx, g.stack)
}

// checkTagCount counts what a change to the stack means for its layers too.
func (t *tx) checkTagCount(ctx context.Context, g tagged) error {
	if n := len(g.all()); n > models.MaxTags {
		return models.InvalidField("Tags", "Tags: there would be %d, and %d are the most.", n, models.MaxTags)
	}
	if g.layer != nil {
		return nil
	}
	layers, err := t.Layers.InStack(ctx, g.stack.ID)
	if err != nil {
		return err
	}
	for n := range layers {
		if all := len(layers[n].WithInherited(g.stack)); all > models.MaxTags {
			return models.InvalidField("Tags", "Tags: layer %s would have %d with those it inherits, and %d are the most.", layers[n].Name, all, models.MaxTags)
		}
	}
	return nil
}
