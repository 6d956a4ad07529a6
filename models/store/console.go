package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"opsyard/models"
)

// What follows is read by pages. Each query costs the same whether a stack has
// ten instances or thousands: counts are made by the database, rows are limited.

// CountsByLayer counts the instances of each of a stack's layers by status; an
// instance of two layers counts in both.
func (s Instances) CountsByLayer(ctx context.Context, stack models.StackID) (map[models.LayerID]map[models.InstanceStatus]int, error) {
	var rows []tally
	err := s.r(ctx).Raw(`SELECT l.layer_id AS id, i.status, count(*) AS n FROM instance_layers l
		JOIN instances i ON i.id = l.instance_id WHERE l.stack_id = ? GROUP BY l.layer_id, i.status`, stack).Scan(&rows).Error
	if err != nil {
		return nil, wrap(err, "count instances by layer of stack %s", stack)
	}
	counts := map[models.LayerID]map[models.InstanceStatus]int{}
	for _, r := range rows {
		id := models.LayerID(r.ID)
		if counts[id] == nil {
			counts[id] = map[models.InstanceStatus]int{}
		}
		counts[id][models.InstanceStatus(r.Status)] = r.N
	}
	return counts, nil
}

// Cell is an instance in a layer, as small as a page of many needs it.
type Cell struct {
	LayerID     models.LayerID
	ID          models.InstanceID
	Hostname    string
	Status      models.InstanceStatus
	StatusSince time.Time
}

// Cells reads the instances of layers; the caller names the layers that are
// small enough to be drawn one by one.
func (s Instances) Cells(ctx context.Context, layers []models.LayerID) ([]Cell, error) {
	var cells []Cell
	for part := range chunks(layers, batch) {
		query := s.r(ctx).Raw(`SELECT l.layer_id, i.id, i.hostname, i.status, i.status_since FROM instance_layers l
			JOIN instances i ON i.id = l.instance_id WHERE l.layer_id IN ? ORDER BY rtrim(i.hostname, '0123456789'), length(i.hostname), i.hostname`, part)
		err := each(query, func(rows *sql.Rows) error {
			var c Cell
			err := rows.Scan(&c.LayerID, &c.ID, &c.Hostname, &c.Status, &c.StatusSince)
			cells = append(cells, c)
			return err
		})
		if err != nil {
			return nil, wrap(err, "read instances of layers")
		}
	}
	return cells, nil
}

// InStatus reads a few of a stack's instances in some states, those longest in
// them first.
func (s Instances) InStatus(ctx context.Context, stack models.StackID, limit int, statuses ...models.InstanceStatus) ([]Cell, error) {
	var cells []Cell
	err := s.r(ctx).Raw(`SELECT id, hostname, status, status_since FROM instances
		WHERE stack_id = ? AND status IN ? ORDER BY status_since, hostname LIMIT ?`, stack, statuses, limit).Scan(&cells).Error
	return cells, wrap(err, "read instances by status of stack %s", stack)
}

// Count247 counts a stack's 24/7 instances in some states: those that starting
// or stopping the stack acts on.
func (s Instances) Count247(ctx context.Context, stack models.StackID, statuses ...models.InstanceStatus) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.Instance{}).
		Where("stack_id = ? AND status IN ? AND auto_scaling_type = ''", stack, statuses).Count(&n).Error
	return int(n), wrap(err, "count 24/7 instances of stack %s", stack)
}

// FirstLayers names the first layer of each instance.
func (s Instances) FirstLayers(ctx context.Context, instances []models.InstanceID) (map[models.InstanceID]string, error) {
	names := make(map[models.InstanceID]string, len(instances))
	for part := range chunks(instances, batch) {
		var rows []struct{ ID, Shortname string }
		err := s.r(ctx).Raw(`SELECT l.instance_id AS id, y.shortname FROM instance_layers l
			JOIN layers y ON y.id = l.layer_id WHERE l.instance_id IN ? AND l.position = 0`, part).Scan(&rows).Error
		if err != nil {
			return nil, wrap(err, "read layers of instances")
		}
		for _, r := range rows {
			names[models.InstanceID(r.ID)] = r.Shortname
		}
	}
	return names, nil
}

// CommandFilter narrows Page; an empty one does not.
type CommandFilter struct{ Statuses []models.CommandStatus }

// worstFirst orders commands as people ask for them: what failed, what runs,
// what waits, what is done.
const worstFirst = `CASE status WHEN 'failed' THEN 0 WHEN 'expired' THEN 1 WHEN 'running' THEN 2 WHEN 'sent' THEN 3
	WHEN 'pending' THEN 4 WHEN 'successful' THEN 5 ELSE 6 END,
	rtrim(hostname, '0123456789'), length(hostname), hostname, number`

// Page reads a part of a deployment's commands, failed first.
func (s Commands) Page(ctx context.Context, id models.DeploymentID, f CommandFilter, limit, offset int) ([]models.Command, error) {
	query := s.r(ctx).Where("deployment_id = ?", id)
	if len(f.Statuses) > 0 {
		query = query.Where("status IN ?", f.Statuses)
	}
	return find[models.Command](query.Order(worstFirst).Limit(limit).Offset(offset), "list commands of deployment %s", id)
}

// FailureGroup is the commands of a deployment that failed alike.
type FailureGroup struct {
	Failure string
	Message string // of the first of them
	N       int
}

// FailureGroups groups a deployment's failures, largest first, and tells how
// many groups there are.
func (s Commands) FailureGroups(ctx context.Context, id models.DeploymentID, limit int) ([]FailureGroup, int, error) {
	var rows []struct {
		FailureGroup
		Groups int
	}
	err := s.r(ctx).Raw(`SELECT g.failure, g.n, g.groups, c.message FROM (
			SELECT failure, count(*) AS n, min(number) AS first, count(*) OVER () AS groups FROM commands
			WHERE deployment_id = ? AND status IN ('failed', 'expired') GROUP BY failure
		) g JOIN commands c ON c.number = g.first ORDER BY g.n DESC, g.failure LIMIT ?`, id, limit).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, 0, wrap(err, "group failures of deployment %s", id)
	}
	groups := make([]FailureGroup, len(rows))
	for n, r := range rows {
		groups[n] = r.FailureGroup
	}
	return groups, rows[0].Groups, nil
}

// FailedWith reads the first commands of a FailureGroup.
func (s Commands) FailedWith(ctx context.Context, id models.DeploymentID, failure string, limit int) ([]models.Command, error) {
	return find[models.Command](s.r(ctx).Where("deployment_id = ? AND status IN ('failed', 'expired') AND failure = ?", id, failure).
		Order("number").Limit(limit), "list failures of deployment %s", id)
}

// InstancesWith lists the instances on which a deployment's commands ended in
// one of the states.
func (s Commands) InstancesWith(ctx context.Context, id models.DeploymentID, statuses ...models.CommandStatus) ([]models.InstanceID, error) {
	var ids []models.InstanceID
	err := s.r(ctx).Model(&models.Command{}).Where("deployment_id = ? AND status IN ?", id, statuses).Order("number").Pluck("instance_id", &ids).Error
	return ids, wrap(err, "list instances of deployment %s", id)
}

// Steps reads the recipes and phases that commands have gone through, without
// the resources inside them.
func (s Commands) Steps(ctx context.Context, ids []models.CommandID) ([]models.LogStep, error) {
	var steps []models.LogStep
	for part := range chunks(ids, batch) {
		some, err := find[models.LogStep](s.r(ctx).Where("command_id IN ? AND kind <> 'resource'", part).Order("command_id, \"index\""), "read steps of commands")
		if err != nil {
			return nil, err
		}
		steps = append(steps, some...)
	}
	return steps, nil
}

// DeploymentFilter narrows Page; zero members do not.
type DeploymentFilter struct {
	Status   models.DeploymentStatus
	AppID    models.AppID
	Commands []models.CommandName
	Asked    bool // by people
	ByEngine bool // not by people: lifecycle events
}

// Page reads a part of a stack's deployments, newest first, and how many the
// filter lets through in all.
func (s Deployments) Page(ctx context.Context, stack models.StackID, f DeploymentFilter, limit, offset int) ([]models.Deployment, int, error) {
	where, args := "stack_id = ?", []any{stack}
	add := func(clause string, value any) {
		where += " AND " + clause
		args = append(args, value)
	}
	if f.Status != "" {
		add("status = ?", f.Status)
	}
	if f.AppID != "" {
		add("app_id = ?", f.AppID)
	}
	if len(f.Commands) > 0 {
		add("command_name IN ?", f.Commands)
	}
	if f.Asked {
		where += " AND user_id <> ''"
	}
	if f.ByEngine {
		where += " AND user_id = ''"
	}
	var total int64
	if err := s.r(ctx).Model(&models.Deployment{}).Where(where, args...).Count(&total).Error; err != nil {
		return nil, 0, wrap(err, "count deployments of stack %s", stack)
	}
	list, err := find[models.Deployment](s.r(ctx).Where(where, args...).Order("number DESC").Limit(limit).Offset(offset),
		"list deployments of stack %s", stack)
	return list, int(total), err
}

// Usual is the median time that the last successful deployments like this one
// took; 0 when there were none.
func (s Deployments) Usual(ctx context.Context, d *models.Deployment) (time.Duration, error) {
	like, err := find[models.Deployment](s.r(ctx).Select("created_at", "completed_at").
		Where("stack_id = ? AND command_name = ? AND app_id = ? AND status = 'successful' AND number < ? AND commands > 0 AND NOT dry_run",
			d.StackID, d.CommandName, d.AppID, d.Number).
		Order("number DESC").Limit(9), "read deployments like %s", d.ID)
	if err != nil || len(like) == 0 {
		return 0, err
	}
	took := make([]time.Duration, 0, len(like))
	for _, l := range like {
		if l.CompletedAt != nil {
			took = append(took, l.CompletedAt.Sub(l.CreatedAt))
		}
	}
	if len(took) == 0 {
		return 0, nil
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// RecentFailures reads the newest failed deployments that are the last word of
// their app and command.
func (s Deployments) RecentFailures(ctx context.Context, stack models.StackID, since time.Time, limit int) ([]models.Deployment, error) {
	return find[models.Deployment](s.r(ctx).Where(`stack_id = ? AND status = 'failed' AND NOT dry_run AND created_at > ? AND number IN
		(SELECT max(number) FROM deployments WHERE stack_id = ? AND status <> 'running' AND NOT dry_run GROUP BY app_id, command_name)`,
		stack, stamp(since), stack).Order("number DESC").Limit(limit), "list failed deployments of stack %s", stack)
}

// Timeline reads a stack's events since a moment, newest first; an empty kind
// means all.
func (s Events) Timeline(ctx context.Context, stack models.StackID, kind string, since time.Time, limit int) ([]models.StackEvent, error) {
	query := s.r(ctx).Where("stack_id = ? AND at > ?", stack, stamp(since))
	if kind != "" {
		query = query.Where("kind = ?", kind)
	}
	return find[models.StackEvent](query.Order("id DESC").Limit(limit), "read the timeline of stack %s", stack)
}

// ByIDs reads those of the events that are still kept.
func (s Events) ByIDs(ctx context.Context, ids []int64) ([]models.StackEvent, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > batch {
		return nil, fmt.Errorf("read %d events at once: at most %d", len(ids), batch)
	}
	return find[models.StackEvent](s.r(ctx).Where("id IN ?", ids), "read events")
}

// LoadBased counts the load-based instances of a layer.
func (s Instances) LoadBased(ctx context.Context, layer models.LayerID) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.Instance{}).Where(inLayer, layer).Where("auto_scaling_type = ?", models.ScalingLoad).Count(&n).Error
	return int(n), wrap(err, "count the load-based instances of layer %s", layer)
}

// Page reads a part of a stack's service errors since a moment, newest first,
// and how many there are in all.
func (s ServiceErrors) Page(ctx context.Context, stack models.StackID, since time.Time, limit, offset int) ([]models.ServiceError, int, error) {
	query := s.r(ctx).Model(&models.ServiceError{}).Where("stack_id = ? AND created_at >= ?", stack, since.UTC())
	var total int64
	if err := query.Session(&gorm.Session{}).Count(&total).Error; err != nil {
		return nil, 0, wrap(err, "count the service errors of stack %s", stack)
	}
	list, err := find[models.ServiceError](query.Session(&gorm.Session{}).Order("created_at DESC, id").Limit(limit).Offset(offset),
		"list service errors of stack %s", stack)
	return list, int(total), err
}

// HostnamesOf reads the hostnames of some instances; those that are gone have none.
func (s Instances) HostnamesOf(ctx context.Context, ids []models.InstanceID) (map[models.InstanceID]string, error) {
	var rows []models.Instance
	if err := s.r(ctx).Model(&models.Instance{}).Select("id", "hostname").Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, wrap(err, "read hostnames")
	}
	names := make(map[models.InstanceID]string, len(rows))
	for _, i := range rows {
		names[i.ID] = i.Hostname
	}
	return names, nil
}
