package engine

import (
	"context"

	"opsyard/models"
	"opsyard/models/store"
)

// Types of service errors. OpsWorks documents InstanceStop; the others are
// named alike.
const (
	serviceErrorStart = "InstanceStart"
	serviceErrorStop  = "InstanceStop"
)

// stopTimedOut is OpsWorks' own sentence.
const stopTimedOut = "The shutdown of the instance timed out. Please try stopping it again."

// serviceError keeps what could not be done for an instance, and names it in
// the change that goes with it (OpsWorks: LastServiceErrorId).
func (t *tx) serviceError(ctx context.Context, i *models.Instance, kind, message string, change *store.InstanceChange) error {
	trouble := models.ServiceError{
		ID: models.NewID[models.ServiceErrorID](), StackID: i.StackID, InstanceID: i.ID,
		Type: kind, Message: message, CreatedAt: t.e.Clock(),
	}
	change.LastServiceErrorID = &trouble.ID
	if err := t.alert(ctx, i, kind, message); err != nil {
		return err
	}
	return t.ServiceErrors.Create(ctx, &trouble)
}

// startFailed moves an instance to start_failed and keeps why.
func (e *Engine) startFailed(ctx context.Context, i *models.Instance, cause models.Cause, reason string) error {
	return e.tx(ctx, func(t *tx) error {
		change := store.InstanceChange{Reason: reason}
		if err := t.serviceError(ctx, i, serviceErrorStart, reason, &change); err != nil {
			return err
		}
		return t.move(ctx, i, models.InstanceStartFailed, cause, change)
	})
}
