package models

import (
	"path"
	"regexp"
	"strings"
	"time"
)

// Volume is a disk apart from an instance's own: made for the instance because
// its layer asks for it, or registered with the stack. OpsWorks: Volume.
type Volume struct {
	ID               VolumeID    `gorm:"primaryKey;size:36"`
	StackID          StackID     `gorm:"size:36;not null;index"`
	Ec2VolumeID      string      `gorm:"size:64;not null;uniqueIndex:volume_ec2_id"` // the provider's name of the disk; one stack at a time
	Name             string      `gorm:"size:128"`
	RaidArrayID      RaidArrayID `gorm:"size:36;index"`
	InstanceID       InstanceID  `gorm:"size:36;index"` // empty: assigned to none
	Status           string      `gorm:"size:16;not null"`
	Size             int         // GiB; 0 where only the provider knows
	Device           string      `gorm:"size:64"`
	MountPoint       string      `gorm:"size:255"`
	Region           string      `gorm:"size:64"`
	AvailabilityZone string      `gorm:"size:64"`
	VolumeType       string      `gorm:"size:16"`
	Iops             *int
	Encrypted        bool
	CreatedAt        time.Time `gorm:"not null"`
}

// RaidArray is a set of an instance's volumes that is used as one disk.
// OpsWorks: RaidArray.
type RaidArray struct {
	ID               RaidArrayID `gorm:"primaryKey;size:36"`
	StackID          StackID     `gorm:"size:36;not null;index"`
	InstanceID       InstanceID  `gorm:"size:36;index"`
	Name             string      `gorm:"size:128"`
	RaidLevel        int
	NumberOfDisks    int
	Size             int    // GiB, in total
	Device           string `gorm:"size:64"`
	MountPoint       string `gorm:"size:255"`
	AvailabilityZone string `gorm:"size:64"`
	VolumeType       string `gorm:"size:16"`
	Iops             *int
	CreatedAt        time.Time `gorm:"not null"`
}

// States of a volume, as EC2 spells them.
const (
	VolumeAvailable = "available"
	VolumeInUse     = "in-use"
)

// MaxVolumeName is the longest name of a volume, in characters.
const MaxVolumeName = 128

// ReservedMountPoints are those that OpsWorks' own recipes use.
var ReservedMountPoints = []string{"/srv/www", "/var/www", "/var/log/apache2", "/var/log/httpd", "/var/log/mysql"}

// systemDirectories are what a machine itself is made of.
var systemDirectories = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/run",
}

// systemTrees are directories below which nothing may be mounted either.
var systemTrees = []string{"/bin/", "/boot/", "/dev/", "/etc/", "/lib/", "/lib64/", "/proc/", "/run/", "/sbin/", "/sys/", "/usr/", "/opt/opsyard", "/var/lib/opsyard", "/var/run/"}

var mountPointPattern = regexp.MustCompile(`\A(/[A-Za-z0-9_][A-Za-z0-9._-]*)+\z`)

// CheckMountPoint refuses a directory in which a volume cannot be mounted.
func CheckMountPoint(dir string) error {
	const field = "MountPoint"
	switch {
	case dir == "":
		return InvalidField(field, "Mount point: is missing.")
	case len(dir) > 255 || contains(systemDirectories, dir):
		return InvalidField(field, "Mount point: %s belongs to the system.", clipped(dir))
	case !mountPointPattern.MatchString(dir) || path.Clean(dir) != dir:
		return InvalidField(field, "Mount point: must be a whole path of letters, digits, dot, - and _, such as /mnt/data.")
	case contains(ReservedMountPoints, dir):
		return InvalidField(field, "Mount point: %s is reserved for OpsWorks' own recipes.", dir)
	}
	for _, tree := range systemTrees {
		if strings.HasPrefix(dir, tree) {
			return InvalidField(field, "Mount point: %s belongs to the system.", dir)
		}
	}
	return nil
}

func clipped(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

var ec2VolumePattern = regexp.MustCompile(`\Avol-[0-9A-Za-z]{1,59}\z`)

// Normalize trims what people type.
func (v *Volume) Normalize() {
	v.Name = strings.TrimSpace(v.Name)
	v.MountPoint = strings.TrimSpace(v.MountPoint)
}

// Validate refuses a volume that OpsWorks would refuse, as far as the volume
// alone shows it. A volume that is not assigned yet needs no mount point.
func (v *Volume) Validate() error {
	switch {
	case v.Ec2VolumeID == "":
		return InvalidField("Ec2VolumeId", "Ec2 volume id: is missing.")
	case !ec2VolumePattern.MatchString(v.Ec2VolumeID):
		return InvalidField("Ec2VolumeId", "Ec2 volume id: %q is not the id of a volume, such as vol-0123456789abcdef0.", v.Ec2VolumeID)
	}
	if err := checkOptionalName("Name", v.Name, MaxVolumeName); err != nil {
		return err
	}
	if v.MountPoint == "" {
		return nil
	}
	return CheckMountPoint(v.MountPoint)
}
