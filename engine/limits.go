package engine

import (
	"context"

	"opsyard/models"
)

// Limits bound what an installation can hold; zero means no limit. OpsWorks
// allowed 40 of each unless one asked for more.
type Limits struct {
	Stacks int
	// Of each stack.
	Layers, Instances, Apps int
}

// roomForStack refuses a stack too many.
func (t *tx) roomForStack(ctx context.Context) error {
	most := t.e.limits.Stacks
	if most == 0 {
		return nil
	}
	all, err := t.Stacks.List(ctx)
	if err != nil {
		return err
	}
	if len(all) >= most {
		return models.Invalid("There are %s already, the most that this server allows.", count(len(all), "stack"))
	}
	return nil
}

// roomFor refuses a layer, an instance or an app too many in a stack.
func (t *tx) roomFor(ctx context.Context, s *models.Stack, noun string) error {
	limits := t.e.limits
	most := map[string]int{"layer": limits.Layers, "instance": limits.Instances, "app": limits.Apps}[noun]
	if most == 0 {
		return nil
	}
	sums, err := t.Stacks.Summaries(ctx, []models.StackID{s.ID})
	if err != nil {
		return err
	}
	sum := sums[s.ID]
	have := map[string]int{"layer": sum.Layers, "instance": sum.Instances, "app": sum.Apps}[noun]
	if have >= most {
		return models.Invalid("Stack %s has %s already, the most that this server allows.", s.Name, count(have, noun))
	}
	return nil
}
