package awsapi

import (
	"context"
	"strings"

	"opsyard/models"
)

// mustSee refuses things of stacks that the asker may not see, as if they did
// not exist. Each stack is asked about once.
func mustSee[T any, ID ~string](ctx context.Context, a *API, kind string, things []T, of func(*T) (models.StackID, ID)) error {
	asked := map[models.StackID]bool{}
	var hidden []string
	for n := range things {
		stack, id := of(&things[n])
		visible, known := asked[stack]
		if !known {
			_, err := a.show(ctx, stack)
			if err != nil && models.CodeOf(err) != models.CodeNotFound {
				return err
			}
			visible = err == nil
			asked[stack] = visible
		}
		if !visible {
			hidden = append(hidden, string(id))
		}
	}
	if hidden != nil {
		return models.NotFound(kind, strings.Join(hidden, ", "))
	}
	return nil
}
