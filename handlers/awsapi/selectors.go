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

// show loads a stack in which the asker may do what they ask for; for those who
// may not even see it there is none.
func (a *API) show(ctx context.Context, id models.StackID) (*models.Stack, error) {
	return a.Engine.Authorize(ctx, id, asked(ctx))
}

type askedKey struct{}

// withAsked keeps the name of the operation, which is the action that levels
// and policies speak of.
func withAsked(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, askedKey{}, models.Action(operation))
}

func asked(ctx context.Context) models.Action {
	a, _ := ctx.Value(askedKey{}).(models.Action)
	return a
}
