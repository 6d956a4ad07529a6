package awsapi

import (
	"context"
	"strings"

	"opsyard/models"
)

// noun is a kind of things that stacks have.
type noun[T any, ID ~string] struct {
	kind string // in messages
	of   func(*T) (models.StackID, ID)
}

var (
	nounApp = noun[models.App, models.AppID]{"app", func(x *models.App) (models.StackID, models.AppID) { return x.StackID, x.ID }}

	nounCommand = noun[models.Command, models.CommandID]{"command", func(x *models.Command) (models.StackID, models.CommandID) { return x.StackID, x.ID }}

	nounDeployment = noun[models.Deployment, models.DeploymentID]{"deployment", func(x *models.Deployment) (models.StackID, models.DeploymentID) { return x.StackID, x.ID }}

	nounEcsCluster = noun[models.EcsCluster, string]{"ECS cluster", func(x *models.EcsCluster) (models.StackID, string) { return x.StackID, x.Arn }}

	nounElasticIP = noun[models.ElasticIP, string]{"elastic IP", func(x *models.ElasticIP) (models.StackID, string) { return x.StackID, x.IP }}

	nounInstance = noun[models.Instance, models.InstanceID]{"instance", func(x *models.Instance) (models.StackID, models.InstanceID) { return x.StackID, x.ID }}

	nounLayer = noun[models.Layer, models.LayerID]{"layer", func(x *models.Layer) (models.StackID, models.LayerID) { return x.StackID, x.ID }}

	nounRaidArray = noun[models.RaidArray, models.RaidArrayID]{"RAID array", func(x *models.RaidArray) (models.StackID, models.RaidArrayID) { return x.StackID, x.ID }}

	nounServiceError = noun[models.ServiceError, models.ServiceErrorID]{"service error", func(x *models.ServiceError) (models.StackID, models.ServiceErrorID) { return x.StackID, x.ID }}

	nounVolume = noun[models.Volume, models.VolumeID]{"volume", func(x *models.Volume) (models.StackID, models.VolumeID) { return x.StackID, x.ID }}
)

// see reads things by their ids. Those of stacks that the asker may not see are
// missing in the same words as those that are not there. read gives what there
// is, with a NotFound when that is not all.
func see[T any, ID ~string](ctx context.Context, a *API, n noun[T, ID], wanted []ID, read func(context.Context, []ID) ([]T, error)) ([]T, error) {
	list, err := read(ctx, wanted)
	if err != nil && models.CodeOf(err) != models.CodeNotFound {
		return nil, err
	}
	asked, seen := map[models.StackID]bool{}, map[ID]bool{}
	for k := range list {
		stack, id := n.of(&list[k])
		visible, known := asked[stack]
		if !known {
			_, err := a.show(ctx, stack)
			if err != nil && models.CodeOf(err) != models.CodeNotFound {
				return nil, err
			}
			visible = err == nil
			asked[stack] = visible
		}
		seen[id] = visible
	}
	var missing []string
	for _, id := range wanted {
		if !seen[id] {
			missing = append(missing, string(id))
			seen[id] = true // each is named once
		}
	}
	if missing != nil {
		return nil, models.NotFound(n.kind, strings.Join(missing, ", "))
	}
	return list, nil
}

// seeOne is see for one thing.
func seeOne[T any, ID ~string](ctx context.Context, a *API, n noun[T, ID], wanted ID, read func(context.Context, []ID) ([]T, error)) (*T, error) {
	list, err := see(ctx, a, n, []ID{wanted}, read)
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}
