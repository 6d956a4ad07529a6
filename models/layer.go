package models

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// LayerType is what a layer is for.
type LayerType string

// Types of layers. For all but Custom the type is also the short name, and a
// stack has at most one.
const (
	LayerAWSFlowRuby LayerType = "aws-flow-ruby"
	LayerECSCluster  LayerType = "ecs-cluster"
	LayerJavaApp     LayerType = "java-app"
	LayerLB          LayerType = "lb"
	LayerWeb         LayerType = "web"
	LayerPHPApp      LayerType = "php-app"
	LayerRailsApp    LayerType = "rails-app"
	LayerNodejsApp   LayerType = "nodejs-app"
	LayerMemcached   LayerType = "memcached"
	LayerDBMaster    LayerType = "db-master"
	LayerMonitoring  LayerType = "monitoring-master"
	LayerCustom      LayerType = "custom"
)

// LayerTypes is every type, in the order the console offers them.
var LayerTypes = []LayerType{
	LayerLB, LayerWeb, LayerPHPApp, LayerRailsApp, LayerNodejsApp, LayerJavaApp, LayerAWSFlowRuby,
	LayerDBMaster, LayerMemcached, LayerMonitoring, LayerECSCluster, LayerCustom,
}

// Recipes are a layer's recipes per lifecycle event, in running order.
type Recipes struct {
	Setup     []string `json:"setup"`
	Configure []string `json:"configure"`
	Deploy    []string `json:"deploy"`
	Undeploy  []string `json:"undeploy"`
	Shutdown  []string `json:"shutdown"`
}

// For is the list of one event.
func (r Recipes) For(e Event) []string {
	switch e {
	case EventSetup:
		return r.Setup
	case EventConfigure:
		return r.Configure
	case EventDeploy:
		return r.Deploy
	case EventUndeploy:
		return r.Undeploy
	case EventShutdown:
		return r.Shutdown
	}
	return nil
}

// Set replaces the list of one event.
func (r *Recipes) Set(e Event, list []string) {
	switch e {
	case EventSetup:
		r.Setup = list
	case EventConfigure:
		r.Configure = list
	case EventDeploy:
		r.Deploy = list
	case EventUndeploy:
		r.Undeploy = list
	case EventShutdown:
		r.Shutdown = list
	}
}

// Event is one of the five lifecycle events (OpsWorks: "Lifecycle Events").
type Event string

// Lifecycle events.
const (
	EventSetup     Event = "setup"
	EventConfigure Event = "configure"
	EventDeploy    Event = "deploy"
	EventUndeploy  Event = "undeploy"
	EventShutdown  Event = "shutdown"
)

// Events are the five, in the order an instance meets them.
var Events = []Event{EventSetup, EventConfigure, EventDeploy, EventUndeploy, EventShutdown}

// VolumeConfiguration is a disk that each instance of a layer gets.
type VolumeConfiguration struct {
	MountPoint    string `json:"mount_point"`
	RaidLevel     *int   `json:"raid_level,omitempty"`
	NumberOfDisks int    `json:"number_of_disks"`
	Size          int    `json:"size"` // GiB, in total for RAID
	VolumeType    string `json:"volume_type,omitempty"`
	Iops          *int   `json:"iops,omitempty"`
	Encrypted     *bool  `json:"encrypted,omitempty"`
}

// ShutdownConfiguration bounds the Shutdown event.
type ShutdownConfiguration struct {
	ExecutionTimeout                int  `json:"execution_timeout"` // seconds
	DelayUntilElbConnectionsDrained bool `json:"delay_until_elb_connections_drained"`
}

// DefaultShutdownTimeout is how long Shutdown recipes may take, in seconds.
const DefaultShutdownTimeout = 120

// CloudWatchLogsLogStream is one file of a layer that is sent to a log service.
type CloudWatchLogsLogStream struct {
	LogGroupName          string `json:"log_group_name,omitempty"`
	DatetimeFormat        string `json:"datetime_format,omitempty"`
	TimeZone              string `json:"time_zone,omitempty"`
	File                  string `json:"file,omitempty"`
	FileFingerprintLines  string `json:"file_fingerprint_lines,omitempty"`
	MultiLineStartPattern string `json:"multi_line_start_pattern,omitempty"`
	InitialPosition       string `json:"initial_position,omitempty"`
	Encoding              string `json:"encoding,omitempty"`
	BufferDuration        int    `json:"buffer_duration,omitempty"`
	BatchCount            int    `json:"batch_count,omitempty"`
	BatchSize             int    `json:"batch_size,omitempty"`
}

// CloudWatchLogsConfiguration is a layer's log forwarding.
type CloudWatchLogsConfiguration struct {
	Enabled    bool                      `json:"enabled"`
	LogStreams []CloudWatchLogsLogStream `json:"log_streams,omitempty"`
}

// Layer is a role that instances play: what is installed, configured and
// deployed on them. OpsWorks: Layer.
type Layer struct {
	ID                          LayerID                     `gorm:"primaryKey;size:36"`
	StackID                     StackID                     `gorm:"size:36;not null;uniqueIndex:layer_name;uniqueIndex:layer_shortname"`
	Arn                         string                      `gorm:"size:255"`
	Type                        LayerType                   `gorm:"size:32;not null"`
	Engine                      string                      `gorm:"size:16"` // of Type.Engines(); ours. RunsOn reads it
	Name                        string                      `gorm:"size:32;not null;uniqueIndex:layer_name"`
	Shortname                   string                      `gorm:"size:32;not null;uniqueIndex:layer_shortname"`
	Attributes                  map[string]string           `gorm:"serializer:secret"`          // passwords among them
	Secret                      string                      `gorm:"serializer:secret" json:"-"` // of PasswordFor; ours
	CloudWatchLogsConfiguration CloudWatchLogsConfiguration `gorm:"serializer:json"`
	CustomInstanceProfileArn    string
	CustomJSON                  string                `gorm:"serializer:secret"` // byte-exact; it often holds passwords
	CustomSecurityGroupIDs      []string              `gorm:"serializer:json"`
	DefaultSecurityGroupNames   []string              `gorm:"serializer:json"`
	Packages                    []string              `gorm:"serializer:json"`
	VolumeConfigurations        []VolumeConfiguration `gorm:"serializer:json"`
	EnableAutoHealing           bool
	HealingNotifyOnly           bool `gorm:"not null;default:false"` // ours; HealingMode reads it
	AutoAssignElasticIPs        bool
	AutoAssignPublicIPs         bool
	CustomRecipes               Recipes `gorm:"serializer:json"`
	InstallUpdatesOnBoot        bool
	UseEbsOptimizedInstances    bool
	Shutdown                    ShutdownConfiguration `gorm:"serializer:json"`
	Tags                        map[string]string     `gorm:"serializer:json"`
	// Position orders the layers of a stack in traffic order; ours.
	Position  int       `gorm:"not null;default:0"`
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// NewLayer is a layer with OpsWorks' defaults (CreateLayer).
func NewLayer(stack StackID, kind LayerType) Layer {
	return Layer{
		StackID: stack, Type: kind, EnableAutoHealing: true, InstallUpdatesOnBoot: true,
		AutoAssignElasticIPs: kind == LayerLB, VolumeConfigurations: kind.DefaultVolumes(),
		Shutdown: ShutdownConfiguration{ExecutionTimeout: DefaultShutdownTimeout, DelayUntilElbConnectionsDrained: true},
	}
}

var shortnamePattern = regexp.MustCompile(`\A[a-z0-9\-_.]+\z`)

// Normalize fills the short name of a built-in layer and what its parts leave
// out.
func (l *Layer) Normalize() {
	l.Name = strings.TrimSpace(l.Name)
	if l.Type != LayerCustom {
		l.Shortname = string(l.Type)
	}
	l.normalizeAttributes()
	l.VolumeConfigurations = slices.Clone(l.VolumeConfigurations)
	for n, v := range l.VolumeConfigurations {
		l.VolumeConfigurations[n] = v.Normalize()
	}
	streams := &l.CloudWatchLogsConfiguration.LogStreams
	*streams = slices.Clone(*streams)
	for n, s := range *streams {
		(*streams)[n] = s.Normalize()
	}
}

// Validate refuses a layer that OpsWorks would refuse, as far as the layer
// alone shows it.
func (l *Layer) Validate() error {
	if !contains(LayerTypes, l.Type) {
		return InvalidField("Type", "Type: %q is not a layer type.", l.Type)
	}
	if err := checkName("Name", l.Name, 32); err != nil {
		return err
	}
	if len(l.Shortname) > 32 || !shortnamePattern.MatchString(l.Shortname) || strings.Trim(l.Shortname, ".") == "" {
		return InvalidField("Shortname", "Shortname: must be 1 to 32 of a-z, 0-9, -, _ and dot.")
	}
	if err := l.validateEngine(); err != nil {
		return err
	}
	if err := CheckCustomJSON(l.CustomJSON); err != nil {
		return err
	}
	if err := l.validateAttributes(); err != nil {
		return err
	}
	if err := checkProfile("CustomInstanceProfileArn", "Custom instance profile arn", l.CustomInstanceProfileArn); err != nil {
		return err
	}
	if err := validateVolumes(l.VolumeConfigurations); err != nil {
		return err
	}
	for _, s := range l.CloudWatchLogsConfiguration.LogStreams {
		if err := s.Validate(); err != nil {
			return err
		}
	}
	for _, id := range l.CustomSecurityGroupIDs {
		if !groupPattern.MatchString(id) {
			return InvalidField("CustomSecurityGroupIds", "Custom security group ids: %q is not the id of a security group.", id)
		}
	}
	for _, name := range l.Packages {
		if !packagePattern.MatchString(name) {
			return InvalidField("Packages", "Packages: %q is not the name of a package.", name)
		}
	}
	if t := l.Shutdown.ExecutionTimeout; t < 1 || t > 86400 {
		return InvalidField("ExecutionTimeout", "Shutdown timeout: must be 1 to 86400 seconds.")
	}
	for _, e := range Events {
		for _, name := range l.CustomRecipes.For(e) {
			if !recipePattern.MatchString(name) {
				return InvalidField("CustomRecipes", "Custom recipes: %q is not a recipe name, write cookbook::recipe.", name)
			}
		}
	}
	return nil
}

// CheckStack refuses a layer that its stack cannot have (OpsWorks: "Chef
// Versions", "Using Security Groups").
func (l *Layer) CheckStack(s *Stack) error {
	m := s.ConfigurationManager
	switch {
	case m.IsChef12() && l.Type != LayerCustom && (l.Type != LayerECSCluster || m.Version != Chef12):
		return InvalidField("Type", "Type: %s stacks do not support built-in layers such as %s; use a custom layer.", m, l.Type)
	case l.Type == LayerECSCluster && m.IsChef() && m.Version != Chef12 && m.Version != Chef1110:
		return InvalidField("Type", "Type: an ecs-cluster layer needs Chef 12 or 11.10.")
	case m.IsChef() && !s.UseOpsworksSecurityGroups && len(l.CustomSecurityGroupIDs) == 0:
		return InvalidField("CustomSecurityGroupIds", "Custom security group ids: the stack does not use the built-in security groups, so layer %s needs at least one of its own.", l.Name)
	case l.CloudWatchLogsConfiguration.Enabled && m.IsChef() && m.Version != Chef12 && m.Version != Chef1110:
		return InvalidField("CloudWatchLogsConfiguration", "Cloud watch logs configuration: needs Chef 12 or 11.10 on Linux.")
	}
	for _, v := range l.VolumeConfigurations {
		if v.RaidLevel != nil && m.IsChef12() {
			return InvalidField("VolumeConfigurations", "Volume configurations: %s stacks do not support RAID.", m)
		}
	}
	return nil
}

var (
	// groupPattern takes ids of any provider, "sg-" ones among them.
	groupPattern  = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._-]{0,254}\z`)
	methodPattern = regexp.MustCompile(`\A[A-Z]{1,16}\z`)
	// packagePattern allows versions ("nginx=1.22*" of apt, "nginx-1.22" of dnf)
	// and groups of dnf, but nothing that a package manager takes for an option.
	packagePattern = regexp.MustCompile(`\A[@A-Za-z0-9][A-Za-z0-9+._:~=*/-]{0,127}\z`)
)

var recipePattern = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,128}(::[A-Za-z0-9_-]{1,128})?\z`)

// ValidRecipe tells whether s is written like a recipe name.
func ValidRecipe(s string) bool { return recipePattern.MatchString(s) }

// IsAppServer tells whether the layer serves apps to a load balancer.
func (t LayerType) IsAppServer() bool {
	switch t {
	case LayerWeb, LayerPHPApp, LayerRailsApp, LayerNodejsApp, LayerJavaApp:
		return true
	}
	return false
}
