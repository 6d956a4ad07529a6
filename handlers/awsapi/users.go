package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) userOperations() operations {
	return operations{
		"CreateUserProfile":     on(a.createUserProfile),
		"UpdateUserProfile":     do(a.updateUserProfile),
		"DeleteUserProfile":     do(a.deleteUserProfile),
		"DescribeUserProfiles":  on(a.describeUserProfiles),
		"DescribeMyUserProfile": get(a.describeMyUserProfile),
		"UpdateMyUserProfile":   do(a.updateMyUserProfile),
	}
}

func (a *API) createUserProfile(ctx context.Context, in *wire.CreateUserProfileRequest) (*wire.CreateUserProfileResult, error) {
	u, err := a.Engine.CreateUserProfile(ctx, models.User{
		IamUserArn: text(in.IamUserArn), SSHUsername: text(in.SshUsername), SSHPublicKey: text(in.SshPublicKey),
		AllowSelfManagement: isSet(in.AllowSelfManagement),
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreateUserProfileResult{IamUserArn: str(u.IamUserArn)}, nil
}

func (a *API) updateUserProfile(ctx context.Context, in *wire.UpdateUserProfileRequest) error {
	return a.Engine.UpdateUserProfile(ctx, text(in.IamUserArn), func(u *models.User) error {
		put(&u.SSHUsername, in.SshUsername)
		put(&u.SSHPublicKey, in.SshPublicKey)
		put(&u.AllowSelfManagement, in.AllowSelfManagement)
		return nil
	})
}

func (a *API) deleteUserProfile(ctx context.Context, in *wire.DeleteUserProfileRequest) error {
	return a.Engine.DeleteUserProfile(ctx, text(in.IamUserArn))
}

func (a *API) describeUserProfiles(ctx context.Context, in *wire.DescribeUserProfilesRequest) (*wire.DescribeUserProfilesResult, error) {
	users, err := a.Engine.UserProfiles(ctx, in.IamUserArns)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeUserProfilesResult{UserProfiles: make([]wire.UserProfile, len(users))}
	for n, u := range users {
		out.UserProfiles[n] = wire.UserProfile{
			IamUserArn: str(u.IamUserArn), Name: str(u.Name), SshUsername: str(u.SSHUsername), SshPublicKey: str(u.SSHPublicKey),
			AllowSelfManagement: yes(u.AllowSelfManagement),
		}
	}
	return out, nil
}

func (a *API) describeMyUserProfile(ctx context.Context) (*wire.DescribeMyUserProfileResult, error) {
	u, err := a.Engine.MyUserProfile(ctx)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeMyUserProfileResult{UserProfile: &wire.SelfUserProfile{
		IamUserArn: str(u.IamUserArn), Name: str(u.Name), SshUsername: str(u.SSHUsername), SshPublicKey: str(u.SSHPublicKey),
	}}, nil
}

func (a *API) updateMyUserProfile(ctx context.Context, in *wire.UpdateMyUserProfileRequest) error {
	if in.SshPublicKey == nil { // nothing is to change; but only who may is told so
		_, err := a.Engine.MyUserProfile(ctx)
		return err
	}
	return a.Engine.UpdateMyUserProfile(ctx, *in.SshPublicKey)
}
