package engine

import (
	"context"

	"opsyard/models"
)

// releaseResources lets go of what is attached to an instance that is about to
// leave its stack, inside the transaction in which it leaves.
func (t *tx) releaseResources(_ context.Context, _ *models.Instance, _ DeleteOptions) error {
	return nil
}
