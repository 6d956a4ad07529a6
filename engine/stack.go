package engine

import (
	"context"
	"fmt"

	"opsyard/models"
)

// CreateStack makes an empty stack (OpsWorks: CreateStack). Only
// administrators may; the stack's provider must exist.
func (e *Engine) CreateStack(ctx context.Context, s models.Stack) (*models.Stack, error) {
	if err := e.administer(ctx, models.ActionCreateStack, target{kind: "stack", name: s.Name}); err != nil {
		return nil, err
	}
	s.ID = models.NewID[models.StackID]()
	s.Normalize()
	if s.Provider == "" {
		s.Provider = e.defaultBy
	}
	s.Arn = fmt.Sprintf("arn:aws:opsworks:%s:000000000000:stack/%s/", s.Region, s.ID)
	if _, err := e.provider(&s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s.CreatedAt, s.UpdatedAt = e.Clock(), e.Clock()
	err := e.tx(ctx, func(t *tx) error {
		if err := t.Stacks.Create(ctx, &s); err != nil {
			return err
		}
		t.tellStack(s.ID)
		if err := t.event(ctx, models.StackEvent{StackID: s.ID, Kind: "change", Text: "stack created", Cause: byWhom(ctx, "")}); err != nil {
			return err
		}
		return t.audit(ctx, "CreateStack", onStack(&s), nil, &s, models.Cause{})
	})
	return &s, err
}

// UpdateStack lets change alter the stack's settings. What OpsWorks fixes at
// creation (region, VPC, provider) stays (OpsWorks: UpdateStack).
func (e *Engine) UpdateStack(ctx context.Context, id models.StackID, change func(*models.Stack) error) (*models.Stack, error) {
	if _, err := e.Authorize(ctx, id, models.ActionManage); err != nil {
		return nil, err
	}
	var updated *models.Stack
	err := e.tx(ctx, func(t *tx) error {
		before, err := t.Stacks.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		s := *before
		if err := change(&s); err != nil {
			return err
		}
		s.ID, s.Arn, s.Region, s.VpcID, s.Provider, s.CreatedAt = before.ID, before.Arn, before.Region, before.VpcID, before.Provider, before.CreatedAt
		if s.CustomCookbooksSource, err = s.CustomCookbooksSource.KeepSecrets(before.CustomCookbooksSource); err != nil {
			return err
		}
		s.Version = before.Version + 1
		s.UpdatedAt = e.Clock()
		s.Normalize()
		if err := s.Validate(); err != nil {
			return err
		}
		if err := t.Stacks.Save(ctx, &s); err != nil {
			return err
		}
		t.tellStack(id)
		updated = &s
		return t.audit(ctx, "UpdateStack", onStack(&s), before, &s, models.Cause{})
	})
	return updated, err
}

// DeleteStack removes a stack in which nothing is left (OpsWorks: DeleteStack).
func (e *Engine) DeleteStack(ctx context.Context, id models.StackID) error {
	if _, err := e.Authorize(ctx, id, models.ActionManage); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		s, err := t.Stacks.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		layers, err := t.Layers.InStack(ctx, id)
		if err != nil {
			return err
		}
		instances, err := t.Instances.InStack(ctx, id)
		if err != nil {
			return err
		}
		apps, err := t.Apps.InStack(ctx, id)
		if err != nil {
			return err
		}
		if len(layers)+len(instances)+len(apps) > 0 {
			return models.Invalid("Stack %s still has %s: delete them first.", s.Name, inventory(len(instances), len(layers), len(apps)))
		}
		if err := t.Stacks.Delete(ctx, id); err != nil {
			return err
		}
		t.tellStack(id)
		return t.audit(ctx, "DeleteStack", onStack(s), s, nil, models.Cause{})
	})
}

func inventory(instances, layers, apps int) string {
	text := ""
	for _, part := range []struct {
		n    int
		noun string
	}{{instances, "instance"}, {layers, "layer"}, {apps, "app"}} {
		if part.n == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += count(part.n, part.noun)
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// StartStack starts the stack's 24/7 instances that are stopped
// (OpsWorks: StartStack). It tells how many.
func (e *Engine) StartStack(ctx context.Context, id models.StackID) (int, error) {
	return e.eachInstance(ctx, id, "StartStack", func(t *tx, s *models.Stack, i *models.Instance) (bool, error) {
		if !i.Is247() || i.CanStart() != nil {
			return false, nil
		}
		return true, t.start(ctx, s, i, byWhom(ctx, "the stack was started"))
	})
}

// StopStack stops the stack's 24/7 instances that run (OpsWorks: StopStack).
// It tells how many.
func (e *Engine) StopStack(ctx context.Context, id models.StackID) (int, error) {
	return e.eachInstance(ctx, id, "StopStack", func(t *tx, _ *models.Stack, i *models.Instance) (bool, error) {
		if !i.Is247() || i.CanStop(false) != nil {
			return false, nil
		}
		return true, t.stop(ctx, i, false, byWhom(ctx, "the stack was stopped"))
	})
}

func (e *Engine) eachInstance(ctx context.Context, id models.StackID, action string, do func(*tx, *models.Stack, *models.Instance) (bool, error)) (int, error) {
	stack, err := e.Authorize(ctx, id, models.ActionManage)
	if err != nil {
		return 0, err
	}
	touched := 0
	err = e.tx(ctx, func(t *tx) error {
		touched = 0
		instances, err := t.Instances.InStack(ctx, id)
		if err != nil {
			return err
		}
		for n := range instances {
			did, err := do(t, stack, &instances[n])
			if err != nil {
				return err
			}
			if did {
				touched++
			}
		}
		return t.audit(ctx, action, onStack(stack), nil, map[string]int{"Instances": touched}, models.Cause{})
	})
	return touched, err
}
