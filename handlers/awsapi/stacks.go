package awsapi

import (
	"context"
	"maps"
	"strings"

	"opsyard/engine"
	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/models/store"
)

func (a *API) stackOperations() operations {
	return operations{
		"CreateStack":                         on(a.createStack),
		"CloneStack":                          on(a.cloneStack),
		"UpdateStack":                         do(a.updateStack),
		"DescribeStacks":                      on(a.describeStacks),
		"DescribeStackSummary":                on(a.describeStackSummary),
		"DescribeStackProvisioningParameters": on(a.describeStackProvisioningParameters),
		"DeleteStack":                         do(a.deleteStack),
		"StartStack":                          do(a.startStack),
		"StopStack":                           do(a.stopStack),
	}
}

func (a *API) createStack(ctx context.Context, in *wire.CreateStackRequest) (*wire.CreateStackResult, error) {
	if text(in.ServiceRoleArn) == "" {
		return nil, noServiceRole()
	}
	s := models.NewStack(text(in.Name))
	s.DefaultOs = text(in.DefaultOs)
	s.ConfigurationManager = managerFor(in.ConfigurationManager, s.DefaultOs)
	if s.DefaultOs == "" {
		s.DefaultOs = models.DefaultOS(s.ConfigurationManager)
	}
	s.Region, s.VpcID = text(in.Region), text(in.VpcId)
	s.ServiceRoleArn = text(in.ServiceRoleArn)
	if s.DefaultAvailabilityZone = text(in.DefaultAvailabilityZone); s.DefaultAvailabilityZone == "" {
		s.DefaultAvailabilityZone = firstZone(s.Region)
	}
	settingsFrom(&wire.UpdateStackRequest{
		DefaultInstanceProfileArn: in.DefaultInstanceProfileArn, HostnameTheme: in.HostnameTheme, DefaultSubnetId: in.DefaultSubnetId,
		CustomJson: in.CustomJson, ChefConfiguration: in.ChefConfiguration, UseCustomCookbooks: in.UseCustomCookbooks,
		CustomCookbooksSource: in.CustomCookbooksSource, DefaultSshKeyName: in.DefaultSshKeyName,
		DefaultRootDeviceType: in.DefaultRootDeviceType, AgentVersion: in.AgentVersion,
		UseOpsworksSecurityGroups: in.UseOpsworksSecurityGroups, Attributes: in.Attributes,
	}, &s)
	made, err := a.Engine.CreateStack(ctx, s)
	if err != nil {
		return nil, err
	}
	return &wire.CreateStackResult{StackId: str(made.ID)}, nil
}

func noServiceRole() error {
	return models.InvalidField("ServiceRoleArn", "Service Role Arn: is missing.")
}

// managerFor is the configuration manager of a new stack: Chef 12, or 12.2 where
// Windows is asked for.
func managerFor(in *wire.StackConfigurationManager, os string) models.ConfigurationManager {
	m := models.ConfigurationManager{Name: models.ManagerChef}
	if in != nil {
		putText(&m.Name, in.Name)
		putText(&m.Version, in.Version)
	}
	if m.IsChef() && m.Version == "" {
		m.Version = models.Chef12
		if models.OSFamily(os) == models.FamilyWindows {
			m.Version = models.Chef122
		}
	}
	return m
}

// firstZone is the availability zone of a stack that names none, in regions that
// are named like those of AWS.
func firstZone(region string) string {
	if region == "" || !strings.ContainsAny(region[len(region)-1:], "0123456789") {
		return ""
	}
	return region + "a"
}

// settingsFrom takes over what was given of what create, clone and update have
// in common.
func settingsFrom(in *wire.UpdateStackRequest, s *models.Stack) {
	putText(&s.DefaultInstanceProfileArn, in.DefaultInstanceProfileArn)
	putText(&s.DefaultOs, in.DefaultOs)
	putText(&s.HostnameTheme, in.HostnameTheme)
	putText(&s.DefaultAvailabilityZone, in.DefaultAvailabilityZone)
	putText(&s.DefaultSubnetID, in.DefaultSubnetId)
	putText(&s.CustomJSON, in.CustomJson)
	putText(&s.DefaultSSHKeyName, in.DefaultSshKeyName)
	putText(&s.DefaultRootDeviceType, in.DefaultRootDeviceType)
	putText(&s.AgentVersion, in.AgentVersion)
	put(&s.UseCustomCookbooks, in.UseCustomCookbooks)
	put(&s.UseOpsworksSecurityGroups, in.UseOpsworksSecurityGroups)
	if m := in.ConfigurationManager; m != nil {
		putText(&s.ConfigurationManager.Name, m.Name)
		putText(&s.ConfigurationManager.Version, m.Version)
	}
	if c := in.ChefConfiguration; c != nil {
		put(&s.ChefConfiguration.ManageBerkshelf, c.ManageBerkshelf)
		putText(&s.ChefConfiguration.BerkshelfVersion, c.BerkshelfVersion)
	}
	if in.CustomCookbooksSource != nil {
		s.CustomCookbooksSource = mergeSource(s.CustomCookbooksSource, in.CustomCookbooksSource)
	}
	if len(in.Attributes) > 0 {
		all := map[string]string{}
		maps.Copy(all, s.Attributes)
		maps.Copy(all, in.Attributes)
		s.Attributes = all
	}
}

func (a *API) cloneStack(ctx context.Context, in *wire.CloneStackRequest) (*wire.CloneStackResult, error) {
	if text(in.ServiceRoleArn) == "" {
		return nil, noServiceRole()
	}
	made, err := a.Engine.CloneStack(ctx, engine.CloneRequest{
		SourceID:         id[models.StackID](in.SourceStackId),
		ClonePermissions: isSet(in.ClonePermissions),
		AppIDs:           ids[models.AppID](in.CloneAppIds),
		Change: func(s *models.Stack) error {
			putText(&s.Name, in.Name)
			s.ServiceRoleArn = text(in.ServiceRoleArn)
			putText(&s.VpcID, in.VpcId)
			if has(in.Region) && *in.Region != s.Region {
				s.Region, s.DefaultAvailabilityZone = *in.Region, firstZone(*in.Region)
			}
			settingsFrom(&wire.UpdateStackRequest{
				DefaultInstanceProfileArn: in.DefaultInstanceProfileArn, DefaultOs: in.DefaultOs, HostnameTheme: in.HostnameTheme,
				DefaultAvailabilityZone: in.DefaultAvailabilityZone, DefaultSubnetId: in.DefaultSubnetId, CustomJson: in.CustomJson,
				ConfigurationManager: in.ConfigurationManager, ChefConfiguration: in.ChefConfiguration,
				UseCustomCookbooks: in.UseCustomCookbooks, CustomCookbooksSource: in.CustomCookbooksSource,
				DefaultSshKeyName: in.DefaultSshKeyName, DefaultRootDeviceType: in.DefaultRootDeviceType, AgentVersion: in.AgentVersion,
				UseOpsworksSecurityGroups: in.UseOpsworksSecurityGroups, Attributes: in.Attributes,
			}, s)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return &wire.CloneStackResult{StackId: str(made.ID)}, nil
}

func (a *API) updateStack(ctx context.Context, in *wire.UpdateStackRequest) error {
	_, err := a.Engine.UpdateStack(ctx, id[models.StackID](in.StackId), func(s *models.Stack) error {
		putText(&s.Name, in.Name)
		putText(&s.ServiceRoleArn, in.ServiceRoleArn)
		settingsFrom(in, s)
		return nil
	})
	return err
}

func (a *API) deleteStack(ctx context.Context, in *wire.DeleteStackRequest) error {
	return a.Engine.DeleteStack(ctx, id[models.StackID](in.StackId))
}

func (a *API) startStack(ctx context.Context, in *wire.StartStackRequest) error {
	_, err := a.Engine.StartStack(ctx, id[models.StackID](in.StackId))
	return err
}

func (a *API) stopStack(ctx context.Context, in *wire.StopStackRequest) error {
	_, err := a.Engine.StopStack(ctx, id[models.StackID](in.StackId))
	return err
}

func (a *API) describeStacks(ctx context.Context, in *wire.DescribeStacksRequest) (*wire.DescribeStacksResult, error) {
	stacks, err := a.stacksOf(ctx, in.StackIds)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeStacksResult{Stacks: make([]wire.Stack, len(stacks))}
	for n := range stacks {
		out.Stacks[n] = stackShown(&stacks[n])
	}
	return out, nil
}

// stacksOf are the wanted stacks, or all that the asker may see. OpsWorks
// refused the latter to those who may not see all stacks.
func (a *API) stacksOf(ctx context.Context, wanted []string) ([]models.Stack, error) {
	if len(wanted) == 0 {
		return a.Engine.VisibleStacks(ctx)
	}
	var stacks []models.Stack
	var missing []string
	for _, want := range wanted {
		s, err := a.show(ctx, models.StackID(want))
		switch {
		case err == nil:
			stacks = append(stacks, *s)
		case models.CodeOf(err) == models.CodeNotFound:
			missing = append(missing, want)
		default:
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, models.NotFound("stack", strings.Join(missing, ", "))
	}
	return stacks, nil
}

func stackShown(s *models.Stack) wire.Stack {
	attributes := map[string]string{}
	maps.Copy(attributes, s.Attributes)
	return wire.Stack{
		StackId: str(s.ID), Name: str(s.Name), Arn: str(s.Arn), Region: str(s.Region), VpcId: str(s.VpcID),
		Attributes: attributes, ServiceRoleArn: str(s.ServiceRoleArn), DefaultInstanceProfileArn: str(s.DefaultInstanceProfileArn),
		DefaultOs: str(s.DefaultOs), HostnameTheme: str(s.HostnameTheme), DefaultAvailabilityZone: str(s.DefaultAvailabilityZone),
		DefaultSubnetId: str(s.DefaultSubnetID), CustomJson: str(s.CustomJSON),
		ConfigurationManager: &wire.StackConfigurationManager{Name: str(s.ConfigurationManager.Name), Version: str(s.ConfigurationManager.Version)},
		ChefConfiguration: &wire.ChefConfiguration{
			ManageBerkshelf: yes(s.ChefConfiguration.ManageBerkshelf), BerkshelfVersion: str(s.ChefConfiguration.BerkshelfVersion),
		},
		UseCustomCookbooks: yes(s.UseCustomCookbooks), UseOpsworksSecurityGroups: yes(s.UseOpsworksSecurityGroups),
		CustomCookbooksSource: sourceShown(s.CustomCookbooksSource), DefaultSshKeyName: str(s.DefaultSSHKeyName),
		CreatedAt: stamp(s.CreatedAt), DefaultRootDeviceType: str(s.DefaultRootDeviceType), AgentVersion: str(s.AgentVersion),
	}
}

func (a *API) describeStackSummary(ctx context.Context, in *wire.DescribeStackSummaryRequest) (*wire.DescribeStackSummaryResult, error) {
	s, err := a.show(ctx, id[models.StackID](in.StackId))
	if err != nil {
		return nil, err
	}
	sums, err := a.Store.Stacks.Summaries(ctx, []models.StackID{s.ID})
	if err != nil {
		return nil, err
	}
	sum := sums[s.ID]
	return &wire.DescribeStackSummaryResult{StackSummary: &wire.StackSummary{
		StackId: str(s.ID), Name: str(s.Name), Arn: str(s.Arn),
		LayersCount: num(sum.Layers), AppsCount: num(sum.Apps), InstancesCount: instancesCount(sum),
	}}, nil
}

func instancesCount(sum store.StackSummary) *wire.InstancesCount {
	of := func(s models.InstanceStatus) *int64 { return num(sum.ByStatus[s]) }
	return &wire.InstancesCount{
		Assigning: of(models.InstanceAssigning), Booting: of(models.InstanceBooting), ConnectionLost: of(models.InstanceConnectionLost),
		Deregistering: of(models.InstanceDeregistering), Online: of(models.InstanceOnline), Pending: of(models.InstancePending),
		Rebooting: of(models.InstanceRebooting), Registered: of(models.InstanceRegistered), Registering: of(models.InstanceRegistering),
		Requested: of(models.InstanceRequested), RunningSetup: of(models.InstanceRunningSetup), SetupFailed: of(models.InstanceSetupFailed),
		ShuttingDown: of(models.InstanceShuttingDown), StartFailed: of(models.InstanceStartFailed), StopFailed: of(models.InstanceStopFailed),
		Stopped: of(models.InstanceStopped), Stopping: of(models.InstanceStopping), Terminated: of(models.InstanceTerminated),
		Terminating: of(models.InstanceTerminating), Unassigning: of(models.InstanceUnassigning),
	}
}

func (a *API) describeStackProvisioningParameters(ctx context.Context, in *wire.DescribeStackProvisioningParametersRequest) (*wire.DescribeStackProvisioningParametersResult, error) {
	installer, parameters, err := a.Engine.Provisioning(ctx, id[models.StackID](in.StackId))
	if err != nil {
		return nil, err
	}
	return &wire.DescribeStackProvisioningParametersResult{AgentInstallerUrl: str(installer), Parameters: parameters}, nil
}

// sourceShown hides the secrets; a source that is not set is an empty object, as
// in OpsWorks.
func sourceShown(s models.Source) *wire.Source {
	s = s.Redacted()
	return &wire.Source{
		Type: str(s.Type), Url: str(s.URL), Username: str(s.Username), Password: str(s.Password), SshKey: str(s.SSHKey), Revision: str(s.Revision),
	}
}
