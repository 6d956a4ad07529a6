package store

import (
	"context"

	"opsyard/models"

	"gorm.io/gorm"
)

// What pages of the console read of resources: counts, and a part at a time,
// so that a page costs the same for a small stack and a large one.

// Page reads a part of a stack's addresses, by age, and how many there are.
func (s ElasticIPs) Page(ctx context.Context, stack models.StackID, limit, offset int) ([]models.ElasticIP, int, error) {
	return pageOf[models.ElasticIP](s.r(ctx), stack, "created_at, ip", limit, offset)
}

// Page reads a part of a stack's volumes, by age, and how many there are.
func (s Volumes) Page(ctx context.Context, stack models.StackID, limit, offset int) ([]models.Volume, int, error) {
	return pageOf[models.Volume](s.r(ctx), stack, "created_at, id", limit, offset)
}

// Page reads a part of a stack's arrays, by age, and how many there are.
func (s RaidArrays) Page(ctx context.Context, stack models.StackID, limit, offset int) ([]models.RaidArray, int, error) {
	return pageOf[models.RaidArray](s.r(ctx), stack, "created_at, id", limit, offset)
}

func pageOf[T any](db *gorm.DB, stack models.StackID, order string, limit, offset int) ([]T, int, error) {
	query := db.Model(new(T)).Where("stack_id = ?", stack).Session(&gorm.Session{})
	var total int64
	if err := query.Count(&total).Error; err != nil {
		return nil, 0, wrap(err, "count resources of stack %s", stack)
	}
	rows, err := find[T](query.Order(order).Limit(limit).Offset(offset), "list resources of stack %s", stack)
	return rows, int(total), err
}

// ByHostname reads the instance of a stack with a hostname.
func (s Instances) ByHostname(ctx context.Context, stack models.StackID, hostname string) (*models.Instance, error) {
	var i models.Instance
	if err := s.r(ctx).Where("stack_id = ? AND hostname = ?", stack, hostname).Take(&i).Error; err != nil {
		return nil, found(err, "instance", hostname)
	}
	return &i, nil
}

// ResourceCounts is how many resources of each kind a stack has.
type ResourceCounts struct {
	ElasticIPs, Volumes, RaidArrays, RdsDbInstances, ElasticLoadBalancers, EcsClusters int
}

// ResourceCounts counts a stack's resources.
func (s Stacks) ResourceCounts(ctx context.Context, id models.StackID) (ResourceCounts, error) {
	var n ResourceCounts
	err := s.r(ctx).Raw(`SELECT
		(SELECT count(*) FROM elastic_ips WHERE stack_id = @id) AS elastic_ips,
		(SELECT count(*) FROM volumes WHERE stack_id = @id) AS volumes,
		(SELECT count(*) FROM raid_arrays WHERE stack_id = @id) AS raid_arrays,
		(SELECT count(*) FROM rds_db_instances WHERE stack_id = @id) AS rds_db_instances,
		(SELECT count(*) FROM elastic_load_balancers WHERE stack_id = @id) AS elastic_load_balancers,
		(SELECT count(*) FROM ecs_clusters WHERE stack_id = @id) AS ecs_clusters`, map[string]any{"id": id}).Scan(&n).Error
	return n, wrap(err, "count resources of stack %s", id)
}
