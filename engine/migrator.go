package engine

import (
	"context"
	"slices"

	"opsyard/models"
)

// chooseMigrators decides for the deployments of commands that are about to be
// sent which instance migrates: one of those that are really sent to, and only
// one, or two would change the app's database at the same time.
func (b *runBuilder) chooseMigrators(ctx context.Context, commands []models.Command) error {
	for id, d := range b.deployments {
		if d.AppID == "" || d.CommandName != models.CommandDeploy || !slices.Contains(d.Command.Args["migrate"], "true") {
			continue
		}
		sent := slices.DeleteFunc(slices.Clone(commands), func(c models.Command) bool { return c.DeploymentID != id })
		if err := b.chooseMigrator(ctx, d, sent); err != nil {
			return err
		}
	}
	return nil
}

func (b *runBuilder) chooseMigrator(ctx context.Context, d *models.Deployment, sent []models.Command) error {
	all, err := b.e.store.Commands.OfDeployment(ctx, d.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(c models.Command) bool { return c.InstanceID == d.MigratorID && mayMigrate(&c) }) {
		return nil
	}
	able, err := b.ableToMigrate(ctx, d, all)
	if err != nil {
		return err
	}
	slices.SortFunc(sent, func(a, b models.Command) int { return int(a.Number - b.Number) })
	n := slices.IndexFunc(sent, func(c models.Command) bool { return able[c.InstanceID] })
	if n < 0 {
		return nil
	}
	chosen, err := b.e.store.Deployments.ChooseMigrator(ctx, d.ID, d.MigratorID, sent[n].InstanceID)
	if err != nil {
		return err
	}
	if chosen {
		d.MigratorID = sent[n].InstanceID
		return nil
	}
	now, err := b.e.store.Deployments.Get(ctx, d.ID) // another server has chosen
	if err == nil {
		d.MigratorID = now.MigratorID
	}
	return err
}

// mayMigrate tells whether a command has migrated or still may: not one that
// ended before its agent had it.
func mayMigrate(c *models.Command) bool {
	return c.StartedAt != nil || !c.Status.Finished()
}

// ableToMigrate are the instances whose recipes deploy the app: those of its own
// layer, and only without any those of custom layers.
func (b *runBuilder) ableToMigrate(ctx context.Context, d *models.Deployment, all []models.Command) (map[models.InstanceID]bool, error) {
	var ids []models.InstanceID
	for _, c := range all {
		if len(c.RunList) > 0 {
			ids = append(ids, c.InstanceID)
		}
	}
	layerIDs, err := b.e.store.Instances.LayerIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	parts := b.stacks[d.StackID]
	own := models.LayerCustom
	if n := slices.IndexFunc(parts.apps, func(a models.App) bool { return a.ID == d.AppID }); n >= 0 {
		own = parts.apps[n].Type.LayerType()
	}
	for _, kind := range []models.LayerType{own, models.LayerCustom} {
		able := map[models.InstanceID]bool{}
		for id, mine := range layerIDs {
			if slices.ContainsFunc(parts.layers, func(l models.Layer) bool { return l.Type == kind && slices.Contains(mine, l.ID) }) {
				able[id] = true
			}
		}
		if len(able) > 0 {
			return able, nil
		}
	}
	return nil, nil
}
