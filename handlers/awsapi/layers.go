package awsapi

import (
	"context"
	"maps"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) layerOperations() operations {
	return operations{
		"CreateLayer":           on(a.createLayer),
		"UpdateLayer":           do(a.updateLayer),
		"DescribeLayers":        on(a.describeLayers),
		"DeleteLayer":           do(a.deleteLayer),
		"GetHostnameSuggestion": on(a.getHostnameSuggestion),
	}
}

func (a *API) createLayer(ctx context.Context, in *wire.CreateLayerRequest) (*wire.CreateLayerResult, error) {
	l := models.NewLayer(id[models.StackID](in.StackId), models.LayerType(text(in.Type)))
	update := wire.UpdateLayerRequest{
		Name: in.Name, Shortname: in.Shortname, Attributes: in.Attributes, CloudWatchLogsConfiguration: in.CloudWatchLogsConfiguration,
		CustomInstanceProfileArn: in.CustomInstanceProfileArn, CustomJson: in.CustomJson, CustomSecurityGroupIds: in.CustomSecurityGroupIds,
		Packages: in.Packages, VolumeConfigurations: in.VolumeConfigurations, EnableAutoHealing: in.EnableAutoHealing,
		AutoAssignElasticIps: in.AutoAssignElasticIps, AutoAssignPublicIps: in.AutoAssignPublicIps, CustomRecipes: in.CustomRecipes,
		InstallUpdatesOnBoot: in.InstallUpdatesOnBoot, UseEbsOptimizedInstances: in.UseEbsOptimizedInstances,
		LifecycleEventConfiguration: in.LifecycleEventConfiguration,
	}
	layerFrom(&update, &l)
	made, err := a.Engine.CreateLayer(ctx, l)
	if err != nil {
		return nil, err
	}
	return &wire.CreateLayerResult{LayerId: str(made.ID)}, nil
}

func (a *API) updateLayer(ctx context.Context, in *wire.UpdateLayerRequest) error {
	_, err := a.Engine.UpdateLayer(ctx, id[models.LayerID](in.LayerId), func(l *models.Layer) error {
		layerFrom(in, l)
		return nil
	})
	return err
}

// layerFrom takes over what was given; a list replaces the list that was there.
func layerFrom(in *wire.UpdateLayerRequest, l *models.Layer) {
	putText(&l.Name, in.Name)
	putText(&l.Shortname, in.Shortname)
	putText(&l.CustomInstanceProfileArn, in.CustomInstanceProfileArn)
	putText(&l.CustomJSON, in.CustomJson)
	putList(&l.CustomSecurityGroupIDs, given(in.CustomSecurityGroupIds))
	putList(&l.Packages, given(in.Packages))
	if in.EnableAutoHealing != nil {
		setHealing(l, *in.EnableAutoHealing)
	}
	put(&l.AutoAssignElasticIPs, in.AutoAssignElasticIps)
	put(&l.AutoAssignPublicIPs, in.AutoAssignPublicIps)
	put(&l.InstallUpdatesOnBoot, in.InstallUpdatesOnBoot)
	put(&l.UseEbsOptimizedInstances, in.UseEbsOptimizedInstances)
	if len(in.Attributes) > 0 {
		if l.Attributes == nil {
			l.Attributes = map[string]string{}
		}
		maps.Copy(l.Attributes, in.Attributes)
	}
	putList(&l.VolumeConfigurations, volumesFrom(in.VolumeConfigurations))
	if c := in.CloudWatchLogsConfiguration; c != nil {
		put(&l.CloudWatchLogsConfiguration.Enabled, c.Enabled)
		putList(&l.CloudWatchLogsConfiguration.LogStreams, streamsFrom(c.LogStreams))
	}
	if r := in.CustomRecipes; r != nil {
		for event, list := range map[models.Event][]string{
			models.EventSetup: r.Setup, models.EventConfigure: r.Configure, models.EventDeploy: r.Deploy,
			models.EventUndeploy: r.Undeploy, models.EventShutdown: r.Shutdown,
		} {
			if list != nil {
				l.CustomRecipes.Set(event, given(list))
			}
		}
	}
	if c := in.LifecycleEventConfiguration; c != nil && c.Shutdown != nil {
		putInt(&l.Shutdown.ExecutionTimeout, c.Shutdown.ExecutionTimeout)
		put(&l.Shutdown.DelayUntilElbConnectionsDrained, c.Shutdown.DelayUntilElbConnectionsDrained)
	}
}

func volumesFrom(list []wire.VolumeConfiguration) []models.VolumeConfiguration {
	if list == nil {
		return nil
	}
	volumes := make([]models.VolumeConfiguration, len(list))
	for n, v := range list {
		volumes[n] = models.VolumeConfiguration{
			MountPoint: text(v.MountPoint), RaidLevel: intOf(v.RaidLevel), NumberOfDisks: whole(v.NumberOfDisks), Size: whole(v.Size),
			VolumeType: text(v.VolumeType), Iops: intOf(v.Iops), Encrypted: v.Encrypted,
		}
	}
	return volumes
}

func volumesShown(list []models.VolumeConfiguration) []wire.VolumeConfiguration {
	shown := make([]wire.VolumeConfiguration, len(list))
	for n, v := range list {
		shown[n] = wire.VolumeConfiguration{
			MountPoint: str(v.MountPoint), RaidLevel: optional(v.RaidLevel), NumberOfDisks: num(v.NumberOfDisks), Size: num(v.Size),
			VolumeType: str(v.VolumeType), Iops: optional(v.Iops), Encrypted: v.Encrypted,
		}
	}
	return shown
}

func streamsFrom(list []wire.CloudWatchLogsLogStream) []models.CloudWatchLogsLogStream {
	if list == nil {
		return nil
	}
	streams := make([]models.CloudWatchLogsLogStream, len(list))
	for n, s := range list {
		streams[n] = models.CloudWatchLogsLogStream{
			LogGroupName: text(s.LogGroupName), DatetimeFormat: text(s.DatetimeFormat), TimeZone: text(s.TimeZone), File: text(s.File),
			FileFingerprintLines: text(s.FileFingerprintLines), MultiLineStartPattern: text(s.MultiLineStartPattern),
			InitialPosition: text(s.InitialPosition), Encoding: text(s.Encoding), BufferDuration: whole(s.BufferDuration),
			BatchCount: whole(s.BatchCount), BatchSize: whole(s.BatchSize),
		}
	}
	return streams
}

// logsShown is absent when log streams were never asked for.
func logsShown(c models.CloudWatchLogsConfiguration) *wire.CloudWatchLogsConfiguration {
	if !c.Enabled && len(c.LogStreams) == 0 {
		return nil
	}
	shown := &wire.CloudWatchLogsConfiguration{Enabled: yes(c.Enabled), LogStreams: make([]wire.CloudWatchLogsLogStream, len(c.LogStreams))}
	for n, s := range c.LogStreams {
		shown.LogStreams[n] = wire.CloudWatchLogsLogStream{
			LogGroupName: str(s.LogGroupName), DatetimeFormat: str(s.DatetimeFormat), TimeZone: str(s.TimeZone), File: str(s.File),
			FileFingerprintLines: str(s.FileFingerprintLines), MultiLineStartPattern: str(s.MultiLineStartPattern),
			InitialPosition: str(s.InitialPosition), Encoding: str(s.Encoding), BufferDuration: num(s.BufferDuration),
			BatchCount: num(s.BatchCount), BatchSize: num(s.BatchSize),
		}
	}
	return shown
}

// layer is wire.Layer, but attributes of the type that are not set are null
// instead of missing, as in OpsWorks.
type layer struct {
	wire.Layer
	Attributes map[string]*string `json:"Attributes"`
}

type describeLayersResult struct {
	Layers []layer `json:"Layers"`
}

func (a *API) describeLayers(ctx context.Context, in *wire.DescribeLayersRequest) (*describeLayersResult, error) {
	if err := selectOne("Please provide one or more layer IDs or a stack ID", has(in.StackId), len(in.LayerIds) > 0); err != nil {
		return nil, err
	}
	layers, err := a.layersOf(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &describeLayersResult{Layers: make([]layer, len(layers))}
	var stack *models.Stack
	for n := range layers {
		if stack == nil || stack.ID != layers[n].StackID { // most often there is one
			if stack, err = a.show(ctx, layers[n].StackID); err != nil {
				return nil, err
			}
		}
		defaults, err := a.Engine.DefaultRecipes(stack, &layers[n])
		if err != nil {
			return nil, err
		}
		out.Layers[n] = layerShown(&layers[n], defaults)
	}
	return out, nil
}

func (a *API) layersOf(ctx context.Context, in *wire.DescribeLayersRequest) ([]models.Layer, error) {
	if has(in.StackId) {
		s, err := a.show(ctx, id[models.StackID](in.StackId))
		if err != nil {
			return nil, err
		}
		return a.Store.Layers.InStack(ctx, s.ID)
	}
	return see(ctx, a, nounLayer, ids[models.LayerID](in.LayerIds), a.Store.Layers.ByIDs)
}

// setHealing takes over OpsWorks' flag, which says whether the layer heals. One
// that only notifies does not, and stays so when a client writes back what it
// has read.
func setHealing(l *models.Layer, heals bool) {
	switch {
	case heals:
		l.SetHealingMode(models.HealingHeal)
	case l.HealingMode() == models.HealingHeal:
		l.SetHealingMode(models.HealingOff)
	}
}

func layerShown(l *models.Layer, defaults models.Recipes) layer {
	return layer{Attributes: attributesShown(l), Layer: wire.Layer{
		Arn: str(l.Arn), StackId: str(l.StackID), LayerId: str(l.ID), Type: str(l.Type), Name: str(l.Name), Shortname: str(l.Shortname),
		CloudWatchLogsConfiguration: logsShown(l.CloudWatchLogsConfiguration), CustomInstanceProfileArn: str(l.CustomInstanceProfileArn),
		CustomJson: str(l.CustomJSON), CustomSecurityGroupIds: strs(l.CustomSecurityGroupIDs),
		DefaultSecurityGroupNames: strs(l.DefaultSecurityGroupNames), Packages: strs(l.Packages),
		VolumeConfigurations: volumesShown(l.VolumeConfigurations), EnableAutoHealing: yes(l.HealingMode() == models.HealingHeal),
		AutoAssignElasticIps: yes(l.AutoAssignElasticIPs), AutoAssignPublicIps: yes(l.AutoAssignPublicIPs),
		DefaultRecipes: recipesShown(defaults), CustomRecipes: recipesShown(l.CustomRecipes), CreatedAt: stamp(l.CreatedAt),
		InstallUpdatesOnBoot: yes(l.InstallUpdatesOnBoot), UseEbsOptimizedInstances: yes(l.UseEbsOptimizedInstances),
		LifecycleEventConfiguration: &wire.LifecycleEventConfiguration{Shutdown: &wire.ShutdownEventConfiguration{
			ExecutionTimeout: num(l.Shutdown.ExecutionTimeout), DelayUntilElbConnectionsDrained: yes(l.Shutdown.DelayUntilElbConnectionsDrained),
		}},
	}}
}

// attributesShown has every attribute of the layer's type; passwords are hidden.
func attributesShown(l *models.Layer) map[string]*string {
	shown := map[string]*string{}
	for _, attribute := range l.Type.Attributes() {
		value := l.Attributes[attribute.Key]
		if attribute.Secret && value != "" {
			value = models.Filtered
		}
		shown[attribute.Key] = str(value)
	}
	return shown
}

func recipesShown(r models.Recipes) *wire.Recipes {
	return &wire.Recipes{
		Setup: strs(r.Setup), Configure: strs(r.Configure), Deploy: strs(r.Deploy), Undeploy: strs(r.Undeploy), Shutdown: strs(r.Shutdown),
	}
}

func (a *API) deleteLayer(ctx context.Context, in *wire.DeleteLayerRequest) error {
	return a.Engine.DeleteLayer(ctx, id[models.LayerID](in.LayerId))
}

func (a *API) getHostnameSuggestion(ctx context.Context, in *wire.GetHostnameSuggestionRequest) (*wire.GetHostnameSuggestionResult, error) {
	name, err := a.Engine.SuggestHostname(ctx, id[models.LayerID](in.LayerId))
	if err != nil {
		return nil, err
	}
	return &wire.GetHostnameSuggestionResult{LayerId: in.LayerId, Hostname: str(name)}, nil
}
