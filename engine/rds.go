package engine

import (
	"context"

	"opsyard/models"
	"opsyard/models/store"
)

func onRdsDbInstance(r *models.RdsDbInstance) target {
	return target{"rds instance", r.Arn, r.DbInstanceIdentifier, r.StackID}
}

// RegisterRdsDbInstance makes a database one of the stack's, for the data
// sources of its apps (OpsWorks: RegisterRdsDbInstance).
func (e *Engine) RegisterRdsDbInstance(ctx context.Context, r models.RdsDbInstance) error {
	stack, err := e.Authorize(ctx, r.StackID, "RegisterRdsDbInstance")
	if err != nil {
		return err
	}
	if r.DbPassword == models.Filtered {
		r.DbPassword = "" // nothing is stored that it could stand for
	}
	r.CreatedAt, r.UpdatedAt = e.Clock(), e.Clock()
	r.Normalize()
	if err := r.Validate(); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.RdsDbInstances.Create(ctx, &r); err != nil {
			return err
		}
		if err := t.changed(ctx, stack.ID, ""); err != nil {
			return err
		}
		return t.audit(ctx, "RegisterRdsDbInstance", onRdsDbInstance(&r), nil, &r, models.Cause{})
	})
}

// UpdateRdsDbInstance lets change alter the database's user and password and,
// where no cloud tells it, its address, port and engine (OpsWorks:
// UpdateRdsDbInstance).
func (e *Engine) UpdateRdsDbInstance(ctx context.Context, arn string, change func(*models.RdsDbInstance) error) error {
	return e.onRdsDbInstance(ctx, arn, "UpdateRdsDbInstance", func(t *tx, r *models.RdsDbInstance) (any, error) {
		before := *r
		if err := change(r); err != nil {
			return nil, err
		}
		r.Arn, r.StackID, r.CreatedAt, r.UpdatedAt = before.Arn, before.StackID, before.CreatedAt, e.Clock()
		if r.DbPassword == models.Filtered {
			r.DbPassword = before.DbPassword
		}
		r.Normalize()
		if err := r.Validate(); err != nil {
			return nil, err
		}
		return r, t.RdsDbInstances.Save(ctx, r)
	})
}

// DeregisterRdsDbInstance takes the database from its stack; it goes on
// running (OpsWorks: DeregisterRdsDbInstance).
func (e *Engine) DeregisterRdsDbInstance(ctx context.Context, arn string) error {
	return e.onRdsDbInstance(ctx, arn, "DeregisterRdsDbInstance", func(t *tx, r *models.RdsDbInstance) (any, error) {
		return nil, t.RdsDbInstances.Delete(ctx, r.Arn)
	})
}

func (e *Engine) onRdsDbInstance(ctx context.Context, arn, action string, do func(*tx, *models.RdsDbInstance) (any, error)) error {
	current, err := e.store.RdsDbInstances.Get(ctx, arn)
	if err != nil {
		return err
	}
	missing := store.NoRdsDbInstance(arn)
	stack, err := e.stackOf(ctx, current.StackID, models.Action(action), missing)
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		r, err := t.RdsDbInstances.GetForUpdate(ctx, arn)
		if err != nil {
			return err
		}
		if r.StackID != stack.ID {
			return missing // it has changed its stack meanwhile
		}
		before := *r
		after, err := do(t, r)
		if err != nil {
			return err
		}
		if err := t.changed(ctx, stack.ID, ""); err != nil {
			return err
		}
		return t.audit(ctx, action, onRdsDbInstance(&before), &before, after, models.Cause{})
	})
}
