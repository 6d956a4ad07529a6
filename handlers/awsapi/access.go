package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) accessOperations() operations {
	return operations{"GrantAccess": on(a.grantAccess)}
}

func (a *API) grantAccess(ctx context.Context, in *wire.GrantAccessRequest) (*wire.GrantAccessResult, error) {
	minutes := models.MinAccessMinutes
	if in.ValidForInMinutes != nil {
		minutes = whole(in.ValidForInMinutes)
	}
	c, err := a.Engine.GrantAccess(ctx, id[models.InstanceID](in.InstanceId), minutes)
	if err != nil {
		return nil, err
	}
	return &wire.GrantAccessResult{TemporaryCredential: &wire.TemporaryCredential{
		InstanceId: str(c.InstanceID), Username: str(c.Username), Password: str(c.Password), ValidForInMinutes: num(c.ValidForInMinutes),
	}}, nil
}
