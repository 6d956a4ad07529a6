package engine

import (
	"context"

	"opsyard/models"
)

func onPolicy(p *models.Policy) target {
	return target{kind: "policy", id: string(p.ID), name: clip(p.Name, 64)}
}

// CreatePolicy makes a policy, which holds for nobody until it is attached.
func (e *Engine) CreatePolicy(ctx context.Context, p models.Policy) (*models.Policy, error) {
	if err := e.administer(ctx, "CreatePolicy", onPolicy(&p)); err != nil {
		return nil, err
	}
	p.ID, p.CreatedAt, p.UpdatedAt = models.NewID[models.PolicyID](), e.Clock(), e.Clock()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	err := e.tx(ctx, func(t *tx) error {
		if err := t.Policies.Create(ctx, &p); err != nil {
			return err
		}
		return t.audit(ctx, "CreatePolicy", onPolicy(&p), nil, &p, models.Cause{})
	})
	return &p, err
}

// UpdatePolicy lets change alter a policy's name and document; it holds anew
// from the next request on.
func (e *Engine) UpdatePolicy(ctx context.Context, id models.PolicyID, change func(*models.Policy) error) error {
	return e.onPolicy(ctx, id, "UpdatePolicy", func(t *tx, p *models.Policy) error {
		before := *p
		if err := change(p); err != nil {
			return err
		}
		p.ID, p.CreatedAt, p.UpdatedAt = before.ID, before.CreatedAt, e.Clock()
		if err := p.Validate(); err != nil {
			return err
		}
		if err := t.Policies.Save(ctx, p); err != nil {
			return err
		}
		if err := t.tellHolders(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, "UpdatePolicy", onPolicy(p), &before, p, models.Cause{})
	})
}

// DeletePolicy removes a policy and detaches it from everybody.
func (e *Engine) DeletePolicy(ctx context.Context, id models.PolicyID) error {
	return e.onPolicy(ctx, id, "DeletePolicy", func(t *tx, p *models.Policy) error {
		if err := t.tellHolders(ctx, id); err != nil {
			return err
		}
		if err := t.Policies.Delete(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, "DeletePolicy", onPolicy(p), p, nil, models.Cause{})
	})
}

// AttachPolicy makes a policy hold for a user or for all members of a group.
func (e *Engine) AttachPolicy(ctx context.Context, id models.PolicyID, to models.Principal) error {
	if err := to.Validate(); err != nil {
		return err
	}
	return e.onPolicy(ctx, id, "AttachPolicy", func(t *tx, p *models.Policy) error {
		changed, err := t.Policies.Attach(ctx, models.PolicyAttachment{PolicyID: id, UserID: to.UserID, GroupID: to.GroupID})
		if err != nil || !changed {
			return err
		}
		return t.attached(ctx, "AttachPolicy", p, to)
	})
}

// DetachPolicy takes a policy from a user or group.
func (e *Engine) DetachPolicy(ctx context.Context, id models.PolicyID, from models.Principal) error {
	if err := from.Validate(); err != nil {
		return err
	}
	return e.onPolicy(ctx, id, "DetachPolicy", func(t *tx, p *models.Policy) error {
		changed, err := t.Policies.Detach(ctx, models.PolicyAttachment{PolicyID: id, UserID: from.UserID, GroupID: from.GroupID})
		if err != nil || !changed {
			return err
		}
		return t.attached(ctx, "DetachPolicy", p, from)
	})
}

// onPolicy changes a policy, which only administrators may.
func (e *Engine) onPolicy(ctx context.Context, id models.PolicyID, action models.Action, do func(*tx, *models.Policy) error) error {
	if err := e.administer(ctx, action, target{kind: "policy", id: string(id)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		p, err := t.Policies.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		return do(t, p)
	})
}

// attached tells those for whom a policy holds now, or no longer.
func (t *tx) attached(ctx context.Context, action string, p *models.Policy, principal models.Principal) error {
	given := map[string]any{}
	if principal.UserID != "" {
		u, err := t.Users.Get(ctx, principal.UserID)
		if err != nil {
			return err
		}
		given["User"] = u.Name
		t.tell("user:"+string(u.ID), "policy", string(p.ID))
	} else {
		g, err := t.Groups.Get(ctx, principal.GroupID)
		if err != nil {
			return err
		}
		given["Group"] = g.Name
		members, err := t.Groups.Members(ctx, g.ID)
		if err != nil {
			return err
		}
		t.tellUsers(members, "policy", string(p.ID))
	}
	if action == "DetachPolicy" {
		return t.audit(ctx, action, onPolicy(p), given, nil, models.Cause{})
	}
	return t.audit(ctx, action, onPolicy(p), nil, given, models.Cause{})
}

func (t *tx) tellHolders(ctx context.Context, id models.PolicyID) error {
	holders, err := t.Policies.Holders(ctx, id)
	t.tellUsers(holders, "policy", string(id))
	return err
}
