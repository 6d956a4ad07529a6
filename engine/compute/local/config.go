package local

import (
	"log/slog"
	"time"

	"opsyard/engine/compute"
)

// Config says how a Provider works. Dir and AgentCommand are needed.
type Config struct {
	// Dir holds the machines, their disks included. It must be on a file
	// system that can be an overlay's upper layer (not on another overlay).
	Dir string
	// ImageDir caches root file systems; servers share it. Default:
	// /var/cache/opsyard/images.
	ImageDir string
	// AgentCommand starts the agent: a program on this host, which machines
	// see read-only, and its first arguments; "--config FILE" is added.
	AgentCommand []string
	// Image is the root file system of machines whose Spec names none:
	//   auto              a cached image, else one built from the host's package
	//                     sources, else the host's own root file system
	//   debootstrap:SUITE built with mmdebstrap or debootstrap
	//   dir:PATH          a directory with a system that has systemd
	//   host              the host's own root file system, its secrets hidden
	// A Spec's OS is a name for people here: it does not choose an image.
	Image string
	// Subnet is the machines' network in CIDR form. Empty means the first
	// private network that no route of the host overlaps.
	Subnet string
	// Ephemeral makes Close terminate all machines.
	Ephemeral bool
	Log       *slog.Logger
	Now       func() time.Time
}

const defaultImageDir = "/var/cache/opsyard/images"

func (c Config) withDefaults() Config {
	if c.ImageDir == "" {
		c.ImageDir = defaultImageDir
	}
	if c.Image == "" {
		c.Image = "auto"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Size is what an instance type gives a machine.
type Size struct {
	Name   string
	Memory int64 // bytes
	CPUs   float64
	Tasks  int // processes and threads
}

// Sizes are the instance types of this provider, smallest first.
var Sizes = []Size{
	{"local.nano", 256 << 20, 0.5, 1000},
	{"local.micro", 512 << 20, 1, 2000},
	{"local.small", 1 << 30, 1, 2000},
	{"local.medium", 2 << 30, 2, 4000},
	{"local.large", 4 << 30, 2, 4000},
}

const defaultSize = "local.small"

func sizeOf(name string) (Size, bool) {
	if name == "" {
		name = defaultSize
	}
	for _, s := range Sizes {
		if s.Name == name {
			return s, true
		}
	}
	return Size{}, false
}

var caps = compute.Caps{OwnIP: true, OwnDisk: true, Services: true, Reboot: true, Console: true}
