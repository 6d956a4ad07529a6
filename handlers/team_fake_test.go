package handlers

import (
	"context"

	"opsyard/models"
)

// Invitations: there is none.
func (f *fakeEngine) Invitations(context.Context) ([]models.Invitation, error) { return nil, nil }

// Explain is the engine's, by levels alone.
func (f *fakeEngine) Explain(ctx context.Context, id models.UserID, stack models.StackID) ([]models.Explained, error) {
	u, err := f.store.Users.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	rights := models.Rights{Person: true, Admin: u.Admin}
	if stack == "" {
		return rights.Explain(nil), nil
	}
	if rights.Grants, err = f.store.Permissions.Grants(ctx, stack, id); err != nil {
		return nil, err
	}
	s, err := f.store.Stacks.Get(ctx, stack)
	return rights.Explain(s), err
}
