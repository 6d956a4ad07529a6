package awsapi

import (
	"context"

	"opsyard/models"
)

// selectOne refuses unless exactly one of the selectors was given. The
// sentence says which there are, in OpsWorks' words.
func selectOne(sentence string, given ...bool) error {
	return refuseUnless(count(given) == 1, sentence)
}

// selectAtMostOne is selectOne for operations that need no selector.
func selectAtMostOne(sentence string, given ...bool) error {
	return refuseUnless(count(given) <= 1, sentence)
}

func count(given []bool) int {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	return n
}

func refuseUnless(right bool, sentence string) error {
	if right {
		return nil
	}
	return models.Invalid("%s", sentence)
}

// show loads a stack that the asker may see; for anybody else there is none.
func (a *API) show(ctx context.Context, id models.StackID) (*models.Stack, error) {
	return a.Engine.Authorize(ctx, id, models.ActionShow)
}
