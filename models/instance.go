package models

import (
	"time"
)

// InstanceStatus is the state of an instance as OpsWorks spells it.
type InstanceStatus string

// States of instances (OpsWorks: "Instance" data type and CloudWatch events).
const (
	// InstanceStopped: a record without a running machine.
	InstanceStopped InstanceStatus = "stopped"
	// InstanceRequested: somebody asked for a start; no machine yet.
	InstanceRequested InstanceStatus = "requested"
	// InstancePending: the provider is making the machine.
	InstancePending InstanceStatus = "pending"
	// InstanceBooting: the machine runs, its agent has not called yet.
	InstanceBooting InstanceStatus = "booting"
	// InstanceRunningSetup: the agent is here; Setup and Deploy recipes run.
	InstanceRunningSetup InstanceStatus = "running_setup"
	// InstanceOnline: serving.
	InstanceOnline InstanceStatus = "online"
	// InstanceSetupFailed: a Setup recipe failed; the machine still runs.
	InstanceSetupFailed InstanceStatus = "setup_failed"
	// InstanceStartFailed: the machine never came up, or its agent never called.
	InstanceStartFailed InstanceStatus = "start_failed"
	// InstanceStopFailed: the machine did not stop; it may still run.
	InstanceStopFailed InstanceStatus = "stop_failed"
	// InstanceStopping: a stop was asked for; the machine's disk will be kept.
	InstanceStopping InstanceStatus = "stopping"
	// InstanceTerminating: a stop was asked for; the machine's disk will go.
	InstanceTerminating InstanceStatus = "terminating"
	// InstanceShuttingDown: Shutdown recipes run, then the machine is stopped.
	InstanceShuttingDown InstanceStatus = "shutting_down"
	// InstanceTerminated: the machine is gone; on its way to stopped.
	InstanceTerminated InstanceStatus = "terminated"
	// InstanceRebooting: a soft reboot is under way; no lifecycle event.
	InstanceRebooting InstanceStatus = "rebooting"
	// InstanceConnectionLost: the agent has been silent too long, or the machine ended by itself.
	InstanceConnectionLost InstanceStatus = "connection_lost"

	// The rest belongs to registered instances.

	InstanceRegistering   InstanceStatus = "registering"
	InstanceRegistered    InstanceStatus = "registered"
	InstanceAssigning     InstanceStatus = "assigning"
	InstanceUnassigning   InstanceStatus = "unassigning"
	InstanceDeregistering InstanceStatus = "deregistering"
)

// instanceMoves is the state chart of instances; docs/states.md draws it and a
// test compares the two.
var instanceMoves = map[InstanceStatus][]InstanceStatus{
	InstanceStopped:        {InstanceRequested},
	InstanceRequested:      {InstancePending, InstanceStartFailed, InstanceStopping, InstanceTerminating},
	InstancePending:        {InstanceBooting, InstanceStartFailed, InstanceStopping, InstanceTerminating},
	InstanceBooting:        {InstanceRunningSetup, InstanceStartFailed, InstanceConnectionLost, InstanceStopping, InstanceTerminating},
	InstanceRunningSetup:   {InstanceOnline, InstanceSetupFailed, InstanceConnectionLost, InstanceRegistered, InstanceUnassigning, InstanceDeregistering, InstanceStopping, InstanceTerminating},
	InstanceOnline:         {InstanceRunningSetup, InstanceRebooting, InstanceConnectionLost, InstanceUnassigning, InstanceDeregistering, InstanceStopping, InstanceTerminating},
	InstanceSetupFailed:    {InstanceRunningSetup, InstanceRebooting, InstanceConnectionLost, InstanceUnassigning, InstanceDeregistering, InstanceStopping, InstanceTerminating},
	InstanceStartFailed:    {InstanceRequested, InstanceStopping, InstanceTerminating},
	InstanceStopFailed:     {InstanceStopping, InstanceTerminating, InstanceStopped},
	InstanceStopping:       {InstanceShuttingDown, InstanceStopped, InstanceStopFailed},
	InstanceTerminating:    {InstanceShuttingDown, InstanceTerminated, InstanceStopFailed},
	InstanceShuttingDown:   {InstanceStopped, InstanceTerminated, InstanceStopFailed},
	InstanceTerminated:     {InstanceStopped},
	InstanceRebooting:      {InstanceOnline, InstanceSetupFailed, InstanceConnectionLost, InstanceStopping, InstanceTerminating},
	InstanceConnectionLost: {InstanceOnline, InstanceSetupFailed, InstanceBooting, InstanceRunningSetup, InstanceRegistered, InstanceRebooting, InstanceDeregistering, InstanceStopping, InstanceTerminating},
	InstanceRegistering:    {InstanceRunningSetup, InstanceDeregistering},
	InstanceRegistered:     {InstanceAssigning, InstanceConnectionLost, InstanceDeregistering},
	InstanceAssigning:      {InstanceRunningSetup, InstanceUnassigning, InstanceConnectionLost, InstanceDeregistering},
	InstanceUnassigning:    {InstanceRegistered, InstanceDeregistering},
	InstanceDeregistering:  {},
}

// InstanceStatuses is every state, in the order docs and legends list them.
var InstanceStatuses = []InstanceStatus{
	InstanceRequested, InstancePending, InstanceBooting, InstanceRunningSetup, InstanceOnline,
	InstanceSetupFailed, InstanceStartFailed, InstanceStopFailed, InstanceStopping, InstanceShuttingDown,
	InstanceTerminating, InstanceTerminated, InstanceStopped, InstanceRebooting, InstanceConnectionLost,
	InstanceRegistering, InstanceRegistered, InstanceAssigning, InstanceUnassigning, InstanceDeregistering,
}

// CanBecome tells whether the state chart has a move from s to next.
func (s InstanceStatus) CanBecome(next InstanceStatus) bool { return contains(instanceMoves[s], next) }

// Moves lists the states that may follow s.
func (s InstanceStatus) Moves() []InstanceStatus { return instanceMoves[s] }

// HasMachine tells whether a machine may be running in this state.
func (s InstanceStatus) HasMachine() bool {
	switch s {
	case InstanceStopped, InstanceRequested, InstanceTerminated:
		return false
	}
	return true
}

// InMotion tells whether the engine is about to move the instance on by itself.
func (s InstanceStatus) InMotion() bool {
	switch s {
	case InstanceRequested, InstancePending, InstanceBooting, InstanceRunningSetup, InstanceStopping,
		InstanceTerminating, InstanceShuttingDown, InstanceTerminated, InstanceRebooting,
		InstanceRegistering, InstanceAssigning, InstanceUnassigning, InstanceDeregistering:
		return true
	}
	return false
}

// Types of scaling of an instance (OpsWorks AutoScalingType).
const (
	ScalingNone  = ""
	ScalingTimer = "timer"
	ScalingLoad  = "load"
)

// Root device types: what a stop does to the disk.
const (
	RootDeviceEBS           = "ebs"            // stop keeps the disk
	RootDeviceInstanceStore = "instance-store" // stop deletes the machine
)

// Infrastructure classes: who made the machine. OpsWorks knows ec2 and
// on-premises; a machine of any provider of ours counts as ec2.
const (
	InfrastructureEC2        = "ec2"
	InfrastructureOnPremises = "on-premises"
)

// BlockDeviceMapping is a disk of an instance (OpsWorks BlockDeviceMapping).
type BlockDeviceMapping struct {
	DeviceName  string          `json:"device_name,omitempty"`
	NoDevice    string          `json:"no_device,omitempty"`
	VirtualName string          `json:"virtual_name,omitempty"`
	Ebs         *EbsBlockDevice `json:"ebs,omitempty"`
}

// EbsBlockDevice is the EBS part of a BlockDeviceMapping.
type EbsBlockDevice struct {
	SnapshotID          string `json:"snapshot_id,omitempty"`
	Iops                *int   `json:"iops,omitempty"`
	VolumeSize          *int   `json:"volume_size,omitempty"`
	VolumeType          string `json:"volume_type,omitempty"`
	DeleteOnTermination *bool  `json:"delete_on_termination,omitempty"`
}

// ReportedOs is what the agent says of the operating system.
type ReportedOs struct {
	Family  string `json:"family,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	// Managers are the configuration managers that are installed there; nil when
	// the agent has not said.
	Managers []string `json:"managers"`
}

// Instance is a machine of a stack, or the record from which one is made.
// OpsWorks: Instance.
type Instance struct {
	ID                       InstanceID           `gorm:"primaryKey;size:36"`
	StackID                  StackID              `gorm:"size:36;not null;uniqueIndex:instance_hostname;index:instance_stack_status"`
	LayerIDs                 []LayerID            `gorm:"serializer:json"`                                // in the order they were given; the join table mirrors it
	Hostname                 string               `gorm:"size:63;not null;uniqueIndex:instance_hostname"` // lower case
	Status                   InstanceStatus       `gorm:"size:32;not null;index:instance_stack_status;index"`
	Arn                      string               `gorm:"size:255"`
	AgentVersion             string               `gorm:"size:64"`
	AmiID                    string               `gorm:"size:64"`
	Architecture             string               `gorm:"size:16"`
	AutoScalingType          string               `gorm:"size:16;index:instance_scaling,where:auto_scaling_type <> ''"`
	AvailabilityZone         string               `gorm:"size:64"`
	BlockDeviceMappings      []BlockDeviceMapping `gorm:"serializer:json"`
	EbsOptimized             bool
	Ec2InstanceID            string `gorm:"size:64"` // the provider's own name of the machine
	EcsClusterArn            string
	EcsContainerInstanceArn  string
	ElasticIP                string `gorm:"size:45"`
	InfrastructureClass      string `gorm:"size:16"`
	InstallUpdatesOnBoot     bool
	InstanceProfileArn       string
	InstanceType             string         `gorm:"size:64"`
	LastServiceErrorID       ServiceErrorID `gorm:"size:36"`
	Os                       string         `gorm:"size:128"`
	Platform                 string         `gorm:"size:32"`
	PrivateDNS               string         `gorm:"size:255"`
	PrivateIP                string         `gorm:"size:45"`
	PublicDNS                string         `gorm:"size:255"`
	PublicIP                 string         `gorm:"size:45"`
	RegisteredBy             string
	ReportedAgentVersion     string     `gorm:"size:64"`
	ReportedOs               ReportedOs `gorm:"serializer:json"`
	RootDeviceType           string     `gorm:"size:32"`
	RootDeviceVolumeID       string     `gorm:"size:64"`
	SecurityGroupIDs         []string   `gorm:"serializer:json"`
	SSHHostDsaKeyFingerprint string     `gorm:"size:128"`
	SSHHostRsaKeyFingerprint string     `gorm:"size:128"`
	SSHKeyName               string     `gorm:"size:128"`
	SubnetID                 string     `gorm:"size:64"`
	Tenancy                  string     `gorm:"size:16"`
	VirtualizationType       string     `gorm:"size:16"`
	// RSAPublicKey and its fingerprint are what RegisterInstance brought.
	RSAPublicKey            string
	RSAPublicKeyFingerprint string `gorm:"size:128"`

	// What follows is ours: how the engine sees the instance.

	// StatusSince is when the instance entered Status, StatusCause why.
	StatusSince time.Time `gorm:"not null"`
	StatusCause Cause     `gorm:"serializer:json"`
	// StatusReason is a sentence for failed and lost states.
	StatusReason string
	// StatusDeadline is when the engine acts by itself in a moving state: boot
	// given up, shutdown cut, stop failed.
	StatusDeadline *time.Time
	// ForceStop: the stop under way skips Shutdown recipes.
	ForceStop bool
	// WasOnline: the stop under way took it out of online, so the peers are
	// configured when it is over.
	WasOnline bool
	// SetupAt is when Setup last succeeded on this machine, nil when it has not.
	SetupAt *time.Time
	// Schedule is when a time-based instance is on (OpsWorks:
	// SetTimeBasedAutoScaling).
	Schedule WeeklySchedule `gorm:"serializer:json"`
	// ScheduleZone is the IANA time zone of the schedule's hours; empty means UTC.
	ScheduleZone string `gorm:"size:64;not null;default:''"`
	// ScheduleRevision counts the changes of the schedule.
	ScheduleRevision int64 `gorm:"not null;default:0"`
	// AgentKey is the agent's Ed25519 public key; empty until it enrols.
	AgentKey    []byte
	AgentSeenAt *time.Time `gorm:"index"`
	// AgentServer is the server that heard it then.
	AgentServer string    `gorm:"size:255;not null;default:''"`
	BootID      string    `gorm:"size:64"`
	CreatedAt   time.Time `gorm:"not null"`
	UpdatedAt   time.Time `gorm:"not null"`
}

// KeepsDisk tells whether a stop keeps the machine's disk (EBS-backed).
func (i *Instance) KeepsDisk() bool { return i.RootDeviceType == RootDeviceEBS }

// Is247 tells whether people start and stop the instance, not the engine.
func (i *Instance) Is247() bool { return i.AutoScalingType == ScalingNone }

// Registered tells whether the machine was brought by somebody else.
func (i *Instance) Registered() bool { return i.RegisteredBy != "" }

// The rules of actions by state: OpsWorks' user guide, and spec for what it
// leaves open; docs/states.md has the table.

// CanStart tells whether StartInstance is accepted.
func (i *Instance) CanStart() error {
	if err := i.ownMachine(); err != nil {
		return err
	}
	if i.Status == InstanceStopped || i.Status == InstanceStartFailed {
		return nil
	}
	return Invalid("Instance %s is %s: only a stopped instance can be started.", i.Hostname, i.Status)
}

// ownMachine refuses what can only be done to a machine that a provider of
// ours has made.
func (i *Instance) ownMachine() error {
	if i.Registered() || i.InfrastructureClass == InfrastructureOnPremises {
		return Invalid("Instance %s is a registered host: its machine is not started, stopped or rebooted from here.", i.Hostname)
	}
	return nil
}

// ByHand refuses what people leave to the schedule of a time-based instance
// (OpsWorks: "Using Time-based Instances"); a stop by force is always theirs.
func (i *Instance) ByHand() error {
	if i.AutoScalingType == ScalingTimer {
		return Invalid("Instance %s is time-based: its schedule starts and stops it. Change the schedule instead.", i.Hostname)
	}
	return nil
}

// CanStop tells whether StopInstance is accepted.
func (i *Instance) CanStop(force bool) error {
	if err := i.ownMachine(); err != nil {
		return err
	}
	switch i.Status {
	case InstanceRequested, InstancePending, InstanceBooting, InstanceRunningSetup, InstanceOnline,
		InstanceSetupFailed, InstanceStartFailed, InstanceConnectionLost, InstanceStopFailed:
		return nil
	case InstanceStopping, InstanceTerminating, InstanceShuttingDown, InstanceTerminated, InstanceRebooting:
		if force {
			return nil
		}
		return Invalid("Instance %s is %s: wait, or stop it by force.", i.Hostname, i.Status)
	}
	return Invalid("Instance %s is %s: it cannot be stopped.", i.Hostname, i.Status)
}

// CanReboot tells whether RebootInstance is accepted.
func (i *Instance) CanReboot() error {
	if err := i.ownMachine(); err != nil {
		return err
	}
	switch i.Status {
	case InstanceOnline, InstanceSetupFailed, InstanceConnectionLost:
		return nil
	}
	return Invalid("Instance %s is %s: only an online instance can be rebooted.", i.Hostname, i.Status)
}

// CanDelete tells whether DeleteInstance is accepted. A registered host is not
// deleted but deregistered (OpsWorks: DeleteInstance of one that was made
// elsewhere in the cloud means the same).
func (i *Instance) CanDelete() error {
	if i.InfrastructureClass == InfrastructureOnPremises {
		return Invalid("Instance %s is on-premises: deregister it instead of deleting it.", i.Hostname)
	}
	if i.Registered() {
		return i.CanDeregister()
	}
	if i.Status == InstanceStopped || i.Status == InstanceStartFailed {
		return nil
	}
	return Invalid("Instance %s is %s: stop it before you delete it.", i.Hostname, i.Status)
}

// CanUpdate tells whether UpdateInstance is accepted.
func (i *Instance) CanUpdate() error {
	switch {
	case i.Registered():
		return Invalid("Instance %s is a registered host: it cannot be edited.", i.Hostname)
	case i.AmiID != "":
		return Invalid("Instance %s was made from a custom AMI: it cannot be edited.", i.Hostname)
	case i.Status == InstanceStopped || i.Status == InstanceStartFailed:
		return nil
	}
	return Invalid("Instance %s is %s: stop it before you change it.", i.Hostname, i.Status)
}

// CanAssign tells whether AssignInstance is accepted.
func (i *Instance) CanAssign() error {
	if !i.Registered() {
		return Invalid("Instance %s was made by this server: only registered hosts are assigned. Put it into other layers by an update.", i.Hostname)
	}
	if i.Status == InstanceRegistered {
		return nil
	}
	return Invalid("Instance %s is %s: only a registered host that is in no layer can be assigned.", i.Hostname, i.Status)
}

// CanUnassign tells whether UnassignInstance is accepted.
func (i *Instance) CanUnassign() error {
	if !i.Registered() {
		return Invalid("Instance %s was made by this server: only registered hosts are unassigned.", i.Hostname)
	}
	if len(i.LayerIDs) == 0 {
		return Invalid("Instance %s is in no layer.", i.Hostname)
	}
	if i.Status.CanBecome(InstanceUnassigning) {
		return nil
	}
	return Invalid("Instance %s is %s: it cannot be unassigned now.", i.Hostname, i.Status)
}

// CanDeregister tells whether DeregisterInstance is accepted. A machine that a
// provider of ours has made has no owner to return to.
func (i *Instance) CanDeregister() error {
	if !i.Registered() {
		return Invalid("Instance %s has a machine that this server made and that ends with it: stop and delete it instead.", i.Hostname)
	}
	if i.Status.CanBecome(InstanceDeregistering) {
		return nil
	}
	return Invalid("Instance %s is %s already.", i.Hostname, i.Status)
}

// InstanceLayer is the join table that mirrors Instance.LayerIDs, for queries.
type InstanceLayer struct {
	InstanceID InstanceID `gorm:"primaryKey;size:36"`
	LayerID    LayerID    `gorm:"primaryKey;size:36;index"`
	StackID    StackID    `gorm:"size:36;not null;index"`
	Position   int        `gorm:"not null"`
}

// ServiceError is something that the engine could not do for an instance
// (OpsWorks ServiceError).
type ServiceError struct {
	ID         ServiceErrorID `gorm:"primaryKey;size:36"`
	StackID    StackID        `gorm:"size:36;not null;index"`
	InstanceID InstanceID     `gorm:"size:36;index"`
	Type       string         `gorm:"size:64;not null"`
	Message    string         `gorm:"not null"`
	CreatedAt  time.Time      `gorm:"not null"`
}
