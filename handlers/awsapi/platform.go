package awsapi

import (
	"context"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) platformOperations() operations {
	return operations{
		"DescribeOperatingSystems": get(a.describeOperatingSystems),
		"DescribeAgentVersions":    on(a.describeAgentVersions),
		"DescribeServiceErrors":    on(a.describeServiceErrors),
	}
}

func (a *API) describeOperatingSystems(context.Context) (*wire.DescribeOperatingSystemsResponse, error) {
	out := &wire.DescribeOperatingSystemsResponse{OperatingSystems: []wire.OperatingSystem{}}
	for _, o := range a.Engine.OperatingSystems() {
		shown := wire.OperatingSystem{
			Id: str(o.ID), Name: str(o.Name), Type: str(o.Type), ReportedName: str(o.ReportedName), ReportedVersion: str(o.ReportedVersion),
			ConfigurationManagers: []wire.OperatingSystemConfigurationManager{},
		}
		for _, m := range o.Managers {
			shown.ConfigurationManagers = append(shown.ConfigurationManagers, wire.OperatingSystemConfigurationManager{Name: str(m.Name), Version: str(m.Version)})
		}
		if o.Closed { // the member is absent from the others, as in OpsWorks
			shown.Supported = yes(false)
		}
		out.OperatingSystems = append(out.OperatingSystems, shown)
	}
	return out, nil
}

func (a *API) describeAgentVersions(ctx context.Context, in *wire.DescribeAgentVersionsRequest) (*wire.DescribeAgentVersionsResult, error) {
	if err := selectOne("Please provide either a stack ID or a configuration manager", has(in.StackId), in.ConfigurationManager != nil); err != nil {
		return nil, err
	}
	var manager models.ConfigurationManager
	if has(in.StackId) {
		s, err := a.Engine.Authorize(ctx, id[models.StackID](in.StackId), models.ActionShow)
		if err != nil {
			return nil, err
		}
		manager = s.ConfigurationManager
	} else {
		manager = models.ConfigurationManager{Name: models.ManagerChef}
		putText(&manager.Name, in.ConfigurationManager.Name)
		putText(&manager.Version, in.ConfigurationManager.Version)
	}
	out := &wire.DescribeAgentVersionsResult{AgentVersions: []wire.AgentVersion{}}
	for _, v := range a.Engine.AgentVersions(manager) {
		out.AgentVersions = append(out.AgentVersions, wire.AgentVersion{
			Version:              str(v.Version),
			ConfigurationManager: &wire.StackConfigurationManager{Name: str(v.Manager.Name), Version: str(v.Manager.Version)},
		})
	}
	return out, nil
}

func (a *API) describeServiceErrors(ctx context.Context, in *wire.DescribeServiceErrorsRequest) (*wire.DescribeServiceErrorsResult, error) {
	err := selectOne("Please provide either one or more service error IDs or one stack ID or one instance ID",
		has(in.StackId), has(in.InstanceId), len(in.ServiceErrorIds) > 0)
	if err != nil {
		return nil, err
	}
	found, err := a.serviceErrorsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeServiceErrorsResult{ServiceErrors: make([]wire.ServiceError, len(found))}
	for n, e := range found {
		out.ServiceErrors[n] = wire.ServiceError{
			ServiceErrorId: str(e.ID), StackId: str(e.StackID), InstanceId: str(e.InstanceID),
			Type: str(e.Type), Message: str(e.Message), CreatedAt: stamp(e.CreatedAt),
		}
	}
	return out, nil
}

func (a *API) serviceErrorsOf(ctx context.Context, in *wire.DescribeServiceErrorsRequest) ([]models.ServiceError, error) {
	switch {
	case has(in.StackId):
		s, err := a.show(ctx, id[models.StackID](in.StackId))
		if err != nil {
			return nil, err
		}
		return a.Store.ServiceErrors.InStack(ctx, s.ID)
	case has(in.InstanceId):
		wanted := id[models.InstanceID](in.InstanceId)
		if err := a.seeInstance(ctx, wanted); err != nil {
			return nil, err
		}
		return a.Store.ServiceErrors.OfInstance(ctx, wanted)
	}
	return see(ctx, a, nounServiceError, ids[models.ServiceErrorID](in.ServiceErrorIds), a.Store.ServiceErrors.ByIDs)
}
