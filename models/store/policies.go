package store

import (
	"context"
	"fmt"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// Policies keeps models.Policy and to whom each is attached.
type Policies struct{ *handle }

const kindPolicy = "policy"

// Get reads one policy.
func (s Policies) Get(ctx context.Context, id models.PolicyID) (*models.Policy, error) {
	return get[models.Policy](s.r(ctx), kindPolicy, id)
}

// GetForUpdate reads one policy and keeps other transactions from changing it
// and its attachments.
func (s Policies) GetForUpdate(ctx context.Context, id models.PolicyID) (*models.Policy, error) {
	return get[models.Policy](forUpdate(s.w(ctx)), kindPolicy, id)
}

// List reads all policies by name.
func (s Policies) List(ctx context.Context) ([]models.Policy, error) {
	return find[models.Policy](s.r(ctx).Order("name"), "list policies")
}

// Create stores a new policy.
func (s Policies) Create(ctx context.Context, p *models.Policy) error {
	return policyTaken(s.w(ctx).Create(p).Error, p)
}

// Save writes a policy's name and document.
func (s Policies) Save(ctx context.Context, p *models.Policy) error {
	return policyTaken(save(s.w(ctx), p, kindPolicy, p.ID), p)
}

func policyTaken(err error, p *models.Policy) error {
	if brokenIndex(err) == "idx_policies_name" {
		return models.InvalidField("Name", "There is already a policy named %q", p.Name).Because(err)
	}
	return wrap(err, "store policy %s", p.ID)
}

// Delete removes a policy with its attachments.
func (s Policies) Delete(ctx context.Context, id models.PolicyID) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM policy_attachments WHERE policy_id = ?", id).Error; err != nil {
			return wrap(err, "detach policy %s", id)
		}
		return affected(h.w(ctx).Exec("DELETE FROM policies WHERE id = ?", id), "delete", kindPolicy, id)
	})
}

// Attachments reads to whom all policies are attached.
func (s Policies) Attachments(ctx context.Context) ([]models.PolicyAttachment, error) {
	return find[models.PolicyAttachment](s.r(ctx).Order("policy_id, user_id, group_id"), "list attachments of policies")
}

// Attach gives a policy to a user or group, and tells whether it was new.
func (s Policies) Attach(ctx context.Context, a models.PolicyAttachment) (bool, error) {
	var err error
	if a.UserID != "" {
		err = keep(ctx, s.handle, "users", kindUser, a.UserID)
	} else {
		err = keep(ctx, s.handle, "groups", kindGroup, a.GroupID)
	}
	if err != nil {
		return false, err
	}
	result := s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&a)
	return result.RowsAffected > 0, wrap(result.Error, "attach policy %s", a.PolicyID)
}

// Detach takes a policy from a user or group, and tells whether they had it.
func (s Policies) Detach(ctx context.Context, a models.PolicyAttachment) (bool, error) {
	result := s.w(ctx).Exec("DELETE FROM policy_attachments WHERE policy_id = ? AND user_id = ? AND group_id = ?", a.PolicyID, a.UserID, a.GroupID)
	return result.RowsAffected > 0, wrap(result.Error, "detach policy %s", a.PolicyID)
}

// Holders are the users for whom a policy holds, by themselves or by a group.
func (s Policies) Holders(ctx context.Context, id models.PolicyID) ([]models.UserID, error) {
	var users []models.UserID
	err := s.r(ctx).Raw(`SELECT user_id FROM policy_attachments WHERE policy_id = ? AND user_id <> ''
		UNION SELECT m.user_id FROM policy_attachments a JOIN group_members m ON m.group_id = a.group_id WHERE a.policy_id = ?`, id, id).Scan(&users).Error
	return users, wrap(err, "list holders of policy %s", id)
}

// OfUser reads the rules of all policies that hold for a user. Others get the
// same slice, so it must not be changed.
func (s Policies) OfUser(ctx context.Context, id models.UserID) ([]models.PolicyRules, error) {
	return remember(ctx, s.handle, question{what: "policies", of: string(id)}, func() ([]models.PolicyRules, error) {
		var rows []struct{ Name, Document, Group string }
		err := s.r(ctx).Raw(`SELECT p.name, p.document, '' AS "group" FROM policy_attachments a JOIN policies p ON p.id = a.policy_id WHERE a.user_id = ?
			UNION ALL SELECT p.name, p.document, g.name AS "group" FROM group_members m JOIN groups g ON g.id = m.group_id
				JOIN policy_attachments a ON a.group_id = g.id JOIN policies p ON p.id = a.policy_id WHERE m.user_id = ?`, id, id).Scan(&rows).Error
		if err != nil {
			return nil, wrap(err, "read policies of user %s", id)
		}
		rules := make([]models.PolicyRules, len(rows))
		for n, row := range rows {
			statements, err := models.ParsePolicy(row.Document)
			if err != nil { // it was read when it was stored; without it, a Deny would be lost
				return nil, fmt.Errorf("read policy %s: %w", row.Name, err)
			}
			rules[n] = models.PolicyRules{Name: row.Name, Group: row.Group, Statements: statements}
		}
		return rules, nil
	})
}
