package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"opsyard/models"
)

// Membership keeps the changes to the sets of online instances that no
// Configure has told of yet.
type Membership struct{ *handle }

// Note adds a change.
func (s Membership) Note(ctx context.Context, c *models.MembershipChange) error {
	c.At = stamp(c.At)
	return wrap(s.w(ctx).Create(c).Error, "note a change of stack %s", c.StackID)
}

// Waiting tells, for each stack with changes, when the oldest one was made.
func (s Membership) Waiting(ctx context.Context) (map[models.StackID]time.Time, error) {
	list, err := find[models.MembershipChange](s.r(ctx).Where(
		"id IN (SELECT min(id) FROM membership_changes GROUP BY stack_id)"), "list changes that wait for a Configure")
	if err != nil {
		return nil, err
	}
	oldest := make(map[models.StackID]time.Time, len(list))
	for _, c := range list {
		oldest[c.StackID] = c.At
	}
	return oldest, nil
}

// Take removes a stack's changes and returns them in order. Of two replicas
// that take at the same time one gets none.
func (s Membership) Take(ctx context.Context, stack models.StackID) ([]models.MembershipChange, error) {
	var taken []models.MembershipChange
	err := s.w(ctx).Raw("DELETE FROM membership_changes WHERE stack_id = ? RETURNING *", stack).Scan(&taken).Error
	slices.SortFunc(taken, func(a, b models.MembershipChange) int { return cmp.Compare(a.ID, b.ID) })
	return taken, wrap(err, "take the changes of stack %s", stack)
}
