package engine

import (
	"context"

	"opsyard/models"
)

// Authorize loads a stack for somebody who wants to act in it. Who may not
// even see the stack is told that there is none; who may see it but not do this
// is refused, and the refusal is audited. A person at the console may be asked
// first to prove who they are.
func (e *Engine) Authorize(ctx context.Context, id models.StackID, action models.Action) (*models.Stack, error) {
	stack, err := e.store.Stacks.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	rights, err := e.rights(ctx, id)
	if err != nil {
		return nil, err
	}
	decision := rights.Decide(action, stack)
	if decision.Allowed {
		return stack, e.confirmed(ctx, action)
	}
	e.auditRefusal(ctx, string(action), target{"stack", string(id), stack.Name, id})
	if !rights.Decide(models.ActionShow, stack).Allowed {
		return nil, models.NotFound("stack", id)
	}
	return nil, models.Forbidden("You may see stack %s, but not do this: %s.", stack.Name, decision.Reason)
}

// May tells whether the asker may do something in a stack, or outside of all
// stacks when none is given: for pages that hide what is refused anyway.
func (e *Engine) May(ctx context.Context, action models.Action, id models.StackID) (bool, error) {
	rights, err := e.rights(ctx, id)
	if err != nil || id == "" {
		return err == nil && rights.Decide(action, nil).Allowed, err
	}
	stack, err := e.store.Stacks.Get(ctx, id)
	return err == nil && rights.Decide(action, stack).Allowed, err
}

// confirmed asks a person at the console to prove who they are, if they did not
// do so of late and the action needs it.
func (e *Engine) confirmed(ctx context.Context, action models.Action) error {
	if models.MustConfirm(models.ActorFrom(ctx), action, e.Clock()) {
		return models.Confirm()
	}
	return nil
}

// hide makes "no such stack" what somebody is told who asked for a thing of a
// stack that they may not see.
func hide(err error, kind string, id any) error {
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return models.NotFound(kind, id)
	}
	return err
}

// Level is the asker's level in a stack, for pages that hide what is refused
// anyway. It is the most that they may do there, be it by a level, by a policy
// or as an administrator.
func (e *Engine) Level(ctx context.Context, id models.StackID) (models.Level, error) {
	rights, err := e.rights(ctx, id)
	if err != nil {
		return "", err
	}
	stack, err := e.store.Stacks.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return rights.Amount(stack), nil
}

// administer refuses what is outside of all stacks to those who may not do it:
// everybody but administrators, unless a policy allows it.
func (e *Engine) administer(ctx context.Context, action models.Action, t target) error {
	rights, err := e.rights(ctx, "")
	if err != nil {
		return err
	}
	decision := rights.Decide(action, nil)
	if decision.Allowed {
		return e.confirmed(ctx, action)
	}
	e.auditRefusal(ctx, string(action), t)
	return errAdminsOnly()
}

// AuthorizeTeam is for the pages of the team, which are about everybody and so
// for administrators. about is whom or what they are about: the id of a person,
// a group or a policy, if of any.
func (e *Engine) AuthorizeTeam(ctx context.Context, action models.Action, about string) error {
	if models.MayDo(models.ActorFrom(ctx), models.LevelIAMOnly, models.ActionManageUsers) {
		return nil
	}
	e.auditRefusal(ctx, string(action), e.onTeam(ctx, about))
	return models.Forbidden("Only an administrator may see the team.")
}

// onTeam is who or what of the team has an id. One that nobody has is not
// repeated: it may be a new one each time.
func (e *Engine) onTeam(ctx context.Context, id string) target {
	if u, err := e.store.Users.Get(ctx, models.UserID(id)); err == nil {
		return onUser(u)
	}
	if g, err := e.store.Groups.Get(ctx, models.GroupID(id)); err == nil {
		return target{kind: "group", id: id, name: g.Name}
	}
	if p, err := e.store.Policies.Get(ctx, models.PolicyID(id)); err == nil {
		return target{kind: "policy", id: id, name: p.Name}
	}
	return target{kind: "team"}
}

func errAdminsOnly() error { return models.Forbidden("Only an administrator may do this.") }

// onAccount refuses what a person may do to their own account, and to those of
// others only an administrator.
func (e *Engine) onAccount(ctx context.Context, id models.UserID, action models.Action) error {
	rights, err := e.rights(ctx, "")
	if err != nil {
		return err
	}
	decision := rights.Decide(action, nil)
	own := rights.Person && models.ActorFrom(ctx).UserID == id
	if decision.Allowed && (own || rights.Admin || rights.Trusted) {
		return e.confirmed(ctx, action)
	}
	e.auditRefusal(ctx, string(action), target{kind: "user", id: string(id)})
	if own {
		return models.Forbidden("You may not do this: %s.", decision.Reason)
	}
	return errAdminsOnly()
}

// VisibleStacks lists the stacks that the asker may see, by name.
func (e *Engine) VisibleStacks(ctx context.Context) ([]models.Stack, error) {
	return e.StacksWhere(ctx, models.ActionShow)
}

// StacksWhere lists the stacks in which the asker may do something, by name.
func (e *Engine) StacksWhere(ctx context.Context, action models.Action) ([]models.Stack, error) {
	all, err := e.store.Stacks.List(ctx)
	if err != nil {
		return nil, err
	}
	rightsIn, err := e.rightsEverywhere(ctx)
	if err != nil {
		return nil, err
	}
	visible := all[:0]
	for _, s := range all {
		if rightsIn(s.ID).Decide(action, &s).Allowed {
			visible = append(visible, s)
		}
	}
	return visible, nil
}
