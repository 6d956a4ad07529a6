package awsapi

import (
	"context"

	"opsyard/models"
)

// What the resources of a stack have in common.

// stacksFor are the stacks whose things are to be described: the given one, or
// all that the asker may see.
func (a *API) stacksFor(ctx context.Context, given *string) ([]models.StackID, error) {
	if has(given) {
		s, err := a.show(ctx, id[models.StackID](given))
		if err != nil {
			return nil, err
		}
		return []models.StackID{s.ID}, nil
	}
	visible, err := a.Engine.StacksWhere(ctx, asked(ctx))
	all := make([]models.StackID, len(visible))
	for n := range visible {
		all[n] = visible[n].ID
	}
	return all, err
}

// seeInstance refuses an instance that the asker may not see, as if there were
// none.
func (a *API) seeInstance(ctx context.Context, wanted models.InstanceID) error {
	_, err := seeOne(ctx, a, nounInstance, wanted, a.Store.Instances.ByIDs)
	return err
}

// shown makes the wire's form of each, an empty list for none.
func shown[T, Out any](things []T, form func(*T) Out) []Out {
	out := make([]Out, len(things))
	for n := range things {
		out[n] = form(&things[n])
	}
	return out
}
