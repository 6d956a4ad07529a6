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

var caps = compute.Caps{OwnIP: true, OwnDisk: true, Services: true, Reboot: true, Console: true}
