package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	"opsyard/models"
)

// CloneRequest says what a clone takes from its source, and what is different.
type CloneRequest struct {
	SourceID models.StackID
	// Change alters the copy's settings; nil leaves them. The secrets of the
	// source stay where it writes models.Filtered.
	Change           func(*models.Stack) error
	ClonePermissions bool
	AppIDs           []models.AppID
}

// CloneStack makes a stack with the settings and layers of another one, and on
// demand with its apps and permissions; never with its instances (OpsWorks:
// CloneStack). No level allows it.
func (e *Engine) CloneStack(ctx context.Context, r CloneRequest) (*models.Stack, error) {
	if _, err := e.Authorize(ctx, r.SourceID, "CloneStack"); err != nil {
		return nil, err
	}
	var made *models.Stack
	err := e.tx(ctx, func(t *tx) error {
		source, err := t.Stacks.GetForUpdate(ctx, r.SourceID)
		if err != nil {
			return err
		}
		s, err := e.copyOf(source, r.Change)
		if err != nil {
			return err
		}
		if err := t.createStack(ctx, s); err != nil {
			return err
		}
		layers, err := t.cloneLayers(ctx, source, s)
		if err != nil {
			return err
		}
		if err := t.cloneApps(ctx, source, s, r.AppIDs, layers); err != nil {
			return err
		}
		if r.ClonePermissions {
			if err := t.clonePermissions(ctx, source, s); err != nil {
				return err
			}
		}
		made = s
		after := map[string]any{
			"SourceStackId": source.ID, "StackId": s.ID, "Name": s.Name, "Region": s.Region,
			"Layers": len(layers), "Apps": len(r.AppIDs), "Permissions": r.ClonePermissions,
		}
		return t.audit(ctx, "CloneStack", onStack(s), nil, after, models.Cause{})
	})
	return made, err
}

// copyOf is the source's settings with the changes, as a stack of its own.
func (e *Engine) copyOf(source *models.Stack, change func(*models.Stack) error) (*models.Stack, error) {
	s := *source
	s.Name = copyName(source.Name)
	s.Attributes, s.Tags = maps.Clone(source.Attributes), nil
	if change != nil {
		if err := change(&s); err != nil {
			return nil, err
		}
	}
	var err error
	if s.CustomCookbooksSource, err = s.CustomCookbooksSource.KeepSecrets(source.CustomCookbooksSource); err != nil {
		return nil, err
	}
	if s.Region != source.Region && s.Provider == source.Provider {
		s.Provider = e.providerOf(s.Region)
	}
	s.Version = 0
	if err := e.prepareStack(&s); err != nil {
		return nil, err
	}
	return &s, s.CheckChange(source)
}

// copyName is what the console calls a clone, within the limit of names.
func copyName(name string) string {
	const suffix = " copy"
	runes := []rune(name)
	return string(runes[:min(len(runes), 64-len(suffix))]) + suffix
}

// cloneLayers copies the source's layers with all that was set on them, and
// tells which became which. A cluster belongs to one stack, so the copy of its
// layer waits for another one.
func (t *tx) cloneLayers(ctx context.Context, source, s *models.Stack) (map[models.LayerID]models.Layer, error) {
	all, err := t.Layers.InStack(ctx, source.ID)
	if err != nil {
		return nil, err
	}
	copies := make(map[models.LayerID]models.Layer, len(all))
	for _, l := range all {
		from := l.ID
		l.ID, l.StackID, l.Tags = models.NewID[models.LayerID](), s.ID, nil
		l.Secret = rand.Text()
		l.Attributes = maps.Clone(l.Attributes)
		delete(l.Attributes, models.AttributeECSCluster)
		t.e.dressLayer(s, &l)
		if err := l.CheckStack(s); err != nil {
			return nil, err
		}
		if err := t.Layers.Create(ctx, &l); err != nil {
			return nil, err
		}
		if err := t.cloneScaling(ctx, from, &l); err != nil {
			return nil, err
		}
		copies[from] = l
	}
	return copies, nil
}

// cloneScaling copies a layer's load-based auto scaling, where it is set.
func (t *tx) cloneScaling(ctx context.Context, from models.LayerID, l *models.Layer) error {
	set, err := t.LoadBasedAutoScaling.OfLayers(ctx, []models.LayerID{from})
	if err != nil {
		return err
	}
	for _, row := range set {
		row.LayerID, row.StackID = l.ID, l.StackID
		row.CreatedAt, row.UpdatedAt = t.e.Clock(), t.e.Clock()
		if err := t.LoadBasedAutoScaling.Save(ctx, &row); err != nil {
			return err
		}
	}
	return nil
}

// cloneApps copies apps with their secrets. Databases are registered with the
// source, so apps lose theirs; a MySQL layer that was copied stays theirs.
func (t *tx) cloneApps(ctx context.Context, source, s *models.Stack, ids []models.AppID, layers map[models.LayerID]models.Layer) error {
	apps, err := t.Apps.InStack(ctx, source.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		n := slices.IndexFunc(apps, func(a models.App) bool { return a.ID == id })
		if n < 0 {
			return models.NotFound("app", id)
		}
		a := apps[n]
		a.ID, a.StackID = models.NewID[models.AppID](), s.ID
		a.CreatedAt, a.UpdatedAt = t.e.Clock(), t.e.Clock()
		a.DataSources = slices.Clone(a.DataSources)
		for n, d := range a.DataSources {
			a.DataSources[n] = cloneDataSource(d, source, layers)
		}
		if err := t.Apps.Create(ctx, &a); err != nil {
			return err
		}
	}
	return nil
}

func cloneDataSource(d models.DataSource, source *models.Stack, layers map[models.LayerID]models.Layer) models.DataSource {
	switch d.Type {
	case "RdsDbInstance":
		return models.DataSource{Type: "None"}
	case "OpsworksMysqlInstance":
		for from, l := range layers {
			if d.Arn == layerARN(source, from) {
				d.Arn = l.Arn
				return d
			}
		}
		d.Type, d.Arn = "AutoSelectOpsworksMysqlInstance", ""
	}
	return d
}

// clonePermissions copies who may do what: what users have of their own, and
// what they have by groups. One without the other would give more than the
// source does, where a group is denied what its members were given. Whoever may
// clone may have it done, as in OpsWorks: nobody gets what they do not have in
// the source, the asker neither.
func (t *tx) clonePermissions(ctx context.Context, source, s *models.Stack) error {
	all, err := t.Permissions.OfStack(ctx, source.ID)
	if err != nil {
		return err
	}
	for _, p := range all {
		p.StackID, p.UpdatedAt = s.ID, t.e.Clock()
		if err := t.Permissions.Set(ctx, p); err != nil {
			return err
		}
		t.tell("user:"+string(p.UserID), "permission", string(s.ID))
	}
	groups, err := t.Groups.PermissionsIn(ctx, source.ID)
	if err != nil {
		return err
	}
	for _, p := range groups {
		p.StackID = s.ID
		if err := t.Groups.SetPermission(ctx, p); err != nil {
			return err
		}
		members, err := t.Groups.Members(ctx, p.GroupID)
		if err != nil {
			return err
		}
		t.tellUsers(members, "permission", string(s.ID))
	}
	return nil
}

func stackARN(region string, id models.StackID) string {
	return fmt.Sprintf("arn:aws:opsworks:%s:000000000000:stack/%s/", region, id)
}

func layerARN(s *models.Stack, id models.LayerID) string {
	return fmt.Sprintf("arn:aws:opsworks:%s:000000000000:layer/%s", s.Region, id)
}
