package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) permissionOperations() operations {
	return operations{
		"SetPermission":       do(a.setPermission),
		"DescribePermissions": on(a.describePermissions),
	}
}

// setPermission changes what is given of a permission. Without SSH there is no
// sudo, so whoever takes SSH away need not name both.
func (a *API) setPermission(ctx context.Context, in *wire.SetPermissionRequest) error {
	stack, err := a.Engine.Authorize(ctx, id[models.StackID](in.StackId), "SetPermission")
	if err != nil {
		return err // before it is known who there is
	}
	u, err := a.Store.Users.ByARN(ctx, text(in.IamUserArn))
	if err != nil {
		return err
	}
	return a.Engine.SetPermission(ctx, stack.ID, u.ID, func(p *models.Permission) error {
		put(&p.AllowSSH, in.AllowSsh)
		p.AllowSudo = p.AllowSudo && p.AllowSSH
		put(&p.AllowSudo, in.AllowSudo)
		putText(&p.Level, in.Level)
		return nil
	})
}

func (a *API) describePermissions(ctx context.Context, in *wire.DescribePermissionsRequest) (*wire.DescribePermissionsResult, error) {
	if !has(in.StackId) && !has(in.IamUserArn) {
		return nil, models.Invalid("Please provide a stack ID or an IAM user ARN or both")
	}
	list, err := a.Engine.Permissions(ctx, id[models.StackID](in.StackId), text(in.IamUserArn))
	if err != nil {
		return nil, err
	}
	out := &wire.DescribePermissionsResult{Permissions: make([]wire.Permission, len(list))}
	for n, p := range list {
		out.Permissions[n] = wire.Permission{
			StackId: str(p.StackID), IamUserArn: str(p.IamUserArn), Level: str(p.Level), AllowSsh: yes(p.AllowSSH), AllowSudo: yes(p.AllowSudo),
		}
	}
	return out, nil
}
