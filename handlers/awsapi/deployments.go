package awsapi

import (
	"cmp"
	"context"
	"slices"

	"opsyard/engine"
	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) deploymentOperations() operations {
	return operations{
		"CreateDeployment":    on(a.createDeployment),
		"DescribeDeployments": on(a.describeDeployments),
	}
}

func (a *API) createDeployment(ctx context.Context, in *wire.CreateDeploymentRequest) (*wire.CreateDeploymentResult, error) {
	d, err := a.Engine.Deploy(ctx, engine.DeploymentRequest{
		StackID: id[models.StackID](in.StackId), AppID: id[models.AppID](in.AppId),
		Command:     models.DeploymentCommand{Name: models.CommandName(text(in.Command.Name)), Args: in.Command.Args},
		InstanceIDs: ids[models.InstanceID](in.InstanceIds), LayerIDs: ids[models.LayerID](in.LayerIds),
		Comment: text(in.Comment), CustomJSON: text(in.CustomJson),
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreateDeploymentResult{DeploymentId: str(d.ID)}, nil
}

func (a *API) describeDeployments(ctx context.Context, in *wire.DescribeDeploymentsRequest) (*wire.DescribeDeploymentsResult, error) {
	err := selectOne("Please provide one or more deployment IDs or an app ID or a stack ID",
		len(in.DeploymentIds) > 0, has(in.AppId), has(in.StackId))
	if err != nil {
		return nil, err
	}
	deployments, err := a.deploymentsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(deployments, func(x, y models.Deployment) int { // newest first
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(y.Number, x.Number))
	})
	all := make([]models.DeploymentID, len(deployments))
	for n, d := range deployments {
		all[n] = d.ID
	}
	instances, err := a.Store.Deployments.InstancesOf(ctx, all)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeDeploymentsResult{Deployments: make([]wire.Deployment, len(deployments))}
	for n := range deployments {
		out.Deployments[n] = wireDeployment(&deployments[n], instances[deployments[n].ID])
	}
	return out, nil
}

// everything is no limit to a list: OpsWorks does not page these.
const everything = -1

func (a *API) deploymentsOf(ctx context.Context, in *wire.DescribeDeploymentsRequest) ([]models.Deployment, error) {
	switch {
	case has(in.StackId):
		stack, err := a.show(ctx, id[models.StackID](in.StackId))
		if err != nil {
			return nil, err
		}
		all, err := a.Store.Deployments.InStack(ctx, stack.ID, everything, 0)
		return slices.DeleteFunc(all, unasked), err
	case has(in.AppId):
		app, err := seeOne(ctx, a, nounApp, id[models.AppID](in.AppId), a.Store.Apps.ByIDs)
		if err != nil {
			return nil, err
		}
		return a.Store.Deployments.OfApp(ctx, app.ID, everything)
	}
	return see(ctx, a, nounDeployment, ids[models.DeploymentID](in.DeploymentIds), a.Store.Deployments.ByIDs)
}

// unasked are the deployments of commands that only the engine gives. Lists
// leave them out: the model has no name for their commands.
func unasked(d models.Deployment) bool { return !d.CommandName.Requestable() }

func wireDeployment(d *models.Deployment, instances []models.InstanceID) wire.Deployment {
	out := wire.Deployment{
		DeploymentId: str(d.ID), StackId: str(d.StackID), AppId: str(d.AppID), CreatedAt: stamp(d.CreatedAt), CompletedAt: stampAt(d.CompletedAt),
		IamUserArn: str(d.IamUserArn), Comment: str(d.Comment), CustomJson: str(d.CustomJSON), Status: str(d.Status), InstanceIds: strs(instances),
	}
	if !unasked(*d) {
		out.Command = &wire.DeploymentCommand{Name: str(d.Command.Name), Args: d.Command.Args}
	}
	if d.CompletedAt != nil {
		out.Duration = num(d.Duration())
	}
	return out
}
