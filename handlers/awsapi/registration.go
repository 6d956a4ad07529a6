package awsapi

import (
	"context"

	"opsyard/engine"
	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) registrationOperations() operations {
	return operations{
		"RegisterInstance":   on(a.registerInstance),
		"AssignInstance":     do(a.assignInstance),
		"UnassignInstance":   do(a.unassignInstance),
		"DeregisterInstance": do(a.deregisterInstance),
	}
}

func (a *API) registerInstance(ctx context.Context, in *wire.RegisterInstanceRequest) (*wire.RegisterInstanceResult, error) {
	r := engine.Registration{
		StackID: id[models.StackID](in.StackId), Hostname: text(in.Hostname), PublicIP: text(in.PublicIp), PrivateIP: text(in.PrivateIp),
		RSAPublicKey: text(in.RsaPublicKey), RSAPublicKeyFingerprint: text(in.RsaPublicKeyFingerprint),
	}
	if identity := in.InstanceIdentity; identity != nil {
		r.IdentityDocument, r.IdentitySignature = text(identity.Document), text(identity.Signature)
	}
	i, err := a.Engine.RegisterInstance(ctx, r)
	if err != nil {
		return nil, err
	}
	return &wire.RegisterInstanceResult{InstanceId: str(i.ID)}, nil
}

func (a *API) assignInstance(ctx context.Context, in *wire.AssignInstanceRequest) error {
	return a.Engine.AssignInstance(ctx, id[models.InstanceID](in.InstanceId), ids[models.LayerID](given(in.LayerIds)))
}

func (a *API) unassignInstance(ctx context.Context, in *wire.UnassignInstanceRequest) error {
	return a.Engine.UnassignInstance(ctx, id[models.InstanceID](in.InstanceId))
}

func (a *API) deregisterInstance(ctx context.Context, in *wire.DeregisterInstanceRequest) error {
	return a.Engine.DeregisterInstance(ctx, id[models.InstanceID](in.InstanceId))
}
