package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) tagOperations() operations {
	return operations{
		"TagResource":   do(a.tagResource),
		"UntagResource": do(a.untagResource),
		"ListTags":      on(a.listTags),
	}
}

func (a *API) tagResource(ctx context.Context, in *wire.TagResourceRequest) error {
	return a.Engine.TagResource(ctx, text(in.ResourceArn), in.Tags)
}

func (a *API) untagResource(ctx context.Context, in *wire.UntagResourceRequest) error {
	return a.Engine.UntagResource(ctx, text(in.ResourceArn), in.TagKeys)
}

// listTags has the members of a page, and refuses them, as OpsWorks does.
func (a *API) listTags(ctx context.Context, in *wire.ListTagsRequest) (*wire.ListTagsResult, error) {
	if in.MaxResults != nil || in.NextToken != nil {
		return nil, models.Invalid("MaxResults and NextToken are not supported: all tags are listed at once.")
	}
	tags, err := a.Engine.Tags(ctx, text(in.ResourceArn))
	if err != nil {
		return nil, err
	}
	return &wire.ListTagsResult{Tags: tags}, nil
}
