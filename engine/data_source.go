package engine

import (
	"context"
	"slices"

	"opsyard/models"
)

// dataSourceChanged refuses a new data source that means no server of the
// stack's database layer, and has the servers make the app's database, so that a
// deploy finds it.
func (t *tx) dataSourceChanged(ctx context.Context, a *models.App, before []models.DataSource) error {
	if slices.Equal(a.DataSources, before) {
		return nil
	}
	layer, err := t.databaseLayer(ctx, a.StackID)
	if err != nil {
		return err
	}
	for _, d := range a.DataSources {
		if d.Type == models.DataSourceMysql {
			if err := t.checkDatabaseArn(ctx, layer, d.Arn); err != nil {
				return err
			}
		}
	}
	if layer == nil || !slices.ContainsFunc(append(slices.Clone(before), a.DataSources...), models.DataSource.OfLayer) {
		return nil
	}
	return t.noteChange(ctx, a.StackID, "the data source of "+a.Name+" was changed")
}

// databaseLayer is the stack's database layer, nil for none.
func (t *tx) databaseLayer(ctx context.Context, id models.StackID) (*models.Layer, error) {
	layers, err := t.Layers.InStack(ctx, id)
	for n := range layers {
		if layers[n].Type == models.LayerDBMaster {
			return &layers[n], err
		}
	}
	return nil, err
}

// checkDatabaseArn lets the database layer and its instances pass, and no ARN,
// which means whichever there is.
func (t *tx) checkDatabaseArn(ctx context.Context, layer *models.Layer, arn string) error {
	if arn == "" || layer != nil && layer.Arn == arn {
		return nil
	}
	if layer != nil {
		instances, err := t.Instances.InLayer(ctx, layer.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(instances, func(i models.Instance) bool { return i.Arn == arn }) {
			return nil
		}
	}
	return models.InvalidField("DataSources", "Data sources: the ARN is neither that of the stack's database layer nor of one of its instances.")
}
