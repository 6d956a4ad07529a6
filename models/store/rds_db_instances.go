package store

import (
	"context"
	"fmt"

	"opsyard/models"
)

// RdsDbInstances keeps models.RdsDbInstance.
type RdsDbInstances struct{ *handle }

// NoRdsDbInstance says that no database with the ARN is registered, in
// OpsWorks' words, which clients look for.
func NoRdsDbInstance(arn string) *models.Error {
	return &models.Error{Code: models.CodeNotFound, Message: fmt.Sprintf("unable to find rds instance with ARN %s", arn)}
}

// Get reads one database.
func (s RdsDbInstances) Get(ctx context.Context, arn string) (*models.RdsDbInstance, error) {
	row, err := getBy[models.RdsDbInstance](s.r(ctx), "arn", "rds instance", arn)
	return row, rdsMissing(err, arn)
}

// GetForUpdate reads one database and keeps other transactions from changing it.
func (s RdsDbInstances) GetForUpdate(ctx context.Context, arn string) (*models.RdsDbInstance, error) {
	row, err := getBy[models.RdsDbInstance](forUpdate(s.w(ctx)), "arn", "rds instance", arn)
	return row, rdsMissing(err, arn)
}

func rdsMissing(err error, arn string) error {
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return NoRdsDbInstance(arn)
	}
	return err
}

// OfStack reads those of a stack's databases that arns name, in that order; one
// that is not registered with the stack is a NotFound. It is also the check of
// an app's data source.
func (s RdsDbInstances) OfStack(ctx context.Context, stack models.StackID, arns ...string) ([]models.RdsDbInstance, error) {
	rows, err := findBy[models.RdsDbInstance](s.r(ctx).Where("stack_id = ?", stack), "arn", arns, "read rds instances")
	if err != nil {
		return nil, err
	}
	return inOrder(rows, arns, func(r *models.RdsDbInstance) string { return r.Arn }, func(missing string) error {
		return NoRdsDbInstance(missing)
	})
}

// InStack reads the databases that are registered with a stack.
func (s RdsDbInstances) InStack(ctx context.Context, stack models.StackID) ([]models.RdsDbInstance, error) {
	return find[models.RdsDbInstance](s.r(ctx).Where("stack_id = ?", stack).Order("created_at, arn"), "list rds instances of stack %s", stack)
}

// Create registers a database.
func (s RdsDbInstances) Create(ctx context.Context, r *models.RdsDbInstance) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, r.StackID); err != nil {
			return err
		}
		return registered(h.w(ctx).Create(r).Error, "RdsDbInstanceArn", "Database "+r.Arn, "register")
	})
}

// Save writes all of a database.
func (s RdsDbInstances) Save(ctx context.Context, r *models.RdsDbInstance) error {
	return saveBy(s.w(ctx), r, "arn", "rds instance", r.Arn)
}

// Delete deregisters a database.
func (s RdsDbInstances) Delete(ctx context.Context, arn string) error {
	return rdsMissing(deleteBy(s.w(ctx), "rds_db_instances", "arn", "rds instance", arn), arn)
}
