package engine

import (
	"context"

	"opsyard/models"
)

// Explain says what a user may do in a stack, action by action, and why; with
// no stack, what they may do outside of all stacks. Everybody may ask about
// themselves, and those who manage the stack about all.
func (e *Engine) Explain(ctx context.Context, id models.UserID, stackID models.StackID) ([]models.Explained, error) {
	stack, err := e.explainable(ctx, id, stackID)
	if err != nil {
		return nil, err
	}
	u, err := e.store.Users.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	rights, err := rightsOf(ctx, e.store, models.Actor{Kind: models.ActorUser, UserID: u.ID, Admin: u.Admin}, stackID)
	if err != nil {
		return nil, err
	}
	rights.SelfManaged = u.AllowSelfManagement
	return rights.Explain(stack), nil
}

func (e *Engine) explainable(ctx context.Context, id models.UserID, stackID models.StackID) (*models.Stack, error) {
	own := models.ActorFrom(ctx).Kind == models.ActorUser && models.ActorFrom(ctx).UserID == id
	action := models.Action("DescribePermissions")
	switch {
	case stackID == "" && own:
		return nil, nil
	case stackID == "":
		return nil, e.administer(ctx, action, target{kind: "user", id: string(id)})
	case own:
		action = models.ActionShow
	}
	return e.Authorize(ctx, stackID, action)
}
