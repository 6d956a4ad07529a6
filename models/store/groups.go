package store

import (
	"context"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// Groups keeps models.Group with its members and permissions.
type Groups struct{ *handle }

const kindGroup = "group"

// Get reads one group.
func (s Groups) Get(ctx context.Context, id models.GroupID) (*models.Group, error) {
	return get[models.Group](s.r(ctx), kindGroup, id)
}

// GetForUpdate reads one group and keeps other transactions from changing it,
// its members and its permissions.
func (s Groups) GetForUpdate(ctx context.Context, id models.GroupID) (*models.Group, error) {
	return get[models.Group](forUpdate(s.w(ctx)), kindGroup, id)
}

// List reads all groups by name.
func (s Groups) List(ctx context.Context) ([]models.Group, error) {
	return find[models.Group](s.r(ctx).Order("name"), "list groups")
}

// Create stores a new group.
func (s Groups) Create(ctx context.Context, g *models.Group) error {
	return groupTaken(s.w(ctx).Create(g).Error, g)
}

// Save writes a group's name.
func (s Groups) Save(ctx context.Context, g *models.Group) error {
	return groupTaken(save(s.w(ctx), g, kindGroup, g.ID), g)
}

func groupTaken(err error, g *models.Group) error {
	if brokenIndex(err) == "idx_groups_name" {
		return models.InvalidField("Name", "There is already a group named %q", g.Name).Because(err)
	}
	return wrap(err, "store group %s", g.ID)
}

// Delete removes a group with its members, permissions and attachments.
func (s Groups) Delete(ctx context.Context, id models.GroupID) error {
	return s.inTx(ctx, func(h *handle) error {
		for _, table := range []string{"group_members", "group_permissions", "policy_attachments"} {
			if err := h.w(ctx).Exec("DELETE FROM "+table+" WHERE group_id = ?", id).Error; err != nil {
				return wrap(err, "delete %s of group %s", table, id)
			}
		}
		return affected(h.w(ctx).Exec("DELETE FROM groups WHERE id = ?", id), "delete", kindGroup, id)
	})
}

// AllMembers reads the members of all groups.
func (s Groups) AllMembers(ctx context.Context) ([]models.GroupMember, error) {
	return find[models.GroupMember](s.r(ctx).Order("group_id, user_id"), "list members of groups")
}

// Members reads who is in a group.
func (s Groups) Members(ctx context.Context, id models.GroupID) ([]models.UserID, error) {
	var ids []models.UserID
	err := s.r(ctx).Model(&models.GroupMember{}).Where("group_id = ?", id).Order("user_id").Pluck("user_id", &ids).Error
	return ids, wrap(err, "list members of group %s", id)
}

// OfUser reads the groups that a user is in, by name.
func (s Groups) OfUser(ctx context.Context, id models.UserID) ([]models.Group, error) {
	return find[models.Group](s.r(ctx).Where("id IN (SELECT group_id FROM group_members WHERE user_id = ?)", id).Order("name"), "list groups of user %s", id)
}

// AddMember puts a user into a group; who is in it stays.
func (s Groups) AddMember(ctx context.Context, group models.GroupID, user models.UserID) error {
	if err := keep(ctx, s.handle, "users", kindUser, user); err != nil {
		return err
	}
	m := models.GroupMember{GroupID: group, UserID: user}
	return wrap(s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&m).Error, "add user %s to group %s", user, group)
}

// RemoveMember takes a user out of a group.
func (s Groups) RemoveMember(ctx context.Context, group models.GroupID, user models.UserID) error {
	return wrap(s.w(ctx).Exec("DELETE FROM group_members WHERE group_id = ? AND user_id = ?", group, user).Error, "remove user %s from group %s", user, group)
}

// Permissions reads a group's permissions in all stacks.
func (s Groups) Permissions(ctx context.Context, id models.GroupID) ([]models.GroupPermission, error) {
	return find[models.GroupPermission](s.r(ctx).Where("group_id = ?", id).Order("stack_id"), "list permissions of group %s", id)
}

// PermissionsIn reads all groups' permissions in a stack.
func (s Groups) PermissionsIn(ctx context.Context, id models.StackID) ([]models.GroupPermission, error) {
	return find[models.GroupPermission](s.r(ctx).Where("stack_id = ?", id).Order("group_id"), "list groups' permissions in stack %s", id)
}

// Permission reads a group's permission in a stack, which is
// models.LevelIAMOnly when none was ever set.
func (s Groups) Permission(ctx context.Context, stack models.StackID, group models.GroupID) (*models.GroupPermission, error) {
	rows, err := find[models.GroupPermission](s.r(ctx).Where("stack_id = ? AND group_id = ?", stack, group), "read the permission of group %s in stack %s", group, stack)
	if err != nil || len(rows) > 0 {
		return first(rows), err
	}
	return &models.GroupPermission{StackID: stack, GroupID: group, Level: models.LevelIAMOnly}, nil
}

func first[T any](rows []T) *T {
	if len(rows) == 0 {
		return nil
	}
	return &rows[0]
}

// SetPermission stores a permission in place of the one before.
func (s Groups) SetPermission(ctx context.Context, p models.GroupPermission) error {
	if err := keep(ctx, s.handle, "stacks", kindStack, p.StackID); err != nil {
		return err
	}
	p.UpdatedAt = s.clock()
	err := s.w(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&p).Error
	return wrap(err, "set the permission of group %s in stack %s", p.GroupID, p.StackID)
}
