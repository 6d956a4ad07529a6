package store

import (
	"context"
	"errors"
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

// What a user's own permission allows on instances, at a time.
const (
	sshNow  = `(allow_ssh OR coalesce(ssh_until > ?, FALSE))`
	sudoNow = `(allow_ssh AND allow_sudo OR until_sudo AND coalesce(ssh_until > ?, FALSE))`
)

// access is a user's in a stack, by themselves or by a group. Whoever is denied
// in one of them has none.
type access struct {
	StackID   models.StackID
	UserID    models.UserID
	Level     models.Level
	SSH, Sudo bool
}

const (
	ownAccess = `SELECT stack_id, user_id, level, ` + sshNow + ` AS ssh, ` + sudoNow + ` AS sudo
		FROM permissions WHERE (level = 'deny' OR allow_ssh OR ssh_until IS NOT NULL)`
	groupAccess = `SELECT p.stack_id, m.user_id, p.level, p.allow_ssh AS ssh, (p.allow_ssh AND p.allow_sudo) AS sudo
		FROM group_permissions p JOIN group_members m ON m.group_id = p.group_id WHERE (p.level = 'deny' OR p.allow_ssh)`
)

// logins reads those of one stack, or of all.
func (s *Store) logins(ctx context.Context, stack models.StackID) (map[models.StackID][]models.Login, error) {
	now := s.h.clock()
	query, args := ownAccess+" UNION ALL "+groupAccess, []any{now, now}
	if stack != "" {
		query, args = ownAccess+" AND stack_id = ? UNION ALL "+groupAccess+" AND p.stack_id = ?", append(args, stack, stack)
	}
	var rows []access
	if err := s.h.r(ctx).Raw(query, args...).Scan(&rows).Error; err != nil || len(rows) == 0 {
		return nil, wrap(err, "list who may log in")
	}
	users, err := s.Users.List(ctx)
	if err != nil {
		return nil, err
	}
	all := map[models.StackID][]models.Login{}
	for stack, sudo := range merge(rows) {
		for _, u := range users { // which are in order
			if with, may := sudo[u.ID]; may {
				all[stack] = append(all[stack], models.Login{
					UserID: u.ID, Name: u.Name, SSHUsername: u.SSHUsername, SSHPublicKey: u.SSHPublicKey, UnixUID: u.UnixUID, Sudo: with,
				})
			}
		}
	}
	return all, nil
}

// merge is who may log in to each stack, and whether with sudo.
func merge(rows []access) map[models.StackID]map[models.UserID]bool {
	type key struct {
		stack models.StackID
		user  models.UserID
	}
	denied := map[key]bool{}
	for _, r := range rows {
		if r.Level == models.LevelDeny {
			denied[key{r.StackID, r.UserID}] = true
		}
	}
	all := map[models.StackID]map[models.UserID]bool{}
	for _, r := range rows {
		if !r.SSH || denied[key{r.StackID, r.UserID}] {
			continue
		}
		if all[r.StackID] == nil {
			all[r.StackID] = map[models.UserID]bool{}
		}
		all[r.StackID][r.UserID] = all[r.StackID][r.UserID] || r.Sudo
	}
	return all
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
