package engine

import (
	"context"
	"errors"
	"log/slog"

	"opsyard/models"
)

// Authorize loads a stack for somebody who wants to act in it. Who may not
// even see the stack is told that there is none; who may see it but not do this
// is refused, and the refusal is audited.
func (e *Engine) Authorize(ctx context.Context, id models.StackID, action models.Action) (*models.Stack, error) {
	stack, err := e.store.Stacks.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	level, err := e.levelIn(ctx, id)
	if err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	if models.MayDo(actor, level, action) {
		return stack, nil
	}
	e.auditRefusal(ctx, string(action), target{"stack", string(id), stack.Name, id})
	if !models.MayDo(actor, level, models.ActionShow) {
		return nil, models.NotFound("stack", id)
	}
	return nil, models.Forbidden("You may see stack %s, but not do this: it needs the level %s.", stack.Name, neededLevel(action))
}

// hide makes "no such stack" what somebody is told who asked for a thing of a
// stack that they may not see.
func hide(err error, kind string, id any) error {
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return models.NotFound(kind, id)
	}
	return err
}

func neededLevel(a models.Action) models.Level {
	if a == models.ActionDeploy {
		return models.LevelDeploy
	}
	return models.LevelManage
}

// levelIn is the asker's level in a stack; admins and the engine need none.
func (e *Engine) levelIn(ctx context.Context, id models.StackID) (models.Level, error) {
	actor := models.ActorFrom(ctx)
	if actor.Kind != models.ActorUser || actor.Admin {
		return models.LevelIAMOnly, nil
	}
	p, err := e.store.Permissions.Get(ctx, id, actor.UserID)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return models.LevelIAMOnly, nil
	}
	if err != nil {
		return "", err
	}
	return p.Level, nil
}

// Level is the asker's level in a stack, for pages that hide what is refused
// anyway; admins have LevelManage everywhere.
func (e *Engine) Level(ctx context.Context, id models.StackID) (models.Level, error) {
	if models.MayDo(models.ActorFrom(ctx), models.LevelIAMOnly, models.ActionManage) {
		return models.LevelManage, nil
	}
	return e.levelIn(ctx, id)
}

// administer refuses everybody but administrators.
func (e *Engine) administer(ctx context.Context, action models.Action, t target) error {
	if models.MayDo(models.ActorFrom(ctx), models.LevelIAMOnly, action) {
		return nil
	}
	e.auditRefusal(ctx, string(action), t)
	return models.Forbidden("Only an administrator may do this.")
}

// VisibleStacks lists the stacks that the asker may see, by name.
func (e *Engine) VisibleStacks(ctx context.Context) ([]models.Stack, error) {
	all, err := e.store.Stacks.List(ctx)
	if err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	if models.MayDo(actor, models.LevelIAMOnly, models.ActionShow) {
		return all, nil
	}
	permissions, err := e.store.Permissions.OfUser(ctx, actor.UserID)
	if err != nil {
		return nil, err
	}
	levels := map[models.StackID]models.Level{}
	for _, p := range permissions {
		levels[p.StackID] = p.Level
	}
	visible := all[:0]
	for _, s := range all {
		if models.MayDo(actor, levels[s.ID], models.ActionShow) {
			visible = append(visible, s)
		}
	}
	return visible, nil
}

// auditRefusal records an attempt that was refused. It has no transaction to
// join; if it cannot be written, the refusal stands and the log tells.
func (e *Engine) auditRefusal(ctx context.Context, action string, on target) {
	err := e.tx(ctx, func(t *tx) error {
		entry := auditEntry(ctx, action, on)
		entry.Refused = true
		entry.At = e.Clock()
		return t.Audit.Append(ctx, &entry)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		e.Log.ErrorContext(ctx, "audit a refusal", slog.String("action", action), slog.Any("error", err))
	}
}
