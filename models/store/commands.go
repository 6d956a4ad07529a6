package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
)

// Commands keeps models.Command. An instance has at most one command that is
// sent or running; the unique index command_active says so to the database.
type Commands struct{ *handle }

const (
	kindCommand    = "command"
	commandCounter = "command"
)

// unfinished are the states in which something will still happen.
const unfinished = "status IN ('pending', 'sent', 'running')"

// Get reads one command.
func (s Commands) Get(ctx context.Context, id models.CommandID) (*models.Command, error) {
	return get[models.Command](s.r(ctx), kindCommand, id)
}

// ByIDs reads commands in the order of ids; a missing one is a NotFound.
func (s Commands) ByIDs(ctx context.Context, ids []models.CommandID) ([]models.Command, error) {
	return byIDs(s.r(ctx), kindCommand, ids, func(c *models.Command) models.CommandID { return c.ID })
}

// OfDeployment reads a deployment's commands in order.
func (s Commands) OfDeployment(ctx context.Context, id models.DeploymentID) ([]models.Command, error) {
	return find[models.Command](s.r(ctx).Where("deployment_id = ?", id).Order("number"), "list commands of deployment %s", id)
}

// OfInstance reads an instance's commands, newest first.
func (s Commands) OfInstance(ctx context.Context, id models.InstanceID, limit int) ([]models.Command, error) {
	return find[models.Command](s.r(ctx).Where("instance_id = ?", id).Order("number DESC").Limit(limit), "list commands of instance %s", id)
}

// Unfinished reads what an instance still has to do, in order.
func (s Commands) Unfinished(ctx context.Context, id models.InstanceID) ([]models.Command, error) {
	return find[models.Command](s.r(ctx).Where("instance_id = ? AND "+unfinished, id).Order("number"), "list unfinished commands of instance %s", id)
}

// AllFinished tells whether nothing of a deployment is left to happen. It looks
// for one command only: each end of a command of a large deployment asks.
func (s Commands) AllFinished(ctx context.Context, id models.DeploymentID) (bool, error) {
	var left int
	err := s.r(ctx).Raw("SELECT count(*) FROM (SELECT 1 FROM commands WHERE deployment_id = ? AND "+unfinished+" LIMIT 1) AS one", id).Scan(&left).Error
	return left == 0, wrap(err, "look for unfinished commands of deployment %s", id)
}

// CountByStatus counts a deployment's commands.
func (s Commands) CountByStatus(ctx context.Context, id models.DeploymentID) (map[models.CommandStatus]int, error) {
	all, err := s.Counts(ctx, []models.DeploymentID{id})
	return all[id], err
}

// Counts counts the commands of several deployments; each id has an entry.
func (s Commands) Counts(ctx context.Context, ids []models.DeploymentID) (map[models.DeploymentID]map[models.CommandStatus]int, error) {
	counts := make(map[models.DeploymentID]map[models.CommandStatus]int, len(ids))
	for _, id := range ids {
		counts[id] = map[models.CommandStatus]int{}
	}
	for part := range chunks(ids, batch) {
		var rows []tally
		err := s.r(ctx).Raw("SELECT deployment_id AS id, status, count(*) AS n FROM commands WHERE deployment_id IN ? GROUP BY deployment_id, status", part).Scan(&rows).Error
		if err != nil {
			return nil, wrap(err, "count commands")
		}
		for _, r := range rows {
			counts[models.DeploymentID(r.ID)][models.CommandStatus(r.Status)] = r.N
		}
	}
	return counts, nil
}

// Create stores commands and numbers them in the order given, after all that
// exist.
func (s Commands) Create(ctx context.Context, commands []models.Command) error {
	if len(commands) == 0 {
		return nil
	}
	return s.inTx(ctx, func(h *handle) error {
		first, err := h.reserve(ctx, commandCounter, len(commands))
		if err != nil {
			return fmt.Errorf("number commands: %w", err)
		}
		for n := range commands {
			commands[n].Number = first + int64(n)
		}
		return Commands{h}.insert(ctx, commands)
	})
}

// supersede finds its rows by instance. There is no index of commands by stack:
// SQLite would choose it, and read all that a stack has ever run.
const supersede = `UPDATE commands SET status = 'superseded', completed_at = ?, lease_until = NULL, deadline = NULL
	WHERE instance_id IN ? AND status = 'pending' AND type = 'configure' AND NOT held AND stack_id = ? RETURNING id, deployment_id, instance_id, hostname`

// SupersedeConfigures ends the pending Configures of instances that are about
// to get a newer one, and returns them as far as others must know them.
func (s Commands) SupersedeConfigures(ctx context.Context, stack models.StackID, instances []models.InstanceID, at time.Time) ([]models.Command, error) {
	var ended []models.Command
	for part := range chunks(instances, batch) {
		err := each(s.w(ctx).Raw(supersede, stamp(at), part, stack), func(rows *sql.Rows) error {
			c := models.Command{StackID: stack, Type: models.CommandConfigure, Status: models.CommandSuperseded}
			err := rows.Scan(&c.ID, &c.DeploymentID, &c.InstanceID, &c.Hostname)
			ended = append(ended, c)
			return err
		})
		if err != nil {
			return nil, wrap(err, "supersede configures of stack %s", stack)
		}
	}
	return ended, nil
}

// leaseNext takes the oldest pending command of each instance that has none
// sent or running. On PostgreSQL two replicas that lease for the same instance
// choose the same row, and the second one skips it.
const leaseNext = `
UPDATE commands SET status = 'sent', attempt = attempt + 1, lease_until = ? WHERE id IN (
	SELECT c.id FROM commands c
	WHERE c.instance_id IN ? AND c.status = 'pending' AND NOT c.held
	AND c.number = (SELECT min(p.number) FROM commands p WHERE p.instance_id = c.instance_id AND p.status = 'pending' AND NOT p.held)
	AND NOT EXISTS (SELECT 1 FROM commands a WHERE a.instance_id = c.instance_id AND a.status IN ('sent', 'running'))
	AND (c.deadline IS NULL OR c.deadline > ?)
	/*lock*/
) RETURNING *`

var leaseNextLocking = strings.Replace(leaseNext, "/*lock*/", "FOR UPDATE OF c SKIP LOCKED", 1)

// Lease marks as sent the next command of each given instance that is not busy,
// and returns them in order. The lease ends at until. What is overdue is not
// sent any more.
func (s Commands) Lease(ctx context.Context, instances []models.InstanceID, now, until time.Time) ([]models.Command, error) {
	query := leaseNext
	if s.dialect == Postgres {
		query = leaseNextLocking
	}
	var leased []models.Command
	for part := range chunks(instances, batch) {
		var some []models.Command
		if err := s.w(ctx).Raw(query, stamp(until), part, stamp(now)).Scan(&some).Error; err != nil {
			return leased, wrap(err, "lease commands")
		}
		leased = append(leased, some...)
	}
	slices.SortFunc(leased, byNumber)
	return leased, nil
}

func byNumber(a, b models.Command) int { return int(a.Number - b.Number) }

// ReleaseLeases makes pending again what agents did not confirm in time, and
// counts it.
func (s Commands) ReleaseLeases(ctx context.Context, now time.Time) (int, error) {
	result := s.w(ctx).Exec("UPDATE commands SET status = 'pending', lease_until = NULL WHERE status = 'sent' AND lease_until <= ?", stamp(now))
	return int(result.RowsAffected), wrap(result.Error, "release leases")
}

// Overdue reads unfinished commands whose deadline is over, oldest first.
func (s Commands) Overdue(ctx context.Context, now time.Time, limit int) ([]models.Command, error) {
	return find[models.Command](s.r(ctx).Where("deadline <= ? AND "+unfinished, stamp(now)).Order("deadline").Limit(limit), "list overdue commands")
}

// Cancel notes that somebody wants an unfinished command to end. A Conflict
// says that it has ended.
func (s Commands) Cancel(ctx context.Context, id models.CommandID, reason string) error {
	result := s.w(ctx).Exec("UPDATE commands SET cancel_reason = ? WHERE id = ? AND "+unfinished, clip(reason, maxText), id)
	if result.Error != nil || result.RowsAffected > 0 {
		return wrap(result.Error, "cancel command %s", id)
	}
	return s.missedMove(ctx, id)
}

// CommandChange is what Move writes along with the state. Nil members and an
// empty Message stay as they are. A lease ends with every move that does not
// set a new one; the deadline ends with the command.
type CommandChange struct {
	At         time.Time
	ExitCode   *int
	Message    string
	Failure    string
	LogLastSeq *int64
	Sources    []models.Fetched
	LeaseUntil *time.Time
	Deadline   *time.Time
}

// Move changes the state of a command that is still in one of the states from.
// If it is not, Move returns a Conflict and changes nothing.
func (s Commands) Move(ctx context.Context, id models.CommandID, from []models.CommandStatus, to models.CommandStatus, c CommandChange) error {
	for _, f := range from {
		if !f.CanBecome(to) {
			return fmt.Errorf("move command %s: the state chart has no way from %s to %s", id, f, to)
		}
	}
	result := s.w(ctx).Model(&models.Command{}).Where("id = ? AND status IN ?", id, from).Updates(c.columns(to))
	if result.Error != nil || result.RowsAffected > 0 {
		return wrap(result.Error, "move command %s to %s", id, to)
	}
	return s.missedMove(ctx, id)
}

func (c *CommandChange) columns(to models.CommandStatus) map[string]any {
	set := map[string]any{"status": to, "lease_until": stampPtr(c.LeaseUntil)}
	switch {
	case to == models.CommandRunning:
		set["acknowledged_at"], set["started_at"] = stamp(c.At), stamp(c.At)
	case to.Finished():
		set["completed_at"], set["deadline"], set["held"] = stamp(c.At), nil, false
		if to == models.CommandSuccessful || to == models.CommandFailed { // a short run may end before its beginning is heard of
			set["acknowledged_at"] = gorm.Expr("COALESCE(acknowledged_at, ?)", stamp(c.At))
		}
	}
	if c.Deadline != nil && !to.Finished() {
		set["deadline"] = stamp(*c.Deadline)
	}
	if c.ExitCode != nil {
		set["exit_code"] = *c.ExitCode
	}
	if c.Message != "" {
		set["message"] = clip(c.Message, maxText)
	}
	if c.Failure != "" {
		set["failure"] = clip(c.Failure, maxText)
	}
	if c.LogLastSeq != nil {
		set["log_last_seq"] = *c.LogLastSeq
	}
	if len(c.Sources) > 0 {
		set["sources"] = sourcesText(c.Sources)
	}
	return set
}

// missedMove tells a missing command from one that has moved on.
func (s Commands) missedMove(ctx context.Context, id models.CommandID) error {
	c, err := get[models.Command](s.w(ctx), kindCommand, id)
	if err != nil {
		return err
	}
	return models.Conflict("The command on %s is %s already.", c.Hostname, c.Status)
}
