package engine

import (
	"context"

	"opsyard/models"
	"opsyard/models/store"
)

// rights is all that decides what the asker may do in a stack, or outside of
// all stacks when none is given. It is the one place that gathers it.
func (e *Engine) rights(ctx context.Context, stack models.StackID) (models.Rights, error) {
	return rightsOf(ctx, e.store, models.ActorFrom(ctx), stack)
}

// rightsOf reads through st, which may be a transaction.
func rightsOf(ctx context.Context, st *store.Store, actor models.Actor, stack models.StackID) (models.Rights, error) {
	r, err := rightsOutside(ctx, st, actor)
	if err != nil || !r.Person || r.Admin || stack == "" {
		return r, err
	}
	if r.Grants, err = st.Permissions.Grants(ctx, stack, actor.UserID); err != nil {
		return r, err
	}
	return r, nil
}

// rightsEverywhere is rights for many stacks at the cost of one.
func (e *Engine) rightsEverywhere(ctx context.Context) (func(models.StackID) models.Rights, error) {
	actor := models.ActorFrom(ctx)
	r, err := rightsOutside(ctx, e.store, actor)
	if err != nil {
		return nil, err
	}
	if !r.Person || r.Admin {
		return func(models.StackID) models.Rights { return r }, nil
	}
	grants, err := e.store.Permissions.GrantsOfUser(ctx, actor.UserID)
	if err != nil {
		return nil, err
	}
	return func(id models.StackID) models.Rights {
		in := r
		in.Grants = grants[id]
		return in
	}, nil
}

// rightsOutside is what holds outside of all stacks, and in each.
func rightsOutside(ctx context.Context, st *store.Store, actor models.Actor) (models.Rights, error) {
	r := models.RightsOf(actor)
	if !r.Person || r.Admin || actor.UserID == "" {
		return r, nil
	}
	var err error
	r.Policies, err = st.Policies.OfUser(ctx, actor.UserID)
	return r, err
}
