package store

import (
	"context"
	"encoding/json"
	"fmt"

	"opsyard/models"
)

// SourceGroup is what commands of a deployment got, word for word the same.
type SourceGroup struct {
	Sources   []models.Fetched
	N         int
	Hostnames []string // some of the instances
}

// SourceGroups tells what the commands of a deployment got, the most common
// first: as little to read for a thousand instances as for two.
func (s Commands) SourceGroups(ctx context.Context, id models.DeploymentID, limit, named int) ([]SourceGroup, error) {
	var rows []struct {
		Sources string
		N       int
	}
	err := s.r(ctx).Raw("SELECT sources, count(*) AS n FROM commands WHERE deployment_id = ? AND sources IS NOT NULL AND sources NOT IN ('', 'null', '[]') GROUP BY sources ORDER BY n DESC, min(hostname) LIMIT ?", id, limit).Scan(&rows).Error
	if err != nil {
		return nil, wrap(err, "group sources of deployment %s", id)
	}
	groups := make([]SourceGroup, 0, len(rows))
	for _, r := range rows {
		g := SourceGroup{N: r.N}
		if err := json.Unmarshal([]byte(r.Sources), &g.Sources); err != nil {
			return nil, fmt.Errorf("read sources of deployment %s: %w", id, err)
		}
		err := s.r(ctx).Raw("SELECT hostname FROM commands WHERE deployment_id = ? AND sources = ? ORDER BY hostname LIMIT ?", id, r.Sources, named).Scan(&g.Hostnames).Error
		if err != nil {
			return nil, wrap(err, "list instances of deployment %s by source", id)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// sourcesText is how the column keeps them: the same sources give the same text.
func sourcesText(sources []models.Fetched) string {
	text, _ := json.Marshal(sources) // strings and numbers cannot fail
	return string(text)
}
