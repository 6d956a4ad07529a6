package awsapi

import (
	"cmp"
	"context"
	"slices"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) commandOperations() operations {
	return operations{"DescribeCommands": on(a.describeCommands)}
}

func (a *API) describeCommands(ctx context.Context, in *wire.DescribeCommandsRequest) (*wire.DescribeCommandsResult, error) {
	err := selectOne("Please provide one or more command IDs or a deployment ID or an instance ID",
		len(in.CommandIds) > 0, has(in.DeploymentId), has(in.InstanceId))
	if err != nil {
		return nil, err
	}
	commands, err := a.commandsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(commands, func(x, y models.Command) int { return cmp.Compare(y.Number, x.Number) }) // newest first
	all := make([]models.CommandID, len(commands))
	for n, c := range commands {
		all[n] = c.ID
	}
	logs, err := a.Store.Logs.Of(ctx, all)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeCommandsResult{Commands: make([]wire.Command, len(commands))}
	for n := range commands {
		out.Commands[n] = wireCommand(&commands[n])
		if logs[commands[n].ID] || commands[n].Message != "" {
			out.Commands[n].LogUrl = str(a.logURL(commands[n].ID))
		}
	}
	return out, nil
}

func (a *API) commandsOf(ctx context.Context, in *wire.DescribeCommandsRequest) ([]models.Command, error) {
	switch {
	case has(in.DeploymentId):
		d, err := seeOne(ctx, a, nounDeployment, id[models.DeploymentID](in.DeploymentId), a.Store.Deployments.ByIDs)
		if err != nil {
			return nil, err
		}
		return a.Store.Commands.OfDeployment(ctx, d.ID)
	case has(in.InstanceId):
		wanted := id[models.InstanceID](in.InstanceId)
		if err := a.seeInstance(ctx, wanted); err != nil {
			return nil, err
		}
		return a.Store.Commands.OfInstance(ctx, wanted, everything)
	}
	return see(ctx, a, nounCommand, ids[models.CommandID](in.CommandIds), a.Store.Commands.ByIDs)
}

func wireCommand(c *models.Command) wire.Command {
	out := wire.Command{
		CommandId: str(c.ID), InstanceId: str(c.InstanceID), DeploymentId: str(c.DeploymentID), Type: str(c.Type), Status: str(c.APIStatus()),
		CreatedAt: stamp(c.CreatedAt), AcknowledgedAt: stampAt(c.AcknowledgedAt), CompletedAt: stampAt(c.CompletedAt),
	}
	if c.ExitCode != nil {
		out.ExitCode = num(*c.ExitCode)
	}
	return out
}
