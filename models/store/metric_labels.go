package store

import (
	"context"
	"database/sql"
	"strings"

	"opsyard/models"
)

// MetricLabels names an instance for those who collect its figures.
type MetricLabels struct {
	Stack, Hostname string
	Layers          string // their short names with commas between them
}

// Labels reads the labels of instances; those that are gone have none.
func (s Metrics) Labels(ctx context.Context, ids []models.InstanceID) (map[models.InstanceID]MetricLabels, error) {
	all := make(map[models.InstanceID]MetricLabels, len(ids))
	for part := range chunks(ids, batch) {
		// A row for each layer, by its name.
		query := s.r(ctx).Raw(`SELECT i.id, i.hostname, s.name, coalesce(l.shortname, '') FROM instances i JOIN stacks s ON s.id = i.stack_id
			LEFT JOIN instance_layers m ON m.instance_id = i.id LEFT JOIN layers l ON l.id = m.layer_id
			WHERE i.id IN ? ORDER BY i.id, l.shortname`, part)
		err := each(query, func(rows *sql.Rows) error {
			var id models.InstanceID
			var row MetricLabels
			err := rows.Scan(&id, &row.Hostname, &row.Stack, &row.Layers)
			if before, ok := all[id]; ok {
				row.Layers = strings.Join([]string{before.Layers, row.Layers}, ",")
			}
			all[id] = row
			return err
		})
		if err != nil {
			return nil, wrap(err, "read the names of instances")
		}
	}
	return all, nil
}

// CountByStatus counts the instances of the installation by status.
func (s Instances) CountByStatus(ctx context.Context) (map[models.InstanceStatus]int, error) {
	var rows []tally
	if err := s.r(ctx).Raw("SELECT status, count(*) AS n FROM instances GROUP BY status").Scan(&rows).Error; err != nil {
		return nil, wrap(err, "count instances by status")
	}
	counts := make(map[models.InstanceStatus]int, len(rows))
	for _, r := range rows {
		counts[models.InstanceStatus(r.Status)] = r.N
	}
	return counts, nil
}
