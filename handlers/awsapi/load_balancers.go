package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) loadBalancerOperations() operations {
	return operations{
		"AttachElasticLoadBalancer":    do(a.attachElasticLoadBalancer),
		"DetachElasticLoadBalancer":    do(a.detachElasticLoadBalancer),
		"DescribeElasticLoadBalancers": on(a.describeElasticLoadBalancers),
	}
}

func (a *API) attachElasticLoadBalancer(ctx context.Context, in *wire.AttachElasticLoadBalancerRequest) error {
	return a.Engine.AttachElasticLoadBalancer(ctx, text(in.ElasticLoadBalancerName), id[models.LayerID](in.LayerId))
}

func (a *API) detachElasticLoadBalancer(ctx context.Context, in *wire.DetachElasticLoadBalancerRequest) error {
	return a.Engine.DetachElasticLoadBalancer(ctx, text(in.ElasticLoadBalancerName), id[models.LayerID](in.LayerId))
}

func (a *API) describeElasticLoadBalancers(ctx context.Context, in *wire.DescribeElasticLoadBalancersRequest) (*wire.DescribeElasticLoadBalancersResult, error) {
	if err := selectAtMostOne("Please provide either one or more layer IDs or one stack ID", has(in.StackId), len(in.LayerIds) > 0); err != nil {
		return nil, err
	}
	list, err := a.loadBalancersOf(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeElasticLoadBalancersResult{ElasticLoadBalancers: make([]wire.ElasticLoadBalancer, len(list))}
	for n := range list {
		serving, err := a.serving(ctx, list[n].LayerID)
		if err != nil {
			return nil, err
		}
		out.ElasticLoadBalancers[n] = loadBalancerShown(&list[n], serving)
	}
	return out, nil
}

// loadBalancersOf leaves out layers that have none: Terraform asks for each.
func (a *API) loadBalancersOf(ctx context.Context, in *wire.DescribeElasticLoadBalancersRequest) ([]models.ElasticLoadBalancer, error) {
	if len(in.LayerIds) > 0 {
		layers, err := a.layersOf(ctx, &wire.DescribeLayersRequest{LayerIds: in.LayerIds})
		if err != nil {
			return nil, err
		}
		wanted := make([]models.LayerID, len(layers))
		for n := range layers {
			wanted[n] = layers[n].ID
		}
		return a.Store.ElasticLoadBalancers.OfLayers(ctx, wanted)
	}
	stacks, err := a.stacksFor(ctx, in.StackId)
	if err != nil {
		return nil, err
	}
	return a.Store.ElasticLoadBalancers.InStack(ctx, stacks...)
}

// serving are the machines behind a layer's load balancer: those of its online
// instances.
func (a *API) serving(ctx context.Context, layer models.LayerID) ([]string, error) {
	members, err := a.Store.Instances.InLayer(ctx, layer)
	machines := []string{}
	for _, i := range members {
		if i.Status == models.InstanceOnline && i.Ec2InstanceID != "" {
			machines = append(machines, i.Ec2InstanceID)
		}
	}
	return machines, err
}

func loadBalancerShown(b *models.ElasticLoadBalancer, serving []string) wire.ElasticLoadBalancer {
	return wire.ElasticLoadBalancer{
		ElasticLoadBalancerName: str(b.Name), Region: str(b.Region), DnsName: str(b.DNSName), StackId: str(b.StackID), LayerId: str(b.LayerID),
		VpcId: str(b.VpcID), AvailabilityZones: strs(b.AvailabilityZones), SubnetIds: strs(b.SubnetIDs), Ec2InstanceIds: serving,
	}
}
