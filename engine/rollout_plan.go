package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// bySelf is who has paused a rollout that no person has.
const bySelf = "Opsyard"

// heldByPlan pauses a locked deployment whose next batch would run something
// else than its plan has shown, until a person has read what changed and
// continues. d follows what is written.
func (t *tx) heldByPlan(ctx context.Context, d *models.Deployment) (bool, error) {
	if d.PlanID == "" {
		return false, nil
	}
	changed, is, err := t.sincePlan(ctx, d)
	if err != nil || len(changed) == 0 {
		return false, err
	}
	reason := strings.Join(changed, " ")
	if _, err := t.Deployments.PauseBecause(ctx, d, bySelf, reason, is); err != nil {
		return false, err
	}
	d.PausedBy, d.PauseReason, d.Accepted = bySelf, reason, is
	t.tellDeployment(d.StackID, d.ID)
	return true, t.event(ctx, models.StackEvent{
		StackID: d.StackID, Kind: "deployment", Tone: "wait", DeploymentID: d.ID,
		Text: fmt.Sprintf("%s #%d is paused after %s: %s", d.CommandName, d.Number, batchOf(d), reason), Cause: d.Cause,
	})
}

// sincePlan says what has changed for the batches that are left since the plan of
// a deployment, or since somebody has accepted a change, and how it is now. Who else is online changes all the
// time while instances take turns, and does not count. A plan that has been
// removed with its stack's history binds nobody.
func (t *tx) sincePlan(ctx context.Context, d *models.Deployment) (changed []string, is map[string]string, err error) {
	plan, err := t.Plans.Get(ctx, d.PlanID)
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	stack, err := t.Stacks.Get(ctx, d.StackID)
	if err != nil {
		return nil, nil, err
	}
	layers, err := t.Layers.InStack(ctx, d.StackID)
	if err != nil {
		return nil, nil, err
	}
	apps, err := t.Apps.InStack(ctx, d.StackID)
	if err != nil {
		return nil, nil, err
	}
	left := groupsAfter(plan.Content, d.Batch)
	is = t.e.settingParts(stack, ofGroups(left, layers), appsOfGroups(left, apps))
	if err := t.signMembers(ctx, is, left, layers, d.StackID); err != nil {
		return nil, nil, err
	}
	was := models.PlanContent{Parts: map[string]string{}}
	for name := range is {
		if before := cmp.Or(d.Accepted[name], plan.Content.Parts[name]); before != "" {
			was.Parts[name] = before
		}
	}
	return changes(was, models.PlanContent{Parts: is}), is, nil
}

// groupsAfter are a plan's groups with only the instances of later batches.
func groupsAfter(c models.PlanContent, batch int) (left []models.PlanGroup) {
	for _, g := range c.Groups {
		g.Instances = slices.DeleteFunc(slices.Clone(g.Instances), func(i models.PlanInstance) bool { return i.Batch <= batch })
		if len(g.Instances) > 0 {
			left = append(left, g)
		}
	}
	return left
}

func ofGroups(groups []models.PlanGroup, layers []models.Layer) []models.Layer {
	return slices.DeleteFunc(slices.Clone(layers), func(l models.Layer) bool {
		return !slices.ContainsFunc(groups, func(g models.PlanGroup) bool { return slices.Contains(g.Layers, l.Shortname) })
	})
}

func appsOfGroups(groups []models.PlanGroup, apps []models.App) []models.App {
	return slices.DeleteFunc(slices.Clone(apps), func(a models.App) bool {
		return !slices.ContainsFunc(groups, func(g models.PlanGroup) bool { return slices.Contains(g.Apps, a.Shortname) })
	})
}

// signMembers signs the layers of the groups' instances as they are now. One
// that has gone is skipped when its batch comes.
func (t *tx) signMembers(ctx context.Context, parts map[string]string, groups []models.PlanGroup, layers []models.Layer, stack models.StackID) error {
	members, err := t.Instances.Members(ctx, stack)
	if err != nil {
		return err
	}
	now := make(map[models.InstanceID][]models.LayerID, len(members))
	for _, m := range members {
		now[m.ID] = m.LayerIDs
	}
	for _, g := range groups {
		for _, i := range g.Instances {
			if ids, there := now[i.ID]; there {
				t.e.sign(parts, partInstance+i.Hostname, []any{i.ID, shortnames(ids, layers), i.Batch})
			}
		}
	}
	return nil
}

func shortnames(ids []models.LayerID, layers []models.Layer) (names []string) {
	for _, l := range lifecycle.LayersOf(models.Instance{LayerIDs: ids}, layers) {
		names = append(names, l.Shortname)
	}
	return names
}
