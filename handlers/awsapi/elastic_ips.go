package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) elasticIPOperations() operations {
	return operations{
		"RegisterElasticIp":     on(a.registerElasticIP),
		"DeregisterElasticIp":   do(a.deregisterElasticIP),
		"AssociateElasticIp":    do(a.associateElasticIP),
		"DisassociateElasticIp": do(a.disassociateElasticIP),
		"UpdateElasticIp":       do(a.updateElasticIP),
		"DescribeElasticIps":    on(a.describeElasticIPs),
	}
}

func (a *API) registerElasticIP(ctx context.Context, in *wire.RegisterElasticIpRequest) (*wire.RegisterElasticIpResult, error) {
	ip := models.NormalIP(text(in.ElasticIp))
	if err := a.Engine.RegisterElasticIP(ctx, id[models.StackID](in.StackId), ip); err != nil {
		return nil, err
	}
	return &wire.RegisterElasticIpResult{ElasticIp: str(ip)}, nil
}

func (a *API) deregisterElasticIP(ctx context.Context, in *wire.DeregisterElasticIpRequest) error {
	return a.Engine.DeregisterElasticIP(ctx, text(in.ElasticIp))
}

func (a *API) associateElasticIP(ctx context.Context, in *wire.AssociateElasticIpRequest) error {
	return a.Engine.AssociateElasticIP(ctx, text(in.ElasticIp), id[models.InstanceID](in.InstanceId))
}

func (a *API) disassociateElasticIP(ctx context.Context, in *wire.DisassociateElasticIpRequest) error {
	return a.Engine.DisassociateElasticIP(ctx, text(in.ElasticIp))
}

// updateElasticIP without a name leaves the name, and refuses all the same
// whoever may not change it.
func (a *API) updateElasticIP(ctx context.Context, in *wire.UpdateElasticIpRequest) error {
	ip, name := models.NormalIP(text(in.ElasticIp)), text(in.Name)
	if in.Name == nil {
		stored, err := a.Store.ElasticIPs.Get(ctx, ip)
		if err != nil {
			return err
		}
		name = stored.Name
	}
	return a.Engine.UpdateElasticIP(ctx, ip, name)
}

func (a *API) describeElasticIPs(ctx context.Context, in *wire.DescribeElasticIpsRequest) (*wire.DescribeElasticIpsResult, error) {
	if err := selectAtMostOne("Please provide either one or more IP addresses or one stack ID or one instance ID",
		has(in.InstanceId), has(in.StackId), len(in.Ips) > 0); err != nil {
		return nil, err
	}
	list, err := a.elasticIPsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeElasticIpsResult{ElasticIps: shown(list, elasticIPShown)}, nil
}

func (a *API) elasticIPsOf(ctx context.Context, in *wire.DescribeElasticIpsRequest) ([]models.ElasticIP, error) {
	if wanted := id[models.InstanceID](in.InstanceId); wanted != "" {
		if err := a.seeInstance(ctx, wanted); err != nil {
			return nil, err
		}
		return a.Store.ElasticIPs.OfInstance(ctx, wanted)
	}
	if len(in.Ips) > 0 {
		wanted := make([]string, len(in.Ips))
		for n, ip := range in.Ips {
			wanted[n] = models.NormalIP(ip)
		}
		return see(ctx, a, nounElasticIP, wanted, a.Store.ElasticIPs.ByIPs)
	}
	stacks, err := a.stacksFor(ctx, in.StackId)
	if err != nil {
		return nil, err
	}
	return a.Store.ElasticIPs.InStack(ctx, stacks...)
}

func elasticIPShown(e *models.ElasticIP) wire.ElasticIp {
	return wire.ElasticIp{Ip: str(e.IP), Name: str(e.Name), Domain: str(e.Domain), Region: str(e.Region), InstanceId: str(e.InstanceID)}
}
