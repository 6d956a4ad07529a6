package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"opsyard/models"
)

// A rolling deployment's rows change here, a batch at a time. Each change says
// which batch it comes from: of two servers that see the end of a batch, one
// moves the deployment on.

// rolling are the columns by which a rollout is decided; the rest of a
// deployment is large.
var rolling = []string{"id", "number", "stack_id", "status", "command_name", "cause", "commands", "dry_run", "rollout", "batch", "batches", "next_batch_at", "paused_by", "stop_reason", "app_id", "plan_id", "pause_reason", "accepted"}

// LockRollout keeps other transactions from moving or rolling up the
// deployment until this one ends, and reads what its rollout depends on.
func (s Deployments) LockRollout(ctx context.Context, id models.DeploymentID) (*models.Deployment, error) {
	return get[models.Deployment](forUpdate(s.w(ctx).Select(rolling)), kindDeployment, id)
}

// Rolling reads the running deployments that have batches left, oldest first.
func (s Deployments) Rolling(ctx context.Context, limit int) ([]models.Deployment, error) {
	return find[models.Deployment](s.r(ctx).Select(rolling).Where("status = ? AND batch < batches AND stop_reason = ''", models.DeploymentRunning).
		Order("created_at").Limit(limit), "list rolling deployments")
}

// change writes columns of a running deployment that is still at a batch, and
// tells whether it was.
func (s Deployments) change(ctx context.Context, d *models.Deployment, where string, columns map[string]any) (bool, error) {
	result := s.w(ctx).Model(&models.Deployment{}).
		Where("id = ? AND status = ? AND batch = ?"+where, d.ID, models.DeploymentRunning, d.Batch).Updates(columns)
	return result.RowsAffected > 0, wrap(result.Error, "change the rollout of deployment %s", d.ID)
}

// NextBatch lets the batch after d's run.
func (s Deployments) NextBatch(ctx context.Context, d *models.Deployment) (bool, error) {
	return s.change(ctx, d, " AND batch < batches AND paused_by = '' AND stop_reason = ''", map[string]any{"batch": d.Batch + 1, "next_batch_at": nil})
}

// PauseUntil notes when the pause after d's batch is over.
func (s Deployments) PauseUntil(ctx context.Context, d *models.Deployment, at time.Time) (bool, error) {
	return s.change(ctx, d, "", map[string]any{"next_batch_at": stamp(at)})
}

// Pause notes who holds the rollout; an empty name lets it go on.
func (s Deployments) Pause(ctx context.Context, d *models.Deployment, by string) (bool, error) {
	where := " AND batch < batches AND stop_reason = '' AND paused_by = ''"
	if by == "" {
		where = " AND paused_by <> ''"
	}
	return s.change(ctx, d, where, map[string]any{"paused_by": clip(by, 64), "pause_reason": ""})
}

// PauseBecause holds the rollout for a reason; accepted is what goes on when
// somebody continues.
func (s Deployments) PauseBecause(ctx context.Context, d *models.Deployment, by, reason string, accepted map[string]string) (bool, error) {
	text, err := json.Marshal(accepted)
	if err != nil {
		return false, fmt.Errorf("encode what is accepted: %w", err)
	}
	return s.change(ctx, d, " AND batch < batches AND stop_reason = '' AND paused_by = ''",
		map[string]any{"paused_by": by, "pause_reason": clip(reason, maxText), "accepted": string(text)})
}

// RollingOf reads a deployment of the app, other than one, that has batches
// left; nil for none. Dry runs do not count.
func (s Deployments) RollingOf(ctx context.Context, app models.AppID, but models.DeploymentID) (*models.Deployment, error) {
	list, err := find[models.Deployment](s.r(ctx).Select(rolling).
		Where("app_id = ? AND status = ? AND batch < batches AND stop_reason = '' AND NOT dry_run AND id <> ?", app, models.DeploymentRunning, but).
		Order("number").Limit(1), "look for a rolling deployment of app %s", app)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// ChooseMigrator makes another instance the one that migrates, and tells
// whether the deployment had the one that the caller knew of.
func (s Deployments) ChooseMigrator(ctx context.Context, id models.DeploymentID, from, to models.InstanceID) (bool, error) {
	result := s.w(ctx).Exec("UPDATE deployments SET migrator_id = ? WHERE id = ? AND COALESCE(migrator_id, '') = ?", to, id, from)
	return result.RowsAffected > 0, wrap(result.Error, "choose who migrates in deployment %s", id)
}

// StopRollout notes why the batches that are left do not run.
func (s Deployments) StopRollout(ctx context.Context, d *models.Deployment, reason string) (bool, error) {
	return s.change(ctx, d, " AND stop_reason = ''", map[string]any{"stop_reason": clip(reason, maxText), "next_batch_at": nil, "paused_by": "", "pause_reason": ""})
}

// SkipPending ends the commands of a deployment that have not been handed to
// an agent, and returns them.
func (s Commands) SkipPending(ctx context.Context, id models.DeploymentID, message string, at time.Time) ([]models.Command, error) {
	var skipped []models.Command
	err := s.w(ctx).Raw(`UPDATE commands SET status = 'skipped', held = FALSE, message = ?, completed_at = ?, lease_until = NULL, deadline = NULL
		WHERE deployment_id = ? AND status = 'pending' RETURNING *`, clip(message, maxText), stamp(at), id).Scan(&skipped).Error
	return skipped, wrap(err, "skip commands of deployment %s", id)
}

// reachableNow are the states of instances for which a batch waits. Instances
// in other states have gone, or have not come back: they get what was deployed
// at their next Setup.
const reachableNow = "('online', 'setup_failed', 'registered', 'running_setup', 'rebooting')"

// SkipGone ends the pending commands of a deployment's batches up to batch
// whose instances have gone, and returns them.
func (s Commands) SkipGone(ctx context.Context, id models.DeploymentID, batch int, at time.Time) ([]models.Command, error) {
	var skipped []models.Command
	err := s.w(ctx).Raw(`UPDATE commands SET status = 'skipped', held = FALSE, completed_at = ?, lease_until = NULL, deadline = NULL,
			message = 'Skipped: when its batch came, the instance was ' || COALESCE((SELECT i.status FROM instances i WHERE i.id = commands.instance_id), 'deleted') || '.'
		WHERE deployment_id = ? AND batch <= ? AND status = 'pending'
		AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.id = commands.instance_id AND i.status IN `+reachableNow+`)
		RETURNING *`, stamp(at), id, batch).Scan(&skipped).Error
	return skipped, wrap(err, "skip commands of deployment %s", id)
}

// Release lets the pending commands of a batch run, and returns them. Their
// deadline begins now.
func (s Commands) Release(ctx context.Context, id models.DeploymentID, batch int, now time.Time, patience time.Duration) ([]models.Command, error) {
	var released []models.Command
	held, err := find[models.Command](s.w(ctx).Select("timeout_seconds").Distinct().
		Where("deployment_id = ? AND batch = ? AND status = 'pending' AND held", id, batch), "read batch %d of deployment %s", batch, id)
	if err != nil {
		return nil, err
	}
	for _, c := range held { // one statement for each time limit, of which there is one or two
		deadline := now.Add(time.Duration(c.TimeoutSeconds)*time.Second + patience)
		var some []models.Command
		err := s.w(ctx).Raw(`UPDATE commands SET held = FALSE, deadline = ?
			WHERE deployment_id = ? AND batch = ? AND status = 'pending' AND held AND timeout_seconds = ? RETURNING *`,
			stamp(deadline), id, batch, c.TimeoutSeconds).Scan(&some).Error
		if err != nil {
			return nil, wrap(err, "release batch %d of deployment %s", batch, id)
		}
		released = append(released, some...)
	}
	return released, nil
}

// BatchState is what is left of the batches of a deployment that may run.
type BatchState struct {
	Waits  int // unfinished, on instances that are there
	Lost   int // begun, on instances that have gone
	Absent int // not begun, on instances that have gone
}

// BatchState counts what is not finished of the batches up to batch.
func (s Commands) BatchState(ctx context.Context, id models.DeploymentID, batch int) (b BatchState, err error) {
	err = s.w(ctx).Raw(`SELECT count(CASE WHEN there THEN 1 END) AS waits,
			count(CASE WHEN NOT there AND status <> 'pending' THEN 1 END) AS lost,
			count(CASE WHEN NOT there AND status = 'pending' THEN 1 END) AS absent
		FROM (SELECT c.status, i.id IS NOT NULL AND i.status IN `+reachableNow+` AS there FROM commands c LEFT JOIN instances i ON i.id = c.instance_id
			WHERE c.deployment_id = ? AND c.batch <= ? AND c.status IN ('pending', 'sent', 'running')) AS unfinished`, id, batch).Scan(&b).Error
	return b, wrap(err, "look at batch %d of deployment %s", batch, id)
}

// BatchRan tells whether anything of a batch was begun.
func (s Commands) BatchRan(ctx context.Context, id models.DeploymentID, batch int) (bool, error) {
	var n int64
	err := s.w(ctx).Model(&models.Command{}).Where("deployment_id = ? AND batch = ? AND status <> 'skipped'", id, batch).Count(&n).Error
	return n > 0, wrap(err, "look at batch %d of deployment %s", batch, id)
}

// BatchCounts counts the commands of each batch of a deployment by status.
func (s Commands) BatchCounts(ctx context.Context, id models.DeploymentID) (map[int]map[models.CommandStatus]int, error) {
	var rows []struct {
		Batch  int
		Status models.CommandStatus
		N      int
	}
	err := s.r(ctx).Raw("SELECT batch, status, count(*) AS n FROM commands WHERE deployment_id = ? GROUP BY batch, status", id).Scan(&rows).Error
	counts := map[int]map[models.CommandStatus]int{}
	for _, r := range rows {
		if counts[r.Batch] == nil {
			counts[r.Batch] = map[models.CommandStatus]int{}
		}
		counts[r.Batch][r.Status] = r.N
	}
	return counts, wrap(err, "count the batches of deployment %s", id)
}
