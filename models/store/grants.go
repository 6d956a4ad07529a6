package store

import (
	"context"

	"opsyard/models"
)

// grant is a row of what a user has in a stack, by themselves or by a group.
type grant struct {
	StackID models.StackID
	models.Grant
}

const (
	// Access for some time counts while it lasts. What is remembered of it lasts
	// until the engine writes its end.
	ownGrants = `SELECT stack_id, level, '' AS "group", ` + sshNow + ` AS allow_ssh, ` + sudoNow + ` AS allow_sudo FROM permissions WHERE user_id = ?`
	ofGroups  = ` UNION ALL SELECT p.stack_id, p.level, g.name AS "group", p.allow_ssh, p.allow_sudo
		FROM group_members m JOIN groups g ON g.id = m.group_id JOIN group_permissions p ON p.group_id = g.id WHERE m.user_id = ?`
)

// Grants reads a user's own permission in a stack and those of their groups.
// Others get the same slice, so it must not be changed.
func (s Permissions) Grants(ctx context.Context, stack models.StackID, user models.UserID) ([]models.Grant, error) {
	return remember(ctx, s.handle, question{what: "grants", id: string(stack), of: string(user)}, func() ([]models.Grant, error) {
		var rows []grant
		now := s.clock()
		query := ownGrants + " AND stack_id = ?" + ofGroups + " AND p.stack_id = ?"
		if err := s.r(ctx).Raw(query, now, now, user, stack, user, stack).Scan(&rows).Error; err != nil {
			return nil, wrap(err, "read what user %s has in stack %s", user, stack)
		}
		grants := make([]models.Grant, len(rows))
		for n, row := range rows {
			grants[n] = row.Grant
		}
		return grants, nil
	})
}

// GrantsOfUser is Grants for all stacks.
func (s Permissions) GrantsOfUser(ctx context.Context, user models.UserID) (map[models.StackID][]models.Grant, error) {
	return remember(ctx, s.handle, question{what: "all grants", of: string(user)}, func() (map[models.StackID][]models.Grant, error) {
		var rows []grant
		now := s.clock()
		if err := s.r(ctx).Raw(ownGrants+ofGroups, now, now, user, user).Scan(&rows).Error; err != nil {
			return nil, wrap(err, "read what user %s has", user)
		}
		grants := map[models.StackID][]models.Grant{}
		for _, row := range rows {
			grants[row.StackID] = append(grants[row.StackID], row.Grant)
		}
		return grants, nil
	})
}
