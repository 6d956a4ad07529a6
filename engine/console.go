package engine

import (
	"context"
	"errors"
	"io"

	"opsyard/engine/compute"
	"opsyard/models"
)

// Console opens what an instance's machine has printed while it booted, to
// tell why an agent does not call. It may hold more than a log shows, so it
// needs the level manage.
func (e *Engine) Console(ctx context.Context, id models.InstanceID) (io.ReadCloser, error) {
	i, err := e.instanceFor(ctx, id, "ReadConsole")
	if err != nil {
		return nil, err
	}
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return nil, err
	}
	p, err := e.provider(stack)
	if err != nil {
		return nil, err
	}
	output, err := p.Console(ctx, string(id))
	switch {
	case errors.Is(err, compute.ErrUnsupported):
		return nil, models.Invalid("Machines of provider %s have no console.", p.Name())
	case errors.Is(err, compute.ErrNotFound):
		return nil, models.Invalid("Instance %s has no machine, and so no console output.", i.Hostname)
	}
	return output, err
}
