package engine

import (
	"context"
	"fmt"
	"maps"

	"opsyard/models"
)

// CreateStack makes an empty stack (OpsWorks: CreateStack). Only
// administrators may; the stack's provider must exist.
func (e *Engine) CreateStack(ctx context.Context, s models.Stack) (*models.Stack, error) {
	if err := e.administer(ctx, "CreateStack", target{kind: "stack", name: s.Name}); err != nil {
		return nil, err
	}
	if err := e.prepareStack(&s); err != nil {
		return nil, err
	}
	if err := s.CheckChange(&models.Stack{}); err != nil {
		return nil, err
	}
	err := e.tx(ctx, func(t *tx) error {
		if err := t.createStack(ctx, &s); err != nil {
			return err
		}
		return t.audit(ctx, "CreateStack", onStack(&s), nil, &s, models.Cause{})
	})
	return &s, err
}

// prepareStack makes a new stack of what was asked for: its id, what it leaves
// out, who makes its machines.
func (e *Engine) prepareStack(s *models.Stack) error {
	s.ID = models.NewID[models.StackID]()
	if s.Provider == "" {
		s.Provider = e.providerOf(s.Region)
	}
	s.Normalize()
	s.Arn = stackARN(s.Region, s.ID)
	s.CreatedAt, s.UpdatedAt = e.Clock(), e.Clock()
	return e.checkStack(s)
}

// providerOf is who makes the machines of a region: its name may be a
// provider's.
func (e *Engine) providerOf(region string) string {
	if _, ok := e.providers[region]; ok {
		return region
	}
	return e.defaultBy
}

// checkStack refuses a stack that cannot be, here.
func (e *Engine) checkStack(s *models.Stack) error {
	if s.CustomCookbooksSource.Password == models.Filtered || s.CustomCookbooksSource.SSHKey == models.Filtered {
		return models.InvalidField("CustomCookbooksSource", "Custom cookbooks source: there is no stored secret to keep; give it.")
	}
	p, err := e.provider(s)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if models.OSFamily(s.DefaultOs) == models.FamilyWindows && !p.Caps().Simulated {
		return models.InvalidField("DefaultOs", "Default os: the provider %s makes no Windows machines.", s.Provider)
	}
	return e.checkAgentVersion(s)
}

// createStack stores a prepared stack.
func (t *tx) createStack(ctx context.Context, s *models.Stack) error {
	if err := t.roomForStack(ctx); err != nil {
		return err
	}
	if err := t.Stacks.Create(ctx, s); err != nil {
		return err
	}
	t.tellStack(s.ID)
	return t.event(ctx, models.StackEvent{StackID: s.ID, Kind: "change", Text: "stack created", Cause: byWhom(ctx, "")})
}

// UpdateStack lets change alter the stack's settings. What OpsWorks fixes at
// creation (region, VPC, service role, provider) stays; to name another service
// role is refused, to name the same one is not (OpsWorks: UpdateStack).
func (e *Engine) UpdateStack(ctx context.Context, id models.StackID, change func(*models.Stack) error) (*models.Stack, error) {
	if _, err := e.Authorize(ctx, id, "UpdateStack"); err != nil {
		return nil, err
	}
	var updated *models.Stack
	err := e.tx(ctx, func(t *tx) error {
		before, err := t.Stacks.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		s := *before
		s.Attributes = maps.Clone(before.Attributes)
		if err := change(&s); err != nil {
			return err
		}
		s.ID, s.Arn, s.Region, s.VpcID, s.Provider, s.CreatedAt = before.ID, before.Arn, before.Region, before.VpcID, before.Provider, before.CreatedAt
		s.Tags = before.Tags
		if s.CustomCookbooksSource, err = s.CustomCookbooksSource.KeepSecrets(before.CustomCookbooksSource); err != nil {
			return err
		}
		s.UpdatedAt = e.Clock()
		s.Normalize()
		if err := e.checkStack(&s); err != nil {
			return err
		}
		if err := t.checkStackChange(ctx, before, &s); err != nil {
			return err
		}
		if err := t.Stacks.Save(ctx, &s); err != nil {
			return err
		}
		if s.Version, err = t.Stacks.BumpVersion(ctx, id); err != nil {
			return err
		}
		t.tellStack(id)
		updated = &s
		return t.audit(ctx, "UpdateStack", onStack(&s), before, &s, models.Cause{})
	})
	return updated, err
}

// checkStackChange refuses what the stack's layers and apps do not allow, and
// gives the layers the security groups that follow from the change.
func (t *tx) checkStackChange(ctx context.Context, before, s *models.Stack) error {
	if before.ServiceRoleArn != "" && s.ServiceRoleArn != before.ServiceRoleArn {
		return models.InvalidField("ServiceRoleArn", "Service Role Arn: cannot be changed.")
	}
	if err := s.CheckChange(before); err != nil {
		return err
	}
	if before.ConfigurationManager != s.ConfigurationManager && before.ConfigurationManager.IsChef() {
		if err := t.noEnvironment(ctx, s); err != nil {
			return err
		}
	}
	regroup := before.UseOpsworksSecurityGroups != s.UseOpsworksSecurityGroups
	if before.ConfigurationManager == s.ConfigurationManager && !regroup {
		return nil
	}
	layers, err := t.Layers.InStack(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, l := range layers {
		if regroup && !s.UseOpsworksSecurityGroups && len(l.CustomSecurityGroupIDs) == 0 {
			return models.InvalidField("UseOpsworksSecurityGroups", "Use opsworks security groups: layer %s has no security group of its own yet.", l.Name)
		}
		if err := l.CheckStack(s); err != nil {
			return err
		}
		if !regroup {
			continue
		}
		t.e.dressLayer(s, &l)
		if err := t.Layers.Save(ctx, &l); err != nil {
			return err
		}
	}
	return nil
}

// noEnvironment refuses to change the Chef version of a stack whose apps have
// environment variables (OpsWorks: "Chef Versions").
func (t *tx) noEnvironment(ctx context.Context, s *models.Stack) error {
	apps, err := t.Apps.InStack(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, a := range apps {
		if len(a.Environment) > 0 {
			return models.InvalidField("ConfigurationManager", "Configuration manager: cannot be changed while app %s has environment variables.", a.Name)
		}
	}
	return nil
}

// DeleteStack removes a stack in which nothing is left (OpsWorks: DeleteStack).
func (e *Engine) DeleteStack(ctx context.Context, id models.StackID) error {
	if _, err := e.Authorize(ctx, id, "DeleteStack"); err != nil {
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
		return true, t.startBy(ctx, s, i, byWhom(ctx, "the stack was started"))
	})
}

// StopStack stops the stack's 24/7 instances that run (OpsWorks: StopStack).
// It tells how many.
func (e *Engine) StopStack(ctx context.Context, id models.StackID) (int, error) {
	return e.eachInstance(ctx, id, "StopStack", func(t *tx, _ *models.Stack, i *models.Instance) (bool, error) {
		if !i.Is247() || i.CanStop(false) != nil {
			return false, nil
		}
		return true, t.stopBy(ctx, i, false, byWhom(ctx, "the stack was stopped"))
	})
}

func (e *Engine) eachInstance(ctx context.Context, id models.StackID, action string, do func(*tx, *models.Stack, *models.Instance) (bool, error)) (int, error) {
	stack, err := e.Authorize(ctx, id, models.Action(action))
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
