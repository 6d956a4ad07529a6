package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"opsyard/models"
)

// Plans keeps models.Plan.
type Plans struct{ *handle }

const kindPlan = "plan"

// Get reads one plan.
func (s Plans) Get(ctx context.Context, id models.PlanID) (*models.Plan, error) {
	return get[models.Plan](s.r(ctx), kindPlan, id)
}

// Exists tells whether a plan is still kept.
func (s Plans) Exists(ctx context.Context, id models.PlanID) (bool, error) {
	var n int64
	err := s.r(ctx).Model(&models.Plan{}).Where("id = ?", id).Count(&n).Error
	return n > 0, wrap(err, "look for plan %s", id)
}

// Create stores a plan, and forgets the oldest of its stack beyond keep.
func (s Plans) Create(ctx context.Context, p *models.Plan, keep int) error {
	p.CreatedAt = stamp(p.CreatedAt)
	if err := s.w(ctx).Create(p).Error; err != nil {
		return wrap(err, "create plan %s", p.ID)
	}
	err := s.w(ctx).Exec(`DELETE FROM plans WHERE stack_id = ? AND id NOT IN
		(SELECT id FROM plans WHERE stack_id = ? ORDER BY created_at DESC, id DESC LIMIT ?) AND `+notRolling, p.StackID, p.StackID, keep).Error
	return wrap(err, "forget old plans of stack %s", p.StackID)
}

// notRolling spares plans by which batches are still to be judged.
const notRolling = "NOT EXISTS (SELECT 1 FROM deployments d WHERE d.stack_id = plans.stack_id AND d.plan_id = plans.id AND d.status = 'running')"

// Prune removes plans made before a time.
func (s Plans) Prune(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM plans WHERE created_at < ? AND "+notRolling, stamp(before)).Error, "remove old plans")
}

// LastFetch is what a command got from a repository, and in which deployment.
type LastFetch struct {
	models.Fetched
	Deployment int64 // number
}

// LastFetched tells what the last successful commands of some instances got,
// by the short name of the app, or empty for the custom cookbooks.
func (s Commands) LastFetched(ctx context.Context, instances []models.InstanceID) (map[string]LastFetch, error) {
	last := map[string]LastFetch{}
	var rows []struct {
		Sources string
		Number  int64
	}
	err := s.r(ctx).Raw(`SELECT c.sources, d.number FROM commands c JOIN deployments d ON d.id = c.deployment_id
		WHERE c.instance_id IN ? AND c.status = 'successful' AND c.sources LIKE '[{%' ORDER BY c.number DESC LIMIT 60`, instances).Scan(&rows).Error
	if err != nil {
		return nil, wrap(err, "read what instances fetched last")
	}
	for _, r := range rows {
		var sources []models.Fetched
		if err := json.Unmarshal([]byte(r.Sources), &sources); err != nil {
			return nil, fmt.Errorf("read what instances fetched last: %w", err)
		}
		for _, f := range sources {
			if _, known := last[f.For]; !known {
				last[f.For] = LastFetch{f, r.Number}
			}
		}
	}
	return last, nil
}
