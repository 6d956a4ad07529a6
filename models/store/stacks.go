package store

import (
	"context"
	"errors"
	"maps"

	"opsyard/models"
)

// Stacks keeps models.Stack.
type Stacks struct{ *handle }

const kindStack = "stack"

// Get reads one stack.
func (s Stacks) Get(ctx context.Context, id models.StackID) (*models.Stack, error) {
	stack, err := rememberRow(ctx, s.handle, question{what: kindStack, id: string(id)}, func() (*models.Stack, error) {
		return get[models.Stack](s.r(ctx), kindStack, id)
	})
	if err != nil {
		return nil, err
	}
	stack.Attributes, stack.Tags = maps.Clone(stack.Attributes), maps.Clone(stack.Tags)
	return stack, nil
}

// GetForUpdate reads one stack and keeps other transactions from changing it.
// It is also the lock under which a stack's layers, instances and apps change.
func (s Stacks) GetForUpdate(ctx context.Context, id models.StackID) (*models.Stack, error) {
	return get[models.Stack](forUpdate(s.w(ctx)), kindStack, id)
}

// ByIDs reads stacks in the order of ids; a missing one is a NotFound.
func (s Stacks) ByIDs(ctx context.Context, ids []models.StackID) ([]models.Stack, error) {
	return byIDs(s.r(ctx), kindStack, ids, func(k *models.Stack) models.StackID { return k.ID })
}

// List reads all stacks by name.
func (s Stacks) List(ctx context.Context) ([]models.Stack, error) {
	return find[models.Stack](s.r(ctx).Order("name, id"), "list stacks")
}

// Create stores a new stack.
func (s Stacks) Create(ctx context.Context, stack *models.Stack) error {
	return wrap(s.w(ctx).Create(stack).Error, "create stack %s", stack.ID)
}

// Save writes all of a stack but its Version, which BumpVersion counts.
func (s Stacks) Save(ctx context.Context, stack *models.Stack) error {
	return save(s.w(ctx), stack, kindStack, stack.ID, "version")
}

// BumpVersion counts a change to what recipes see of the stack.
func (s Stacks) BumpVersion(ctx context.Context, id models.StackID) (version int64, err error) {
	result := s.w(ctx).Raw("UPDATE stacks SET version = version + 1 WHERE id = ? RETURNING version", id).Scan(&version)
	return version, affected(result, "count a change of", kindStack, id)
}

// ofStack are the tables whose rows go with their stack. Descriptions of
// packed logs (log_blobs) stay until logstream has removed the blobs.
var ofStack = []string{
	"instance_layers", "service_errors", "instances", "layers", "apps", "deployments", "plans",
	"permissions", "group_permissions", "enroll_tokens", "stack_events", "membership_changes", "load_based_auto_scalings", "alarms", "alarm_changes", "scaling_events", "intents", "intent_pauses", "healings", "healing_lifts", "schedule_firings",
	"elastic_ips", "volumes", "raid_arrays", "rds_db_instances", "elastic_load_balancers", "ecs_clusters",
	"notification_channels",
}

// Delete removes a stack with everything that belongs to it. The audit log
// stays.
func (s Stacks) Delete(ctx context.Context, id models.StackID) error {
	const commands = "SELECT id FROM commands WHERE deployment_id IN (SELECT id FROM deployments WHERE stack_id = ?)"
	return s.inTx(ctx, func(h *handle) error {
		db := h.w(ctx)
		if _, err := get[models.Stack](forUpdate(db), kindStack, id); err != nil {
			return err // and nothing joins it from here on
		}
		remove := func(table, where string, args ...any) error {
			return wrap(db.Exec("DELETE FROM "+table+" WHERE "+where, args...).Error, "delete %s of stack %s", table, id)
		}
		err := errors.Join(
			remove("log_chunks", "command_id IN ("+commands+")", id),
			remove("log_steps", "command_id IN ("+commands+")", id),
			remove("commands", "id IN ("+commands+")", id),
			remove("counters", "name = ?", deploymentCounter(id)),
			remove("applied_accounts", "instance_id IN (SELECT id FROM instances WHERE stack_id = ?)", id),
			remove("notification_deliveries", "channel_id IN (SELECT id FROM notification_channels WHERE stack_id = ?)", id),
		)
		for _, table := range ofStack {
			err = errors.Join(err, remove(table, "stack_id = ?", id))
		}
		if err != nil {
			return err
		}
		return affected(db.Exec("DELETE FROM stacks WHERE id = ?", id), "delete", kindStack, id)
	})
}

// StackSummary counts what a stack has.
type StackSummary struct {
	Layers, Apps, Instances int
	ByStatus                map[models.InstanceStatus]int
}

// Summaries counts for several stacks at once; each id has an entry.
func (s Stacks) Summaries(ctx context.Context, ids []models.StackID) (map[models.StackID]StackSummary, error) {
	sums := make(map[models.StackID]StackSummary, len(ids))
	for _, id := range ids {
		sums[id] = StackSummary{ByStatus: map[models.InstanceStatus]int{}}
	}
	for part := range chunks(ids, batch) {
		var rows []struct {
			ID, Kind, Status string
			N                int
		}
		err := s.r(ctx).Raw(`
			SELECT stack_id AS id, 'layer' AS kind, '' AS status, count(*) AS n FROM layers WHERE stack_id IN ? GROUP BY stack_id
			UNION ALL SELECT stack_id, 'app', '', count(*) FROM apps WHERE stack_id IN ? GROUP BY stack_id
			UNION ALL SELECT stack_id, 'instance', status, count(*) FROM instances WHERE stack_id IN ? GROUP BY stack_id, status`,
			part, part, part).Scan(&rows).Error
		if err != nil {
			return nil, wrap(err, "count what stacks have")
		}
		for _, r := range rows {
			sum := sums[models.StackID(r.ID)]
			switch r.Kind {
			case "layer":
				sum.Layers = r.N
			case "app":
				sum.Apps = r.N
			default:
				sum.Instances += r.N
				sum.ByStatus[models.InstanceStatus(r.Status)] = r.N
			}
			sums[models.StackID(r.ID)] = sum
		}
	}
	return sums, nil
}
