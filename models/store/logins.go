package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Logins are the users who may log in to a stack's instances now, by name.
func (s *Store) Logins(ctx context.Context, stack models.StackID) ([]models.Login, error) {
	all, err := s.logins(ctx, stack)
	return all[stack], err
}

// AllLogins is Logins of every stack that has any.
func (s *Store) AllLogins(ctx context.Context) (map[models.StackID][]models.Login, error) {
	return s.logins(ctx, "")
}

// logins reads those of one stack, or of all.
func (s *Store) logins(ctx context.Context, stack models.StackID) (map[models.StackID][]models.Login, error) {
	query := s.h.r(ctx).Where("allow_ssh OR ssh_until IS NOT NULL")
	if stack != "" {
		query = query.Where("stack_id = ?", stack)
	}
	permissions, err := find[models.Permission](query, "list who may log in")
	if err != nil || len(permissions) == 0 {
		return nil, err
	}
	users, err := s.Users.List(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[models.UserID]*models.User, len(users))
	for n := range users {
		byID[users[n].ID] = &users[n]
	}
	all := map[models.StackID][]models.Login{}
	for _, p := range permissions {
		u := byID[p.UserID]
		ssh, sudo := p.LogsIn(s.h.clock())
		if u == nil || !ssh {
			continue
		}
		all[p.StackID] = append(all[p.StackID], models.Login{
			UserID: u.ID, Name: u.Name, SSHUsername: u.SSHUsername, SSHPublicKey: u.SSHPublicKey, UnixUID: u.UnixUID, Sudo: sudo,
		})
	}
	for _, logins := range all {
		slices.SortFunc(logins, func(a, b models.Login) int { return cmp.Compare(a.Name, b.Name) })
	}
	return all, nil
}

// ExpiredLogins reads the permissions whose access for some time is over, and
// not taken back yet.
func (s Permissions) ExpiredLogins(ctx context.Context, now time.Time) ([]models.Permission, error) {
	return find[models.Permission](s.r(ctx).Where("ssh_until <= ?", stamp(now)).Order("stack_id, user_id"), "list expired logins")
}

// AppliedAccounts keeps models.AppliedAccounts by instance.
type AppliedAccounts struct{ *handle }

// Get reads what an instance's agent said last; nil if it never did.
func (s AppliedAccounts) Get(ctx context.Context, id models.InstanceID) (*models.AppliedAccounts, error) {
	var row models.AppliedAccounts
	err := s.r(ctx).Where("instance_id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	return &row, wrap(err, "read the accounts of instance %s", id)
}

// Put stores what an agent says, in place of what it said before.
func (s AppliedAccounts) Put(ctx context.Context, row *models.AppliedAccounts) error {
	row.At = stamp(row.At)
	err := s.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(row).Error
	return wrap(err, "store the accounts of instance %s", row.InstanceID)
}
