package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) rdsOperations() operations {
	return operations{
		"RegisterRdsDbInstance":   do(a.registerRdsDbInstance),
		"UpdateRdsDbInstance":     do(a.updateRdsDbInstance),
		"DeregisterRdsDbInstance": do(a.deregisterRdsDbInstance),
		"DescribeRdsDbInstances":  on(a.describeRdsDbInstances),
	}
}

func (a *API) registerRdsDbInstance(ctx context.Context, in *wire.RegisterRdsDbInstanceRequest) error {
	return a.Engine.RegisterRdsDbInstance(ctx, models.RdsDbInstance{
		StackID: id[models.StackID](in.StackId), Arn: text(in.RdsDbInstanceArn), DbUser: text(in.DbUser), DbPassword: text(in.DbPassword),
	})
}

// updateRdsDbInstance takes what is empty as left out.
func (a *API) updateRdsDbInstance(ctx context.Context, in *wire.UpdateRdsDbInstanceRequest) error {
	return a.Engine.UpdateRdsDbInstance(ctx, text(in.RdsDbInstanceArn), func(r *models.RdsDbInstance) error {
		if user := text(in.DbUser); user != "" {
			r.DbUser = user
		}
		if password := text(in.DbPassword); password != "" {
			r.DbPassword = password
		}
		return nil
	})
}

func (a *API) deregisterRdsDbInstance(ctx context.Context, in *wire.DeregisterRdsDbInstanceRequest) error {
	return a.Engine.DeregisterRdsDbInstance(ctx, text(in.RdsDbInstanceArn))
}

func (a *API) describeRdsDbInstances(ctx context.Context, in *wire.DescribeRdsDbInstancesRequest) (*wire.DescribeRdsDbInstancesResult, error) {
	stack, err := a.show(ctx, id[models.StackID](in.StackId))
	if err != nil {
		return nil, err
	}
	var list []models.RdsDbInstance
	if len(in.RdsDbInstanceArns) > 0 {
		list, err = a.Store.RdsDbInstances.OfStack(ctx, stack.ID, in.RdsDbInstanceArns...)
	} else {
		list, err = a.Store.RdsDbInstances.InStack(ctx, stack.ID)
	}
	if err != nil {
		return nil, err
	}
	return &wire.DescribeRdsDbInstancesResult{RdsDbInstances: shown(list, rdsDbInstanceShown)}, nil
}

func rdsDbInstanceShown(r *models.RdsDbInstance) wire.RdsDbInstance {
	return wire.RdsDbInstance{
		RdsDbInstanceArn: str(r.Arn), DbInstanceIdentifier: str(r.DbInstanceIdentifier), DbUser: str(r.DbUser), DbPassword: str(models.Filtered),
		Region: str(r.Region), Address: str(r.Address), Engine: str(r.Engine), StackId: str(r.StackID), MissingOnRds: yes(r.MissingOnRds()),
	}
}
