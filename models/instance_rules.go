package models

import (
	"regexp"
	"strings"
)

// IsCustomOS tells whether the operating system is that of the instance's AMI.
func IsCustomOS(os string) bool { return os == OSCustom || os == OSCustomWindows }

// IsWindows tells whether it is a Windows system.
func IsWindows(os string) bool { return OSFamily(os) == FamilyWindows }

// Lengths of hostnames: what DNS and what NetBIOS allow.
const (
	maxHostname        = 63
	maxWindowsHostname = 15
)

// AgentInherit is the agent version of instances that take the stack's.
const AgentInherit = "INHERIT"

// Names of what a machine runs on and with.
const (
	Architecture64     = "x86_64"
	VirtualizationHVM  = "hvm"
	VirtualizationPara = "paravirtual"
)

var (
	hostnamePattern     = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\z`)
	agentVersionPattern = regexp.MustCompile(`\A[0-9][0-9A-Za-z.+-]{0,62}\z`)
)

// Normalize makes the hostname lower case and fills defaults (CreateInstance).
func (i *Instance) Normalize() {
	i.Hostname = strings.ToLower(strings.TrimSpace(i.Hostname))
	i.LayerIDs = distinct(i.LayerIDs)
	setDefault(&i.Status, InstanceStopped)
	setDefault(&i.Architecture, Architecture64)
	setDefault(&i.AgentVersion, AgentInherit)
	setDefault(&i.InfrastructureClass, InfrastructureEC2)
	setDefault(&i.Tenancy, "default")
	setDefault(&i.RootDeviceType, RootDeviceInstanceStore)
	setDefault(&i.VirtualizationType, VirtualizationHVM)
	if i.Platform = "linux"; IsWindows(i.Os) {
		i.Platform = "windows"
	}
}

func distinct[T comparable](list []T) []T {
	var once []T
	for _, x := range list {
		if !contains(once, x) {
			once = append(once, x)
		}
	}
	return once
}

// Validate refuses an instance that OpsWorks would refuse, as far as the
// instance alone shows it.
func (i *Instance) Validate() error {
	if len(i.LayerIDs) == 0 && !i.Registered() {
		return InvalidField("LayerIds", "Layer ids: choose at least one layer.")
	}
	if err := i.validateHostname(); err != nil {
		return err
	}
	if err := i.validateKinds(); err != nil {
		return err
	}
	if err := i.validateAgentVersion(); err != nil {
		return err
	}
	return i.validateDisks()
}

// ValidHostname tells whether a name can be an instance's; case does not count.
func ValidHostname(name string) bool {
	return len(name) <= maxHostname && hostnamePattern.MatchString(strings.ToLower(name))
}

func (i *Instance) validateHostname() error {
	if !ValidHostname(i.Hostname) {
		return InvalidField("Hostname", "Hostname: must be 1 to %d letters, digits and hyphens, with a letter or digit at both ends.", maxHostname)
	}
	if IsWindows(i.Os) && len(i.Hostname) > maxWindowsHostname {
		return InvalidField("Hostname", "Hostname: is too long (maximum is %d characters on Windows).", maxWindowsHostname)
	}
	return nil
}

// validateKinds checks what has a fixed set of values.
func (i *Instance) validateKinds() error {
	switch i.AutoScalingType {
	case ScalingNone, ScalingTimer:
	case ScalingLoad:
		if IsWindows(i.Os) {
			return InvalidField("AutoScalingType", "Auto scaling type: Windows instances can be 24/7 or time-based, not load-based.")
		}
	default:
		return InvalidField("AutoScalingType", "Auto scaling type: must be timer or load, or left out.")
	}
	for _, kind := range []struct {
		field, label, value string
		allowed             []string
	}{
		{"Architecture", "Architecture", i.Architecture, []string{Architecture64, "i386", "arm64"}},
		{"RootDeviceType", "Root device type", i.RootDeviceType, []string{RootDeviceEBS, RootDeviceInstanceStore}},
		{"Tenancy", "Tenancy", i.Tenancy, []string{"default", "dedicated", "host"}},
		{"VirtualizationType", "Virtualization type", i.VirtualizationType, []string{VirtualizationHVM, VirtualizationPara}},
	} {
		if !contains(kind.allowed, kind.value) {
			return InvalidField(kind.field, "%s: must be %s.", kind.label, orList(kind.allowed))
		}
	}
	return nil
}

// orList is "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (i *Instance) validateAgentVersion() error {
	switch {
	case i.AgentVersion == AgentInherit:
		return nil
	case !agentVersionPattern.MatchString(i.AgentVersion):
		return InvalidField("AgentVersion", "Agent version: must be %s or a full version number.", AgentInherit)
	case IsWindows(i.Os):
		return InvalidField("AgentVersion", "Agent version: cannot be chosen on Windows.")
	}
	return nil
}

// validateDisks checks the image and the disks that go with it.
func (i *Instance) validateDisks() error {
	switch custom := IsCustomOS(i.Os); {
	case custom && i.AmiID == "":
		return InvalidField("AmiId", "Ami id: is needed for the operating system %s.", i.Os)
	case !custom && i.AmiID != "":
		return InvalidField("Os", "Os: must be %s for a custom AMI.", OSCustom)
	case i.AmiID != "" && len(i.BlockDeviceMappings) > 0:
		return InvalidField("BlockDeviceMappings", "Block device mappings: cannot be used with a custom AMI.")
	}
	for n := range i.BlockDeviceMappings {
		if err := i.BlockDeviceMappings[n].validate(i.RootDeviceType); err != nil {
			return err
		}
	}
	return nil
}

// RootDevice is the name of the root disk in block device mappings, whatever
// the system calls it.
const RootDevice = "ROOT_DEVICE"

// Sizes of disks in GiB.
const (
	minRootSize     = 8
	maxDiskSize     = 16384
	maxMagneticSize = 1024
	magneticDisk    = "standard"
)

func (m *BlockDeviceMapping) validate(rootType string) error {
	const field = "BlockDeviceMappings"
	root := m.DeviceName == RootDevice
	switch {
	case m.DeviceName == "":
		return InvalidField(field, "Block device mappings: a device name is missing.")
	case m.VirtualName != "" && m.Ebs != nil:
		return InvalidField(field, "Block device mappings: %s has a virtual name and an EBS volume; give one of them.", m.DeviceName)
	case root && (m.VirtualName != "" || m.NoDevice != ""):
		return InvalidField(field, "Block device mappings: the root device can only be given the attributes of its EBS volume.")
	case root && rootType != RootDeviceEBS:
		return InvalidField(field, "Block device mappings: the root device has no EBS volume on an instance-store instance.")
	case m.Ebs == nil:
		return nil
	}
	return m.Ebs.validate(m.DeviceName, root)
}

func (d *EbsBlockDevice) validate(device string, root bool) error {
	const field = "BlockDeviceMappings"
	least, most := 1, maxDiskSize
	if root {
		least = minRootSize
	}
	if d.VolumeType == magneticDisk {
		most = maxMagneticSize
	}
	if d.VolumeSize != nil && (*d.VolumeSize < least || *d.VolumeSize > most) {
		return InvalidField(field, "Block device mappings: the volume of %s must have %d to %d GiB.", device, least, most)
	}
	if d.Iops != nil && (d.VolumeType != "io1" || *d.Iops < 1) {
		return InvalidField(field, "Block device mappings: Iops must be positive and is for volumes of type io1 only.")
	}
	return nil
}
