package awsapi

import (
	"context"
	"maps"

	"opsyard/handlers/awsapi/wire"
)

// operation decodes a body, does what it asks, and returns what is to be
// encoded; nil for an empty answer.
type operation func(ctx context.Context, name string, body []byte) (any, error)

// operations are operations by name.
type operations map[string]operation

// on is an operation with an output.
func on[In, Out any](f func(context.Context, *In) (*Out, error)) operation {
	return func(ctx context.Context, name string, body []byte) (any, error) {
		in := new(In)
		if err := wire.Decode(name, body, in); err != nil {
			return nil, err
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// do is an operation without an output.
func do[In any](f func(context.Context, *In) error) operation {
	return func(ctx context.Context, name string, body []byte) (any, error) {
		in := new(In)
		if err := wire.Decode(name, body, in); err != nil {
			return nil, err
		}
		return nil, f(ctx, in)
	}
}

// get is an operation without an input.
func get[Out any](f func(context.Context) (*Out, error)) operation {
	return func(ctx context.Context, name string, body []byte) (any, error) {
		if err := wire.Decode(name, body, nil); err != nil {
			return nil, err
		}
		out, err := f(ctx)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// stacksAPI is OpsWorks Stacks: what the files of the nouns offer, together.
func (a *API) stacksAPI() operations {
	all := operations{}
	for _, part := range []operations{
		// One line for each noun, in the order of the alphabet.
		a.accessOperations(),
		a.appOperations(),
		a.commandOperations(),
		a.deploymentOperations(),
		a.ecsOperations(),
		a.elasticIPOperations(),
		a.instanceOperations(),
		a.layerOperations(),
		a.loadBalancerOperations(),
		a.permissionOperations(),
		a.platformOperations(),
		a.raidArrayOperations(),
		a.rdsOperations(),
		a.registrationOperations(),
		a.scalingOperations(),
		a.stackOperations(),
		a.tagOperations(),
		a.userOperations(),
		a.volumeOperations(),
	} {
		maps.Copy(all, part)
	}
	return all
}
