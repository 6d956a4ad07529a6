package awsapi

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) ecsOperations() operations {
	return operations{
		"RegisterEcsCluster":   on(a.registerEcsCluster),
		"DeregisterEcsCluster": do(a.deregisterEcsCluster),
		"DescribeEcsClusters":  on(a.describeEcsClusters),
	}
}

func (a *API) registerEcsCluster(ctx context.Context, in *wire.RegisterEcsClusterRequest) (*wire.RegisterEcsClusterResult, error) {
	arn := strings.TrimSpace(text(in.EcsClusterArn))
	if err := a.Engine.RegisterEcsCluster(ctx, id[models.StackID](in.StackId), arn); err != nil {
		return nil, err
	}
	return &wire.RegisterEcsClusterResult{EcsClusterArn: str(arn)}, nil
}

func (a *API) deregisterEcsCluster(ctx context.Context, in *wire.DeregisterEcsClusterRequest) error {
	return a.Engine.DeregisterEcsCluster(ctx, text(in.EcsClusterArn))
}

// describeEcsClusters is the one operation of the API that has pages. They are
// in the order of the ARNs, so that a page begins behind the one before
// whatever was registered meanwhile.
func (a *API) describeEcsClusters(ctx context.Context, in *wire.DescribeEcsClustersRequest) (*wire.DescribeEcsClustersResult, error) {
	if err := selectAtMostOne("Please provide either one or more ECS cluster ARNs or one stack ID", has(in.StackId), len(in.EcsClusterArns) > 0); err != nil {
		return nil, err
	}
	after, err := readToken(text(in.NextToken))
	if err != nil {
		return nil, err
	}
	if in.MaxResults != nil && *in.MaxResults < 1 {
		return nil, models.InvalidField("MaxResults", "Max results: must be at least 1.")
	}
	list, err := a.ecsClustersOf(ctx, in)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(x, y models.EcsCluster) int { return strings.Compare(x.Arn, y.Arn) })
	list = slices.DeleteFunc(list, func(c models.EcsCluster) bool { return c.Arn <= after })
	out := &wire.DescribeEcsClustersResult{}
	if most := whole(in.MaxResults); most > 0 && len(list) > most {
		list = list[:most]
		out.NextToken = str(writeToken(list[most-1].Arn))
	}
	out.EcsClusters = shown(list, ecsClusterShown)
	return out, nil
}

func (a *API) ecsClustersOf(ctx context.Context, in *wire.DescribeEcsClustersRequest) ([]models.EcsCluster, error) {
	if len(in.EcsClusterArns) > 0 {
		return see(ctx, a, nounEcsCluster, in.EcsClusterArns, a.Store.EcsClusters.ByArns)
	}
	stacks, err := a.stacksFor(ctx, in.StackId)
	if err != nil {
		return nil, err
	}
	return a.Store.EcsClusters.InStack(ctx, stacks...)
}

// A token is the ARN with which the page before ended. Clients do not look
// inside.
const tokenMark = "ecs:"

func writeToken(arn string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenMark + arn))
}

func readToken(token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(token)
	after, marked := strings.CutPrefix(string(plain), tokenMark)
	if err != nil || !marked {
		return "", models.InvalidField("NextToken", "Next token: is not one that this server has given.")
	}
	return after, nil
}

func ecsClusterShown(c *models.EcsCluster) wire.EcsCluster {
	return wire.EcsCluster{EcsClusterArn: str(c.Arn), EcsClusterName: str(c.Name), StackId: str(c.StackID), RegisteredAt: stamp(c.RegisteredAt)}
}
