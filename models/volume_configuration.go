package models

import (
	"slices"
	"strings"
)

// volumeLimits bound the size of each type of volume, in GiB (OpsWorks: "Editing
// an OpsWorks Layer's Configuration", EBS volumes).
var volumeLimits = map[string]struct{ least, most int }{
	"standard": {1, 1024}, "io1": {4, 16384}, "gp2": {1, 16384}, "st1": {125, 16384}, "sc1": {125, 16384},
}

// VolumeTypes is every type of volume, in the order the console offers them.
var VolumeTypes = []string{"standard", "gp2", "io1", "st1", "sc1"}

// raidDisks is how many disks each RAID level needs.
var raidDisks = map[int]int{0: 2, 1: 2, 5: 3, 10: 4}

// maxIopsPerGiB is the looser of the two ratios that OpsWorks documents.
const maxIopsPerGiB = 50

// defaultVolumes are the volumes of a new layer of each type.
var defaultVolumes = map[LayerType]VolumeConfiguration{
	LayerDBMaster:   {MountPoint: "/vol/mysql", NumberOfDisks: 1, Size: 10, VolumeType: "standard"},
	LayerMonitoring: {MountPoint: "/vol/ganglia", NumberOfDisks: 1, Size: 10, VolumeType: "standard"},
}

// DefaultVolumes are the volumes of a new layer of the type.
func (t LayerType) DefaultVolumes() []VolumeConfiguration {
	if v, ok := defaultVolumes[t]; ok {
		return []VolumeConfiguration{v}
	}
	return nil
}

// Normalize fills what is left out; zero is how some clients write unset.
func (v VolumeConfiguration) Normalize() VolumeConfiguration {
	v.MountPoint = strings.TrimSpace(v.MountPoint)
	setDefault(&v.VolumeType, "standard")
	if v.Iops != nil && *v.Iops == 0 {
		v.Iops = nil
	}
	return v
}

// Validate refuses a volume that no instance could have.
func (v VolumeConfiguration) Validate() error {
	refuse := func(format string, args ...any) error {
		return InvalidField("VolumeConfigurations", "Volume configurations: "+format, args...)
	}
	if err := CheckMountPoint(v.MountPoint); err != nil {
		return refuse("%s", Sentence(err))
	}
	limits, known := volumeLimits[v.VolumeType]
	switch {
	case !known:
		return refuse("volume type must be one of %s.", strings.Join(VolumeTypes, ", "))
	case v.Size < limits.least || v.Size > limits.most:
		return refuse("the size of a %s volume must be %d to %d GiB.", v.VolumeType, limits.least, limits.most)
	case v.NumberOfDisks < 1:
		return refuse("the number of disks of %s must be at least 1.", v.MountPoint)
	case v.VolumeType == "io1" && (v.Iops == nil || *v.Iops < 1):
		return refuse("an io1 volume needs iops.")
	case v.VolumeType == "io1" && *v.Iops > v.Size*maxIopsPerGiB:
		return refuse("iops of %s may be at most %d per GiB.", v.MountPoint, maxIopsPerGiB)
	case v.VolumeType != "io1" && v.Iops != nil:
		return refuse("only io1 volumes have iops.")
	}
	if v.RaidLevel == nil {
		if v.NumberOfDisks > 1 {
			return refuse("%s has several disks, so it needs a raid level.", v.MountPoint)
		}
		return nil
	}
	least, known := raidDisks[*v.RaidLevel]
	if !known {
		return refuse("raid level must be 0, 1, 5 or 10.")
	}
	if v.NumberOfDisks < least {
		return refuse("raid level %d needs at least %d disks.", *v.RaidLevel, least)
	}
	return nil
}

func validateVolumes(volumes []VolumeConfiguration) error {
	var mounts []string
	for _, v := range volumes {
		if err := v.Validate(); err != nil {
			return err
		}
		if slices.Contains(mounts, v.MountPoint) {
			return InvalidField("VolumeConfigurations", "Volume configurations: mount point %s is used twice.", v.MountPoint)
		}
		mounts = append(mounts, v.MountPoint)
	}
	return nil
}
