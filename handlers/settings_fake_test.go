package handlers

import (
	"context"
	"maps"
	"strings"

	"opsyard/engine"
	"opsyard/models"
)

// Verbs of the settings of stacks and layers, over the real store.

func (f *fakeEngine) HasRecipes(t models.LayerType) bool {
	return t == models.LayerLB || t == models.LayerWeb
}

func (f *fakeEngine) OperatingSystems() []models.OperatingSystem { return models.OperatingSystems }

func (f *fakeEngine) AgentVersions(m models.ConfigurationManager) []models.AgentVersion {
	return []models.AgentVersion{{Version: "1.0.0", Manager: m}}
}

func (f *fakeEngine) Provisioning(context.Context, models.StackID) (string, map[string]string, error) {
	return "https://opsyard.example/agent/opsworks-agent-installer.tgz", map[string]string{"instance_service_endpoint": "opsyard.example", "charlie_public_key": ""}, nil
}

func (f *fakeEngine) CloneStack(ctx context.Context, r engine.CloneRequest) (*models.Stack, error) {
	s, err := f.store.Stacks.Get(ctx, r.SourceID)
	if err != nil {
		return nil, err
	}
	if err := r.Change(s); err != nil {
		return nil, err
	}
	return f.CreateStack(ctx, *s)
}

func (f *fakeEngine) tags(ctx context.Context, arn string, change func(map[string]string)) error {
	kind, id, _ := strings.Cut(arn, "/")
	if kind == "stack" {
		s, err := f.store.Stacks.Get(ctx, models.StackID(id))
		if err != nil {
			return err
		}
		s.Tags = cloned(s.Tags)
		change(s.Tags)
		return f.store.Stacks.Save(ctx, s)
	}
	l, err := f.store.Layers.Get(ctx, models.LayerID(id))
	if err != nil {
		return err
	}
	l.Tags = cloned(l.Tags)
	change(l.Tags)
	return f.store.Layers.Save(ctx, l)
}

func cloned(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

func (f *fakeEngine) TagResource(ctx context.Context, arn string, tags map[string]string) error {
	given, err := models.NormalizeTags(tags)
	if err != nil {
		return err
	}
	return f.tags(ctx, arn, func(own map[string]string) { maps.Copy(own, given) })
}

func (f *fakeEngine) UntagResource(ctx context.Context, arn string, keys []string) error {
	return f.tags(ctx, arn, func(own map[string]string) {
		for _, key := range keys {
			delete(own, key)
		}
	})
}

func (f *fakeEngine) SetLoadBasedAutoScaling(ctx context.Context, id models.LayerID, change func(*models.LoadBasedAutoScaling) error) error {
	l, err := f.store.Layers.Get(ctx, id)
	if err != nil {
		return err
	}
	c := models.NewLoadBasedAutoScaling(l)
	if have, err := f.store.LoadBasedAutoScaling.Get(ctx, id); err == nil {
		c = *have
	}
	if err := change(&c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	return f.store.LoadBasedAutoScaling.Save(ctx, &c)
}
