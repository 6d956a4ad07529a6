package engine

import (
	"context"

	"opsyard/models"
)

// CreateApp describes an app; nothing is deployed yet (OpsWorks: CreateApp).
func (e *Engine) CreateApp(ctx context.Context, a models.App) (*models.App, error) {
	if _, err := e.Authorize(ctx, a.StackID, models.ActionManage); err != nil {
		return nil, err
	}
	a.ID = models.NewID[models.AppID]()
	a.Normalize()
	if err := a.Validate(); err != nil {
		return nil, err
	}
	a.CreatedAt, a.UpdatedAt = e.Clock(), e.Clock()
	err := e.tx(ctx, func(t *tx) error {
		if err := t.Apps.Create(ctx, &a); err != nil {
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
	if _, err := e.Authorize(ctx, current.StackID, models.ActionDeploy); err != nil {
		return nil, err
	}
	var updated *models.App
	err = e.tx(ctx, func(t *tx) error {
		before, err := t.Apps.Get(ctx, id)
		if err != nil {
			return err
		}
		a := *before
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
		if err := t.Apps.Save(ctx, &a); err != nil {
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

// DeleteApp removes the app from the online instances by an Undeploy event and
// then from the stack (OpsWorks: DeleteApp).
func (e *Engine) DeleteApp(ctx context.Context, id models.AppID) error {
	current, err := e.store.Apps.Get(ctx, id)
	if err != nil {
		return err
	}
	stack, err := e.Authorize(ctx, current.StackID, models.ActionManage)
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		a, err := t.Apps.Get(ctx, id)
		if err != nil {
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
