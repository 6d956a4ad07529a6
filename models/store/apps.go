package store

import (
	"context"

	"opsyard/models"
)

// Apps keeps models.App.
type Apps struct{ *handle }

const kindApp = "app"

// Get reads one app.
func (s Apps) Get(ctx context.Context, id models.AppID) (*models.App, error) {
	return get[models.App](s.r(ctx), kindApp, id)
}

// InStack reads a stack's apps by name.
func (s Apps) InStack(ctx context.Context, stack models.StackID) ([]models.App, error) {
	return find[models.App](s.r(ctx).Where("stack_id = ?", stack).Order("name"), "list apps of stack %s", stack)
}

// ByIDs reads apps in the order of ids; a missing one is a NotFound.
func (s Apps) ByIDs(ctx context.Context, ids []models.AppID) ([]models.App, error) {
	return byIDs(s.r(ctx), kindApp, ids, func(a *models.App) models.AppID { return a.ID })
}

// Create stores a new app.
func (s Apps) Create(ctx context.Context, app *models.App) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, app.StackID); err != nil {
			return err
		}
		return appTaken(h.w(ctx).Create(app).Error, app)
	})
}

// Save writes all of an app.
func (s Apps) Save(ctx context.Context, app *models.App) error {
	return appTaken(save(s.w(ctx), app, kindApp, app.ID), app)
}

func appTaken(err error, a *models.App) error {
	switch brokenIndex(err) {
	case "app_name":
		return models.InvalidField("Name", "There is already an app named %q for this stack", a.Name).Because(err)
	case "app_shortname":
		return models.InvalidField("Shortname", "There is already an app with shortname %q for this stack", a.Shortname).Because(err)
	}
	return wrap(err, "store app %s", a.ID)
}

// Delete removes an app; its deployments stay as history.
func (s Apps) Delete(ctx context.Context, id models.AppID) error {
	return affected(s.w(ctx).Exec("DELETE FROM apps WHERE id = ?", id), "delete", kindApp, id)
}
