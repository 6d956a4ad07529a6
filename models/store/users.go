package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Users keeps models.User.
type Users struct{ *handle }

const (
	kindUser    = "user"
	userCounter = "unix_uid"
	// Unix user ids on instances, as OpsWorks gives them.
	firstUID = 2000
	lastUID  = 4000
)

// Get reads one user.
func (s Users) Get(ctx context.Context, id models.UserID) (*models.User, error) {
	return rememberRow(ctx, s.handle, question{what: kindUser, id: string(id)}, func() (*models.User, error) {
		return get[models.User](s.r(ctx), kindUser, id)
	})
}

// GetForUpdate reads one user and keeps other transactions from changing it:
// Save writes the whole row, and must not bring an old password back.
func (s Users) GetForUpdate(ctx context.Context, id models.UserID) (*models.User, error) {
	return get[models.User](forUpdate(s.w(ctx)), kindUser, id)
}

// ByName reads the user with a sign-in name.
func (s Users) ByName(ctx context.Context, name string) (*models.User, error) {
	var u models.User
	if err := s.r(ctx).Where("name = ?", name).Take(&u).Error; err != nil {
		return nil, found(err, kindUser, name)
	}
	return &u, nil
}

// Alike reads the user whose sign-in name differs from this one in capitals at
// most. People take such names for one, and IAM does.
func (s Users) Alike(ctx context.Context, name string) (*models.User, error) {
	var u models.User
	if err := s.r(ctx).Where("lower(name) = ?", strings.ToLower(name)).Order("name").Take(&u).Error; err != nil {
		return nil, found(err, kindUser, name)
	}
	return &u, nil
}

// ByARN reads the user with an IAM user ARN.
func (s Users) ByARN(ctx context.Context, arn string) (*models.User, error) {
	var u models.User
	if err := s.r(ctx).Where("iam_user_arn = ?", arn).Take(&u).Error; err != nil {
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return nil, noUserWithARN(arn)
		}
		return nil, wrap(err, "read user %s", arn)
	}
	return &u, nil
}

// ByARNs reads users in the order of their ARNs, each once; a missing one is a
// NotFound that names all that are missing.
func (s Users) ByARNs(ctx context.Context, arns []string) ([]models.User, error) {
	byARN := map[string]models.User{}
	for part := range chunks(arns, batch) {
		some, err := find[models.User](s.r(ctx).Where("iam_user_arn IN ?", part), "read users by ARN")
		if err != nil {
			return nil, err
		}
		for _, u := range some {
			byARN[u.IamUserArn] = u
		}
	}
	var list []models.User
	var missing []string
	seen := map[string]bool{}
	for _, arn := range arns {
		if seen[arn] {
			continue
		}
		seen[arn] = true
		if u, ok := byARN[arn]; ok {
			list = append(list, u)
		} else {
			missing = append(missing, arn)
		}
	}
	if missing != nil {
		return nil, noUserWithARN(strings.Join(missing, ", "))
	}
	return list, nil
}

func noUserWithARN(arn string) error {
	return &models.Error{Code: models.CodeNotFound, Message: "Unable to find user with ARN " + arn}
}

// LockAdmins lists who administers the installation, and keeps other
// transactions from changing that.
func (s Users) LockAdmins(ctx context.Context) ([]models.User, error) {
	return find[models.User](forUpdate(s.w(ctx).Where("admin").Order("id")), "list administrators")
}

// ByIDs reads users in the order of ids; a missing one is a NotFound.
func (s Users) ByIDs(ctx context.Context, ids []models.UserID) ([]models.User, error) {
	return byIDs(s.r(ctx), kindUser, ids, func(u *models.User) models.UserID { return u.ID })
}

// List reads all users by name.
func (s Users) List(ctx context.Context) ([]models.User, error) {
	return find[models.User](s.r(ctx).Order("name"), "list users")
}

// Count counts the users.
func (s Users) Count(ctx context.Context) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.User{}).Count(&n).Error
	return int(n), wrap(err, "count users")
}

// CountAdmins counts those who administer the installation.
func (s Users) CountAdmins(ctx context.Context) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.User{}).Where("admin").Count(&n).Error
	return int(n), wrap(err, "count administrators")
}

// Create stores a new user and gives it a Unix user id.
func (s Users) Create(ctx context.Context, u *models.User) error {
	return s.inTx(ctx, func(h *handle) (err error) {
		if u.UnixUID, err = h.nextUID(ctx); err != nil {
			return err
		}
		return userTaken(h.w(ctx).Create(u).Error, u)
	})
}

// nextUID is a Unix user id that nobody has. Those of deleted users come again
// only when all others have been given out: files of theirs may be left on
// instances.
func (h *handle) nextUID(ctx context.Context) (int, error) {
	var used []int
	if err := h.w(ctx).Model(&models.User{}).Pluck("unix_uid", &used).Error; err != nil {
		return 0, wrap(err, "list Unix user ids")
	}
	const all = lastUID - firstUID + 1
	for range all {
		n, err := h.reserve(ctx, userCounter, 1)
		if err != nil {
			return 0, err
		}
		if uid := firstUID + int(n-1)%all; !slices.Contains(used, uid) {
			return uid, nil
		}
	}
	return 0, models.Invalid("All %d Unix user ids are in use: no more users can be made.", all)
}

// Save writes all of a user but the Unix user id, which is fixed for life.
func (s Users) Save(ctx context.Context, u *models.User) error {
	return userTaken(save(s.w(ctx), u, kindUser, u.ID, "unix_uid"), u)
}

func userTaken(err error, u *models.User) error {
	switch brokenIndex(err) {
	case "idx_users_name":
		return models.InvalidField("Name", "There is already a user named %q", u.Name).Because(err)
	case "user_ssh_username":
		return models.InvalidField("SshUsername", "Ssh username: %q is another user's.", u.SSHUsername).Because(err)
	case "idx_users_iam_user_arn":
		return models.InvalidField("IamUserArn", "There is already a user with ARN %s", u.IamUserArn).Because(err)
	}
	return wrap(err, "store user %s", u.ID)
}

// Delete removes a user with its sessions, keys, tokens and permissions.
func (s Users) Delete(ctx context.Context, id models.UserID) error {
	return s.inTx(ctx, func(h *handle) error {
		tables := []string{
			"sessions", "access_keys", "tokens", "permissions", "group_members", "policy_attachments",
			"challenges", "recovery_codes", "passkeys", "identities", "sign_in_addresses",
		}
		for _, table := range tables {
			if err := h.w(ctx).Exec("DELETE FROM "+table+" WHERE user_id = ?", id).Error; err != nil {
				return wrap(err, "delete %s of user %s", table, id)
			}
		}
		return affected(h.w(ctx).Exec("DELETE FROM users WHERE id = ?", id), "delete", kindUser, id)
	})
}

// Sessions keeps models.Session by the hash of its cookie.
type Sessions struct{ *handle }

// Get reads one session; whether it has expired is for the caller to see.
func (s Sessions) Get(ctx context.Context, hash string) (*models.Session, error) {
	var row models.Session
	if err := s.r(ctx).Where("hash = ?", hash).Take(&row).Error; err != nil {
		return nil, found(err, "session", "given")
	}
	return &row, nil
}

// OfUser reads a user's sessions, last seen first.
func (s Sessions) OfUser(ctx context.Context, id models.UserID) ([]models.Session, error) {
	return find[models.Session](s.r(ctx).Where("user_id = ?", id).Order("seen_at DESC"), "list sessions of user %s", id)
}

// Create stores a new session.
func (s Sessions) Create(ctx context.Context, row *models.Session) error {
	row.Addr, row.UserAgent = clip(row.Addr, 64), clip(row.UserAgent, 255)
	return wrap(s.w(ctx).Create(row).Error, "create session")
}

// Touch notes that a session was used.
func (s Sessions) Touch(ctx context.Context, hash string, at time.Time) error {
	return wrap(s.w(ctx).Exec("UPDATE sessions SET seen_at = ? WHERE hash = ?", stamp(at), hash).Error, "touch session")
}

// Confirm notes that the person of a session has proved again who they are.
func (s Sessions) Confirm(ctx context.Context, hash string, at time.Time) error {
	return affected(s.w(ctx).Exec("UPDATE sessions SET confirmed_at = ? WHERE hash = ?", stamp(at), hash), "confirm", "session", "given")
}

// Notice leaves a sentence for the next page of all sessions of a user but one.
func (s Sessions) Notice(ctx context.Context, id models.UserID, except, sentence string) error {
	err := s.w(ctx).Exec("UPDATE sessions SET notice = ? WHERE user_id = ? AND hash <> ?", sentence, id, except).Error
	return wrap(err, "leave a notice for user %s", id)
}

// NoticeSeen forgets the sentence of a session, if it still is that one.
func (s Sessions) NoticeSeen(ctx context.Context, hash, sentence string) error {
	err := s.w(ctx).Exec("UPDATE sessions SET notice = '' WHERE hash = ? AND notice = ?", hash, sentence).Error
	return wrap(err, "forget a notice")
}

// Delete ends a session; one that is not there is ended already.
func (s Sessions) Delete(ctx context.Context, hash string) error {
	return wrap(s.w(ctx).Exec("DELETE FROM sessions WHERE hash = ?", hash).Error, "end session")
}

// DeleteOfUser ends all sessions of a user but one (empty: all).
func (s Sessions) DeleteOfUser(ctx context.Context, id models.UserID, except string) error {
	return wrap(s.w(ctx).Exec("DELETE FROM sessions WHERE user_id = ? AND hash <> ?", id, except).Error, "end sessions of user %s", id)
}

// DeleteExpired removes sessions that are over by age or for want of use.
func (s Sessions) DeleteExpired(ctx context.Context, now time.Time) error {
	err := s.w(ctx).Exec("DELETE FROM sessions WHERE expires_at <= ? OR seen_at <= ?", stamp(now), stamp(now.Add(-models.SessionIdle))).Error
	return wrap(err, "remove expired sessions")
}

// AccessKeys keeps models.AccessKey.
type AccessKeys struct{ *handle }

// Get reads one key.
func (s AccessKeys) Get(ctx context.Context, id string) (*models.AccessKey, error) {
	key, err := rememberRow(ctx, s.handle, question{what: "access key", id: id}, func() (*models.AccessKey, error) {
		return get[models.AccessKey](s.r(ctx), "access key", id)
	})
	if err != nil {
		return nil, err
	}
	key.LastUsed, key.ExpiresAt = stampPtr(key.LastUsed), stampPtr(key.ExpiresAt)
	return key, nil
}

// OfUser reads a user's keys, oldest first.
func (s AccessKeys) OfUser(ctx context.Context, id models.UserID) ([]models.AccessKey, error) {
	return find[models.AccessKey](s.r(ctx).Where("user_id = ?", id).Order("created_at, id"), "list access keys of user %s", id)
}

// Create stores a new key.
func (s AccessKeys) Create(ctx context.Context, key *models.AccessKey) error {
	return wrap(s.w(ctx).Create(key).Error, "create access key %s", key.ID)
}

// Used notes when a key last signed a request.
func (s AccessKeys) Used(ctx context.Context, id string, at time.Time) error {
	return wrap(s.w(ctx).Exec("UPDATE access_keys SET last_used = ? WHERE id = ?", stamp(at), id).Error, "note the use of access key %s", id)
}

// Delete removes a key.
func (s AccessKeys) Delete(ctx context.Context, id string) error {
	return affected(s.w(ctx).Exec("DELETE FROM access_keys WHERE id = ?", id), "delete", "access key", id)
}

// Permissions keeps models.Permission.
type Permissions struct{ *handle }

// Get reads a user's permission in a stack; NotFound when none was ever set,
// which means models.LevelIAMOnly.
func (s Permissions) Get(ctx context.Context, stack models.StackID, user models.UserID) (*models.Permission, error) {
	return rememberRow(ctx, s.handle, question{what: "permission", id: string(stack), of: string(user)}, func() (*models.Permission, error) {
		var p models.Permission
		if err := s.r(ctx).Where("stack_id = ? AND user_id = ?", stack, user).Take(&p).Error; err != nil {
			return nil, found(err, "permission of user", user)
		}
		return &p, nil
	})
}

// OfUser reads a user's permissions in all stacks.
func (s Permissions) OfUser(ctx context.Context, id models.UserID) ([]models.Permission, error) {
	return find[models.Permission](s.r(ctx).Where("user_id = ?", id).Order("stack_id"), "list permissions of user %s", id)
}

// OfStack reads all users' permissions in a stack.
func (s Permissions) OfStack(ctx context.Context, id models.StackID) ([]models.Permission, error) {
	return find[models.Permission](s.r(ctx).Where("stack_id = ?", id).Order("user_id"), "list permissions of stack %s", id)
}

// Set stores a permission in place of the one before.
func (s Permissions) Set(ctx context.Context, p models.Permission) error {
	p.UpdatedAt, p.SSHUntil = s.clock(), stampPtr(p.SSHUntil)
	err := s.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&p).Error
	return wrap(err, "set the permission of user %s in stack %s", p.UserID, p.StackID)
}
