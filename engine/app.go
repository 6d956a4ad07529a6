package engine

import (
	"context"
	"maps"

	"opsyard/models"
)

// CreateApp describes an app; nothing is deployed yet (OpsWorks: CreateApp).
func (e *Engine) CreateApp(ctx context.Context, a models.App) (*models.App, error) {
	stack, err := e.Authorize(ctx, a.StackID, "CreateApp")
	if err != nil {
		return nil, err
	}
	a.ID = models.NewID[models.AppID]()
	if err := a.KeepSecrets(models.App{}); err != nil { // of a new app nothing is stored
		return nil, err
	}
	a.Normalize()
	if err := a.Validate(); err != nil {
		return nil, err
	}
	a.CreatedAt, a.UpdatedAt = e.Clock(), e.Clock()
	err = e.tx(ctx, func(t *tx) error {
		if err := t.checkAppIn(ctx, stack, &a); err != nil {
			return err
		}
		if err := t.roomFor(ctx, stack, "app"); err != nil {
			return err
		}
		if err := t.Apps.Create(ctx, &a); err != nil {
			return err
		}
		if err := t.dataSourceChanged(ctx, &a, nil); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, a.StackID); err != nil {
			return err
		}
		t.tellStack(a.StackID)
		return t.audit(ctx, "CreateApp", onApp(&a), nil, &a, models.Cause{})
	})
	return &a, err
}

// UpdateApp lets change alter an app; instances see it when it is deployed
// (OpsWorks: UpdateApp; the deploy level is enough).
func (e *Engine) UpdateApp(ctx context.Context, id models.AppID, change func(*models.App) error) (*models.App, error) {
	current, err := e.store.Apps.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	stack, err := e.Authorize(ctx, current.StackID, "UpdateApp")
	if err != nil {
		return nil, hide(err, "app", id)
	}
	var updated *models.App
	err = e.tx(ctx, func(t *tx) error {
		// The stack's lock: of two changes the second sees the first.
		if _, err := t.Stacks.GetForUpdate(ctx, current.StackID); err != nil {
			return err
		}
		before, err := t.Apps.Get(ctx, id)
		if err != nil {
			return err
		}
		a := *before
		a.Attributes = maps.Clone(before.Attributes)
		a.Environment = append([]models.EnvironmentVariable(nil), before.Environment...)
		if err := change(&a); err != nil {
			return err
		}
		a.ID, a.StackID, a.Shortname, a.CreatedAt = before.ID, before.StackID, before.Shortname, before.CreatedAt
		if err := a.KeepSecrets(*before); err != nil {
			return err
		}
		a.UpdatedAt = e.Clock()
		a.Normalize()
		if err := a.Validate(); err != nil {
			return err
		}
		if err := t.checkAppIn(ctx, stack, &a); err != nil {
			return err
		}
		if err := t.Apps.Save(ctx, &a); err != nil {
			return err
		}
		if err := t.dataSourceChanged(ctx, &a, before.DataSources); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, a.StackID); err != nil {
			return err
		}
		t.tellStack(a.StackID)
		updated = &a
		return t.audit(ctx, "UpdateApp", onApp(&a), before, &a, models.Cause{})
	})
	return updated, err
}

// checkAppIn refuses what does not go with the app's stack: types other than
// other where there are no built-in layers (OpsWorks: "Chef 12"), Subversion
// there, and databases that are not registered with the stack.
func (t *tx) checkAppIn(ctx context.Context, stack *models.Stack, a *models.App) error {
	if manager := stack.ConfigurationManager; manager.IsChef12() {
		if a.Type != models.AppOther {
			return models.InvalidField("Type", "Type: must be other on %s stacks, whose apps are deployed by recipes of your own.", manager)
		}
		if a.AppSource.Type == models.SourceSvn {
			return models.InvalidField("AppSource", "App source: Subversion is not supported on %s stacks.", manager)
		}
	}
	for _, d := range a.DataSources {
		if d.Type != models.DataSourceRds {
			continue
		}
		if _, err := t.RdsDbInstances.OfStack(ctx, stack.ID, d.Arn); err != nil {
			return err
		}
	}
	return nil
}

// DeleteApp removes the app from the online instances by an Undeploy event and
// then from the stack (OpsWorks: DeleteApp).
func (e *Engine) DeleteApp(ctx context.Context, id models.AppID) error {
	current, err := e.store.Apps.Get(ctx, id)
	if err != nil {
		return err
	}
	stack, err := e.Authorize(ctx, current.StackID, "DeleteApp")
	if err != nil {
		return hide(err, "app", id)
	}
	return e.tx(ctx, func(t *tx) error {
		a, err := t.Apps.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := t.stopRolling(ctx, a); err != nil {
			return err
		}
		online, err := t.Instances.Members(ctx, a.StackID, models.InstanceOnline)
		if err != nil {
			return err
		}
		if len(online) > 0 {
			cause := byWhom(ctx, "app "+a.Name+" was deleted")
			cause.Kind = models.CauseAppDeleted
			undeploy := models.Deployment{AppID: a.ID, Command: models.DeploymentCommand{
				// The app's record goes now; its short name is all that undeploying needs.
				Name: models.CommandUndeploy, Args: map[string][]string{"app": {a.Shortname}},
			}, Cause: cause}
			if err := t.createDeployment(ctx, stack, &undeploy, online); err != nil {
				return err
			}
		}
		if err := t.Apps.Delete(ctx, id); err != nil {
			return err
		}
		if _, err := t.Stacks.BumpVersion(ctx, a.StackID); err != nil {
			return err
		}
		t.tellStack(a.StackID)
		return t.audit(ctx, "DeleteApp", onApp(a), a, nil, models.Cause{})
	})
}
