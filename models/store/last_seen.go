package store

import (
	"context"
	"time"

	"opsyard/models"
)

// LastSeen reads when each user who has a session was seen last.
func (s Sessions) LastSeen(ctx context.Context) (map[models.UserID]time.Time, error) {
	rows, err := find[models.Session](s.r(ctx).Select("user_id", "seen_at").Order("seen_at"), "list when users were seen")
	seen := make(map[models.UserID]time.Time, len(rows))
	for _, row := range rows {
		seen[row.UserID] = row.SeenAt
	}
	return seen, err
}
