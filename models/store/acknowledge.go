package store

import (
	"context"
	"time"

	"opsyard/models"
)

// Acknowledge notes that agents hold these commands: pending and sent ones are
// running from now on, and have their own time limit plus grace from here. It
// returns those that it moved.
func (s Commands) Acknowledge(ctx context.Context, ids []models.CommandID, at time.Time, grace time.Duration) ([]models.Command, error) {
	waiting, err := find[models.Command](s.w(ctx).Select("id", "timeout_seconds").Where("id IN ? AND status IN ('pending', 'sent')", ids), "read acknowledged commands")
	if err != nil {
		return nil, err
	}
	byTimeout := map[int][]models.CommandID{}
	for _, c := range waiting {
		byTimeout[c.TimeoutSeconds] = append(byTimeout[c.TimeoutSeconds], c.ID)
	}
	var moved []models.Command
	for timeout, same := range byTimeout {
		deadline := at.Add(time.Duration(timeout)*time.Second + grace)
		for part := range chunks(same, batch) {
			var some []models.Command
			err := s.w(ctx).Raw(`UPDATE commands SET status = 'running', acknowledged_at = ?, started_at = ?, lease_until = NULL, deadline = ?, held = FALSE
				WHERE id IN ? AND status IN ('pending', 'sent') RETURNING *`, stamp(at), stamp(at), stamp(deadline), part).Scan(&some).Error
			if err != nil {
				return nil, wrap(err, "acknowledge commands")
			}
			moved = append(moved, some...)
		}
	}
	return moved, nil
}

// OwnedBy keeps those of the given commands that belong to the instance named
// beside them.
func (s Commands) OwnedBy(ctx context.Context, claims map[models.CommandID]models.InstanceID) ([]models.CommandID, error) {
	ids := make([]models.CommandID, 0, len(claims))
	for id := range claims {
		ids = append(ids, id)
	}
	var own []models.CommandID
	for part := range chunks(ids, batch) {
		rows, err := find[models.Command](s.w(ctx).Select("id", "instance_id").Where("id IN ?", part), "read owners of commands")
		if err != nil {
			return nil, err
		}
		for _, c := range rows {
			if claims[c.ID] == c.InstanceID {
				own = append(own, c.ID)
			}
		}
	}
	return own, nil
}

// Owns tells whether the command is the instance's.
func (s Commands) Owns(ctx context.Context, instance models.InstanceID, id models.CommandID) (bool, error) {
	var n int64
	err := s.r(ctx).Model(&models.Command{}).Where("id = ? AND instance_id = ?", id, instance).Count(&n).Error
	return n > 0, wrap(err, "read the owner of command %s", id)
}

// WithWork reads the instances that have a pending command that is not held.
func (s Commands) WithWork(ctx context.Context) ([]models.InstanceID, error) {
	var all []models.InstanceID
	err := s.r(ctx).Model(&models.Command{}).Where("status = 'pending' AND NOT held").Distinct().Pluck("instance_id", &all).Error
	return all, wrap(err, "look for pending commands")
}
